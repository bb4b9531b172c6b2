"""What an engine tells while cells run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from bench.records import RunSpec

OnEpoch = Callable[[int, int], None]
# done and failed are the record's own; stored: another runner finished the cell first, and nothing was done.
Status = Literal["done", "failed", "stored"]


class Cell(Protocol):
    """Runs one cell; it must pickle. `modules` are imported once, before the first cell of a worker."""

    modules: ClassVar[tuple[str, ...]]

    def __call__(self, spec: RunSpec, on_epoch: OnEpoch) -> Status:
        """Run one cell and store its record; the record's status."""
        ...


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
