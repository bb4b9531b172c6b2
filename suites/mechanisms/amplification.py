"""Amplification of data: tasks with one function and noise, or rows, of their own."""

from typing import Annotated, ClassVar

import numpy as np

from bench.api import Interval
from suites.mechanisms.mechanism import Deviation, Share, Stream, Training, draw_normal, is_noisy, mix
from suites.mechanisms.ridges import ROW_NUMBERS, OneFunction

CopyCount = Annotated[int, Interval(ge=2, le=64)]


class Amplification(OneFunction, title="amplification"):
    """y_t = F(x) + e_t, e_t ~ N(0, noise^2): T measurements of one F on the same rows.

    F is a sum of two ridges. e_t = sqrt(relation) own + sqrt(1 - relation) e_1: at 0 every task has the noise of the
    first, and says nothing that it does not say. After statistical amplification, Caruana 1997, section 3: the mean of
    T independent measurements has the variance noise^2 / T.
    """

    formula: ClassVar[str] = "y_t = F(x) + e_t"

    train: Training = 100
    tasks: CopyCount = 4
    noise: Deviation = 1.0
    relation: Share = 1.0

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator = self.make_generator(seed, *stream)
        x = draw_normal(generator, rows, ROW_NUMBERS)
        y = np.repeat(self.truth(seed)(x)[:, None], self.tasks, axis=1)
        if is_noisy(stream):
            first = generator.standard_normal((rows, 1))
            own = generator.standard_normal((rows, self.tasks - 1))
            y += self.noise * np.hstack([first, mix(self.relation, own, first)])
        return x, y


class Sampling(OneFunction, title="sampling"):
    """y_t = F(x_t) + e_t: one F seen at other rows by every task.

    A share `relation` of a task's rows is its own, the others are those of t1: at 0 all tasks have the same rows, and
    without noise nothing to add. After sampling amplification, Caruana 1997, section 3: T tasks have T times the rows.
    """

    formula: ClassVar[str] = "y_t = F(x_t) + e_t, rows of their own"
    own_inputs: ClassVar[bool] = True

    train: Training = 50
    tasks: CopyCount = 4
    noise: Deviation = 0.0
    relation: Share = 1.0

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator = self.make_generator(seed, *stream)
        x = draw_normal(generator, self.tasks, rows, ROW_NUMBERS)
        x[:, round(self.relation * rows) :] = x[0, round(self.relation * rows) :]
        y = np.stack([self.truth(seed)(own) for own in x], axis=1)
        if is_noisy(stream):
            y += self.noise * generator.standard_normal(y.shape)
        return x, y
