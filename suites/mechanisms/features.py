"""A noisy measurement of hidden features, which may be a further input, a further target, or left out."""

from typing import ClassVar

import numpy as np

from suites.mechanisms.codes import Use
from suites.mechanisms.mechanism import Deviation, Mechanism, Stream, Target, Training, draw_normal, is_noisy
from suites.mechanisms.ridges import FEATURES, ROW_NUMBERS, Ridges

LABEL_NOISE = 0.5  # of t1


class Features(Mechanism, title="features"):
    """y_1 = F(x) + e, z_k = phi_k(x) + noise e_k, phi_k the two ridges that F is made of, e ~ N(0, 0.25).

    `use` says whether z is two further inputs, two further targets, or left out. Where `noise` is 0 an input hands over
    the hidden features as they are, and nothing is left to learn; where it is large an input brings its noise into
    every prediction, and a target only into what is learnt from many rows. As an input z is noisy in test rows, too.
    After Caruana 1997, section 4.9.
    """

    formula: ClassVar[str] = "y_1 = F(x) + e, z_k = phi_k(x) + e_k"

    train: Training = 200
    noise: Deviation = 1.0
    use: Use = "target"

    @property
    def inputs(self) -> int:
        return ROW_NUMBERS + FEATURES * (self.use == "input")

    @property
    def targets(self) -> list[Target]:
        return ["real"] * (1 + FEATURES * (self.use == "target"))

    def truth(self, seed: int) -> Ridges:
        """F."""
        return Ridges.draw(self.make_generator(seed, "functions"))

    def known_features(self, seed: int, x: np.ndarray) -> dict[str, np.ndarray]:
        """The ridges of F."""
        found = self.truth(seed).features(x[:, :ROW_NUMBERS])
        return {f"ridge {k}": each for k, each in enumerate(found.T, 1)}

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator, f = self.make_generator(seed, *stream), self.truth(seed)
        x = draw_normal(generator, rows, ROW_NUMBERS)
        errors = generator.standard_normal((rows, 1 + FEATURES))
        labels = f(x) + LABEL_NOISE * errors[:, 0] * is_noisy(stream)
        measured = self.noise * errors[:, 1:]
        if self.use == "input":
            return np.hstack([x, f.features(x) + measured]), labels[:, None]
        z = f.features(x) + measured * is_noisy(stream)
        return x, np.hstack([labels[:, None], z])[:, : len(self.targets)]
