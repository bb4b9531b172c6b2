"""What an engine tells while cells run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.records import RunSpec

OnEpoch = Callable[[int, int], None]
# done and failed are the record's own; stored: another runner finished the cell first, and nothing was done.
Status = Literal["done", "failed", "stored"]
# Runs one cell and stores its record. It must pickle.
Cell = Callable[[RunSpec, OnEpoch], Status]


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
    status: Status
    error: str | None = None


Event = Progressed | Ended
