"""Eavesdropping: a feature that is hard to learn from one task and easy to learn from another."""

from typing import ClassVar

import numpy as np

from suites.mechanisms.mechanism import Deviation, Share, Stream, Training, draw_normal, is_noisy, mix
from suites.mechanisms.ridges import ROW_NUMBERS, SLOPE, RidgeMechanism, Ridges

WAVES = 3.0  # radians of t1's wave by a unit of u


class Eavesdropping(RidgeMechanism, title="eavesdropping"):
    """y_1 = sqrt(1 - weight) sqrt(2) sin(3 u) + sqrt(weight) F + e, y_2 = F, with F = tanh(2 u), u = w . x, |w| = 1.

    Both tasks read u and nothing else. From t2 it is easy to find: F rises with u. From t1 it is hard: sin(3 u) rises
    and falls, so that no direction of x is correlated with it but by a little. e ~ N(0, noise^2). `weight` is the dial
    of difficulty: towards 1 t1 shows F as t2 does. Of y_2 a share `relation` is F, the rest a ridge of its own:
    y_2 = sqrt(relation) F + sqrt(1 - relation) H. After eavesdropping, Caruana 1997, section 3, where t2 is a catalytic
    hint.
    """

    formula: ClassVar[str] = "y_1 = sin 3u, F by weight; y_2 = F(u)"

    train: Training = 400
    noise: Deviation = 0.1
    weight: Share = 0.0
    relation: Share = 1.0

    def truth(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The directions of u and of H, unit vectors."""
        generator = self.make_generator(seed, "functions")
        return Ridges.draw(generator, 1).directions[0], Ridges.draw(generator, 1).directions[0]

    def known_features(self, seed: int, x: np.ndarray) -> dict[str, np.ndarray]:
        """F, which both tasks need, and the wave of t1."""
        u = x @ self.truth(seed)[0]
        return {"F": np.tanh(SLOPE * u), "wave": np.sin(WAVES * u)}

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator, (direction, other) = self.make_generator(seed, *stream), self.truth(seed)
        x = draw_normal(generator, rows, ROW_NUMBERS)
        u = x @ direction
        feature = np.tanh(SLOPE * u)
        main = mix(self.weight, feature, np.sqrt(2) * np.sin(WAVES * u))
        if is_noisy(stream):
            main = main + self.noise * generator.standard_normal(rows)
        return x, np.stack([main, mix(self.relation, feature, np.tanh(SLOPE * (x @ other)))], axis=1)
