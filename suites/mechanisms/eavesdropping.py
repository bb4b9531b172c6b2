"""Eavesdropping: a feature that is hard to learn from one task and easy to learn from another."""

from typing import ClassVar

import numpy as np

from suites.mechanisms.mechanism import Deviation, Share, Stream, Training, draw_normal, is_noisy, mix
from suites.mechanisms.ridges import ROW_NUMBERS, RidgeMechanism, Ridges


class Eavesdropping(RidgeMechanism, title="eavesdropping"):
    """y_1 = sqrt(weight) F(x) + sqrt(1 - weight) G(x) + e, y_2 = F(x): F is a small part of t1 and all of t2.

    F and G are sums of two ridges each, e ~ N(0, noise^2). Of y_2 a share `relation` is F, the rest a function H of its
    own: y_2 = sqrt(relation) F + sqrt(1 - relation) H. After eavesdropping, Caruana 1997, section 3, where t2 is a
    catalytic hint. `weight` is the dial of difficulty: towards 1 F becomes as easy for t1 as for t2.
    """

    formula: ClassVar[str] = "y_1 = F, G by weight; y_2 = F"

    train: Training = 100
    noise: Deviation = 0.5
    weight: Share = 0.5
    relation: Share = 1.0

    def truth(self, seed: int) -> tuple[Ridges, Ridges, Ridges]:
        """F, G and H."""
        generator = self.make_generator(seed, "functions")
        return Ridges.draw(generator), Ridges.draw(generator), Ridges.draw(generator)

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator, (f, g, h) = self.make_generator(seed, *stream), self.truth(seed)
        x = draw_normal(generator, rows, ROW_NUMBERS)
        main = mix(self.weight, f(x), g(x))
        if is_noisy(stream):
            main = main + self.noise * generator.standard_normal(rows)
        return x, np.stack([main, mix(self.relation, f(x), h(x))], axis=1)
