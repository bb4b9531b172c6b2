"""The interface between engines and what they run: cells and events.

An engine is handed a `Cell` and specifications, and yields `Progressed` and `Ended`. Everything that crosses to another
process is one of these types, which is why all of them pickle.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from bench.records import RunSpec

# Called with (epochs that are done, epochs in all). Solvers, which have no epochs, count their own steps.
EpochCallback = Callable[[int, int], None]
# `done` and `failed` are the status of the record. `stored`: another runner finished the cell first; nothing was run.
Status = Literal["done", "failed", "stored"]


class Cell(Protocol):
    """Runs one cell; it must pickle. The engine decides in which process its record is stored.

    Where the worker sees the store, the engine calls the whole cell there. Where it does not, it calls `make` in the
    worker and `keep` where the store is. `modules` are imported once, before the first cell of a worker. A process that
    ran a cell with some `needs` runs none with others: what was loaded for one must not be there for another.
    """

    modules: ClassVar[tuple[str, ...]]

    def needs(self, spec: RunSpec) -> frozenset[str]:
        """Names of what is loaded for this cell beside the project itself, such as plug-in files; empty for most.

        Only equality of two such sets matters to an engine.
        """
        ...

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        """Run one cell and store its record; the record's status."""
        ...

    def make(self, spec: RunSpec, on_epoch: EpochCallback) -> Any:
        """Run one cell; returns everything that is to be stored of it, which must pickle."""
        ...

    def keep(self, made: Any) -> Status:
        """Store what `make` returned; the record's status."""
        ...


@runtime_checkable
class PortableCell(Cell, Protocol):
    """A cell for machines that are handed no Python objects, only JSON.

    `from_json(cell.as_json())` should run specifications exactly as `cell` does.
    """

    def as_json(self) -> dict[str, Any]:
        """The cell as JSON values, enough for `from_json` to rebuild it."""
        ...

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "PortableCell":
        """Rebuild a cell from the result of `as_json`."""
        ...


@dataclass(frozen=True)
class Progressed:
    """A cell finished epoch `done` of `epochs`."""

    spec: RunSpec
    done: int
    epochs: int


@dataclass(frozen=True)
class Ended:
    """A cell ended.

    `error` is one sentence where no record could hold it: the worker died, was lost, or could not store the record. It
    is None where a record tells, also of a failure.
    """

    spec: RunSpec
    status: Status
    error: str | None = None


Event = Progressed | Ended
