"""The interface between engines and what they run: cells and events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from bench.records import RunSpec

EpochCallback = Callable[[int, int], None]
# done and failed are the record's own; stored: another runner finished the cell first, and nothing was done.
Status = Literal["done", "failed", "stored"]


class Cell(Protocol):
    """Runs one cell; it must pickle. Who stores what came of it is the engine's to say.

    Where the worker sees the store, the whole cell is called there. Where it does not, `make` is called there and
    `keep` where the store is. `modules` are imported once, before the first cell of a worker. A process that ran a
    cell with some `needs` runs none with others: what was loaded for one must not be there for another.
    """

    modules: ClassVar[tuple[str, ...]]

    def needs(self, spec: RunSpec) -> frozenset[str]:
        """Names of what is loaded for this cell beside the project itself; nothing for most."""
        ...

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        """Run one cell and store its record; the record's status."""
        ...

    def make(self, spec: RunSpec, on_epoch: EpochCallback) -> Any:
        """Run one cell; all that there is to store of it, which must pickle."""
        ...

    def keep(self, made: Any) -> Status:
        """Store what `make` returned; the record's status."""
        ...


@runtime_checkable
class PortableCell(Cell, Protocol):
    """A cell for machines that are handed no Python objects."""

    def as_json(self) -> dict[str, Any]:
        """What `from_json` makes this cell of again."""
        ...

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "PortableCell":
        """What `as_json` gave."""
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
