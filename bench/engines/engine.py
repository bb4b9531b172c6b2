"""Engine: where cells run. The local one is always there; Ray and Slurm are modules beside this one."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import Any, ClassVar, Self

from bench.engines.events import Cell, Event
from bench.engines.local import default_jobs, run_cells, warm_up
from bench.records import RunSpec

RETRIES = 2  # times that a cell is run again after the machine or the process that had it was lost


class Engine(ABC):
    """Schedules cells without looking into them. A context manager: enter it before any other call."""

    remote: ClassVar[bool] = False  # whether cells run on machines that have not loaded what this process has

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        return

    @abstractmethod
    def width(self, specs: Sequence[RunSpec]) -> int:
        """How many of these cells may run at a time."""

    def warm_up(self, specs: Sequence[RunSpec], cell: Cell) -> None:
        """Get ready for these cells while the caller does other things."""
        return

    @abstractmethod
    def run_cells(self, specs: Sequence[RunSpec], cell: Cell) -> Generator[Event, None, None]:
        """Start cells in this order and tell what happens; every cell ends once.

        Closing the iterator, as Ctrl-C does, ends what is queued and what runs: a cell then has a whole record or none.
        """


class Local(Engine):
    """Worker processes on this machine, `jobs` of them; without a number one per core or per GPU."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs

    def width(self, specs: Sequence[RunSpec]) -> int:
        return min(self._workers(specs), len(specs))

    def warm_up(self, specs: Sequence[RunSpec], cell: Cell) -> None:
        warm_up(cell.modules, specs[0].protocol.device)

    def run_cells(self, specs: Sequence[RunSpec], cell: Cell) -> Generator[Event, None, None]:
        return run_cells(specs, cell, self._workers(specs))

    def _workers(self, specs: Sequence[RunSpec]) -> int:
        device, devices = specs[0].protocol.device, max(spec.protocol.devices for spec in specs)
        return self.jobs or default_jobs(device, devices)
