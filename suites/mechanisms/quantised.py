"""Quantisation smoothing: a task of two values beside a finer measurement of the same quantity."""

from typing import Annotated, ClassVar

import numpy as np

from bench.api import Interval
from suites.mechanisms.mechanism import Share, Stream, Target, Training, draw_normal, mix
from suites.mechanisms.ridges import ROW_NUMBERS, RidgeMechanism, Ridges


class Quantised(RidgeMechanism, title="quantised"):
    """t1 = 1[F(x) > 0], y_2 = F(x) in `levels` equal steps: the middle of the one that it falls in.

    F is a sum of two ridges, between -sum |a_k| and sum |a_k|, which is cut into steps. With two levels y_2 says what
    t1 says; the more there are, the more it says of how far a row is from the border. What is cut is
    sqrt(relation) F + sqrt(1 - relation) H, H a function of its own. After Caruana 1997, section 4.8.
    """

    formula: ClassVar[str] = "t1 = 1[F > 0], y_2 = quantised F"

    train: Training = 100
    levels: Annotated[int, Interval(ge=2, le=1024)] = 16
    relation: Share = 1.0

    @property
    def targets(self) -> list[Target]:
        return ["boolean", "real"]

    def truth(self, seed: int) -> tuple[Ridges, Ridges]:
        """F and H."""
        generator = self.make_generator(seed, "functions")
        return Ridges.draw(generator), Ridges.draw(generator)

    def known_features(self, seed: int, x: np.ndarray) -> dict[str, np.ndarray]:
        """The ridges of F."""
        return {f"ridge {k}": each for k, each in enumerate(self.truth(seed)[0].features(x).T, 1)}

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        f, h = self.truth(seed)
        x = draw_normal(self.make_generator(seed, *stream), rows, ROW_NUMBERS)
        limit = float(np.abs(f.weights).sum() + np.abs(h.weights).sum() * (self.relation < 1))
        return x, np.stack([f(x) > 0, quantise(mix(self.relation, f(x), h(x)), limit, self.levels)], axis=1)


def quantise(values: np.ndarray, limit: float, levels: int) -> np.ndarray:
    """The middle of the step of [-limit, limit], cut into `levels` of equal width, that each value falls in."""
    width = 2 * limit / levels
    middles: np.ndarray = (np.clip(np.floor((values + limit) / width), 0, levels - 1) + 0.5) * width - limit
    return middles
