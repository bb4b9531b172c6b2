"""Several horizons of one series: nearer futures help a farther one."""

from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import model_validator

from bench.api import Interval
from suites.mechanisms.mechanism import Deviation, Mechanism, Share, Stream, Training, is_noisy, mix

PAST = 8  # steps that a row shows
STEP = 0.3  # of time
STIFFNESS = 2.0  # mu
SUBSTEPS = 10  # of Euler's method in a step


class Horizon(Mechanism, title="horizon"):
    """y_t = s(horizon / 2^(t - 1)): an oscillator's place some steps ahead, from its last eight places.

    s'' = 2 (1 - s^2) s' - s, van der Pol's equation from a random start, in steps of 0.3; places that are shown, and
    labels of training, are off by N(0, noise^2). t1 is the farthest future, every further task half as far. Futures of
    the extra tasks are sqrt(relation) of this series and sqrt(1 - relation) of another one. After Caruana 1997,
    section 4.3.
    """

    formula: ClassVar[str] = "van der Pol, mu = 2, steps of 0.3"

    train: Training = 100
    tasks: Annotated[int, Interval(ge=2, le=6)] = 4
    horizon: Annotated[int, Interval(ge=2, le=64)] = 8
    noise: Deviation = 0.2
    relation: Share = 1.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.horizon < 2 ** (self.tasks - 1):
            raise ValueError(
                f"`horizon` should be halved for each further task, and be {2 ** (self.tasks - 1)} or more for "
                f"{self.tasks} of them. Found `horizon = {self.horizon}`."
            )
        return self

    @property
    def inputs(self) -> int:
        return PAST

    @property
    def steps(self) -> list[int]:
        """How far ahead each task looks."""
        return [self.horizon >> t for t in range(self.tasks)]

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator = self.make_generator(seed, *stream)
        places, others = (simulate(generator, rows, PAST + self.horizon) for _ in range(2))
        shown = places[:, :PAST] + self.noise * generator.standard_normal((rows, PAST))
        ahead = [PAST - 1 + step for step in self.steps]
        y = mix(self.relation, places[:, ahead], others[:, ahead])
        y[:, 0] = places[:, ahead[0]]
        if is_noisy(stream):
            y = y + self.noise * generator.standard_normal(y.shape)
        return shown.astype(np.float32).astype(np.float64), y


def simulate(generator: np.random.Generator, rows: int, steps: int) -> np.ndarray:
    """Places (rows, steps) of oscillators from a start in [-2, 2] x [-2, 2], by Euler's method in steps of 0.03."""
    place, speed = generator.uniform(-2, 2, (2, rows))
    places, dt = np.empty((rows, steps)), STEP / SUBSTEPS
    for step in range(steps):
        places[:, step] = place
        for _ in range(SUBSTEPS):
            place, speed = place + dt * speed, speed + dt * (STIFFNESS * (1 - place**2) * speed - place)
    return places
