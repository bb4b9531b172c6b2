"""A mechanism: what one `kind` of the suite stands for, as dials, rows whose truth is known, and a network.

A mechanism is one frozen model of numbers: its fields are its dials, with their ranges, and every row follows from
them, from the seed and from the name of the split.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from bench.api import Interval, derive_seed

Share = Annotated[float, Interval(ge=0, le=1)]
Deviation = Annotated[float, Interval(ge=0, le=1000)]
Training = Annotated[int, Interval(ge=16, le=100_000)]
Target = Literal["real", "unit", "boolean"]  # `unit`: in (0, 1), by a logistic output
Stream = tuple[str | int, ...]  # names a split, or what else rows are drawn for

# Full-batch gradient descent with momentum, as networks of one logistic layer were trained; looked at every 40 updates.
FULL_BATCH: Mapping[str, Any] = {
    "epochs": 100,
    "steps_per_epoch": 40,
    "optimiser": "sgd",
    "lr": 2.0,
    "momentum": 0.9,
    "schedule": "constant",
    "coordinates": "mean",
}
# Adam on batches, which regressions need; looked at every ten updates.
SMALL_BATCHES: Mapping[str, Any] = {
    "epochs": 120,
    "steps_per_epoch": 10,
    "optimiser": "adam",
    "lr": 5e-3,
    "weight_decay": 1e-3,
    "schedule": "cosine",
    "coordinates": "mean",
}
BATCH = 32  # rows of each input in an update of `SMALL_BATCHES`


class Mechanism(BaseModel):
    """The tasks t1 ... tT of a kind; t1 is the main one.

    title: of the class, its kind: what users write, and what seeds its rows.
    formula: the equation, part of the checksum.
    inputs: numbers in a row.
    hidden: units of each layer.
    logistic: whether units are logistic, else relu.
    training: fields of the protocol.
    own_inputs: whether every task has rows of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    formula: ClassVar[str]
    hidden: ClassVar[tuple[int, ...]] = (32,)
    logistic: ClassVar[bool] = False
    training: ClassVar[Mapping[str, Any]] = SMALL_BATCHES
    own_inputs: ClassVar[bool] = False
    finite: ClassVar[bool] = False  # the splits are all rows that there are

    train: Training

    @property
    def kind(self) -> str:
        """What users write for it."""
        return str(self.model_config["title"])

    @property
    @abstractmethod
    def inputs(self) -> int:
        """Numbers in a row."""

    @property
    def targets(self) -> list[Target]:
        """What each task predicts, in their order: two real numbers where nothing else is said."""
        return ["real"] * getattr(self, "tasks", 2)

    @property
    def linear(self) -> bool:
        """Whether models are linear, and fitted by a solver."""
        return False

    @property
    def rows(self) -> dict[str, int]:
        """Split -> rows of each input."""
        return {"train": self.train, "val": 500, "test": 1000}

    @property
    def batch(self) -> int:
        """Rows of each input in an update."""
        return self.train if self.training is FULL_BATCH else min(self.train, BATCH)

    @abstractmethod
    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the problem of `seed`.

        stream: names the split; labels are without noise where `is_noisy` says so.
        rows: of each input.

        Returns inputs (n, d), or (T, n, d) where tasks have rows of their own, and labels (n, T), float64.
        """

    def known_weights(self, seed: int) -> np.ndarray | None:
        """The weights (d, T) behind the labels, where these are linear in the inputs."""
        return None

    def known_features(self, seed: int, x: np.ndarray) -> dict[str, np.ndarray]:
        """Name -> hidden features (n,) that the labels are made of, at rows `x` (n, d); none by default."""
        return {}

    def input_blocks(self, seed: int) -> dict[str, list[int]]:
        """Name -> columns of a row that belong together; none by default."""
        return {}

    def make_generator(self, seed: int, *stream: str | int) -> np.random.Generator:
        """Random numbers of a stream. Dials are no part of it: a dial that is turned leaves everything else alone."""
        return np.random.Generator(np.random.PCG64(derive_seed("mechanisms", self.kind, seed, *stream)))


def is_noisy(stream: Stream) -> bool:
    """Whether labels of a stream have noise: those of the test split, and of sealed rows, are the truth."""
    return stream[0] in ("train", "val")


def draw_normal(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Standard normal numbers as float64 that float32 holds: labels are of the inputs that the network sees."""
    return generator.standard_normal(shape).astype(np.float32).astype(np.float64)


def mix(share: float, common: np.ndarray, own: np.ndarray) -> np.ndarray:
    """sqrt(share) common + sqrt(1 - share) own: as large as either where they are independent."""
    mixed: np.ndarray = np.sqrt(share) * common + np.sqrt(1 - share) * own
    return mixed
