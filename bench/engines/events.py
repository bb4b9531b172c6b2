"""What an engine tells while cells run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.records import RunSpec

OnEpoch = Callable[[int, int], None]
# Runs one cell and stores its record; returns the record's status. It must pickle.
Cell = Callable[[RunSpec, OnEpoch], Literal["done", "failed"]]


@dataclass(frozen=True)
class Progressed:
    """A cell finished epoch `done` of `epochs`."""

    spec: RunSpec
    done: int
    epochs: int


@dataclass(frozen=True)
class Ended:
    """A cell ended. `error` says what went wrong where no record could tell it."""

    spec: RunSpec
    status: Literal["done", "failed"]
    error: str | None = None


Event = Progressed | Ended
