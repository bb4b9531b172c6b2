"""Engine: where cells run.

`Local` is always available. `bench.engines.ray` and `bench.engines.slurm` are imported only when they are chosen, since
they need packages or programs that not every machine has.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import Any, ClassVar, Self

from bench.engines.events import Cell, Event
from bench.engines.local import default_jobs, run_cells, warm_up
from bench.records import RunSpec

RETRIES = 2  # times that a cell is run again after the machine or the process that had it was lost


class Engine(ABC):
    """Schedules cells without looking into them. A context manager: enter it before any other call.

    Every engine keeps three promises: cells start in the order given, every cell ends exactly once, and a cell leaves
    either a complete record or none.
    """

    remote: ClassVar[bool] = False  # whether cells run on machines that have not loaded what this process has

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        return

    @abstractmethod
    def width(self, specs: Sequence[RunSpec]) -> int:
        """How many of these cells may run at a time, at least 1.

        Raises UsageError where the engine has no room for even one of them.
        """

    def warm_up(self, specs: Sequence[RunSpec], cell: Cell) -> None:
        """Get ready for these cells while the caller does other things. Optional: `run_cells` works without it.

        `specs` should not be empty.
        """
        return

    @abstractmethod
    def run_cells(self, specs: Sequence[RunSpec], cell: Cell) -> Generator[Event, None, None]:
        """Start cells in this order and yield what happens; every cell ends once.

        Closing the iterator, as Ctrl-C does, ends what is queued and what runs: a cell then has a whole record or none.

        Args:
            specs: The cells. All of them have one `protocol.device`; their `protocol.devices` may differ.
            cell: What runs a specification, see `bench.engines.events.Cell`.

        Yields:
            Any number of `Progressed` events of a cell, then one `Ended`. A cell that was lost with its machine and
            runs again may report its first epochs twice.
        """


class Local(Engine):
    """Worker processes on this machine.

    `jobs` is their number. The default is one per core, or one per GPU where the protocol's device is `cuda`; a cell
    that takes several devices counts for as many.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs

    def width(self, specs: Sequence[RunSpec]) -> int:
        return min(self._workers(specs), len(specs))

    def warm_up(self, specs: Sequence[RunSpec], cell: Cell) -> None:
        warm_up(cell.modules, specs[0].protocol.device)

    def run_cells(self, specs: Sequence[RunSpec], cell: Cell) -> Generator[Event, None, None]:
        return run_cells(specs, cell, self._workers(specs))

    def _workers(self, specs: Sequence[RunSpec]) -> int:
        """Number of workers for these cells; the widest cell decides where they take several devices."""
        device, devices = specs[0].protocol.device, max(spec.protocol.devices for spec in specs)
        return self.jobs or default_jobs(device, devices)
