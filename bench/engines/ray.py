"""Ray engine: cells as tasks of a running cluster; their records come back and are stored by the runner.

No file system is shared: what a cell made travels with its task's result, and only this process writes to the store.
Ray decides where a task runs. A cell whose worker or node was lost runs again, RETRIES times at most.
"""

import socket
import sys
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from typing import Any, Self

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bench.engines.engine import RETRIES, Engine
from bench.engines.events import Cell, Ended, Event, Progressed
from bench.errors import UsageError
from bench.records import RunSpec

PAUSE = 0.25  # seconds between two looks at what is running
GRACE_SECONDS = 5.0  # between asking tasks to stop and ending their processes


class Ray(Engine):
    """The cluster at `address` (HOST:PORT), or the one that this machine is part of; at most `jobs` cells at a time.

    Without `jobs` as many cells run as the alive nodes have CPUs, or GPUs, for.
    """

    remote = True

    def __init__(self, address: str | None = None, jobs: int | None = None) -> None:
        self.address, self.jobs = address, jobs
        self._streams = ExitStack()

    def __enter__(self) -> Self:
        """Connect to the cluster.

        Raises:
            UsageError: `address` is not of the form HOST:PORT.
            ConnectionError: No cluster answers there.
        """
        where = f"at `{self.address}`" if self.address else "on this machine"
        try:
            if self.address:
                _check_address(self.address)
            ray.init(self.address or "auto", logging_level="ERROR", log_to_driver=False)
        except (OSError, RuntimeError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ConnectionError(
                f"There should be a Ray cluster {where}; `ray start --head` starts one. Found none ({reason})."
            ) from error
        self._streams.enter_context(redirect_stdout(sys.stderr))  # a thread of Ray's prints what nodes report
        return self

    def __exit__(self, *_: Any) -> None:
        ray.shutdown()
        self._streams.close()

    def width(self, specs: Sequence[RunSpec]) -> int:
        slots, unit = _count_slots(specs), _resource_of_cell(specs)
        if slots < 1:
            raise UsageError(
                f"A node of the Ray cluster should have {_count_per_cell(specs)} {unit} for a cell. Found none."
            )
        return min(self.jobs or slots, slots, len(specs))

    def run_cells(self, specs: Sequence[RunSpec], cell: Cell) -> Generator[Event, None, None]:
        # Ray's own retries would run a cell again without telling, and without end where memory ran out.
        gpus = _count_per_cell(specs) if _resource_of_cell(specs) == "GPU" else 0
        place = ray.remote(num_cpus=1 if gpus else _count_per_cell(specs), num_gpus=gpus, max_retries=0)(_make)
        progress = _start_progress_actor()
        sent = ray.put(cell)
        queue, lost = deque(specs), Counter[str]()
        running: dict[Any, RunSpec] = {}
        try:
            while queue or running:
                # Some wait in Ray's own queue, so that a node that comes is busy at once; few, so that a lost cell
                # does not wait behind all others.
                while queue and len(running) < (self.jobs or 2 * _count_slots(specs) + 1):
                    spec = queue.popleft()
                    running[_separate_by_needs(place, cell.needs(spec)).remote(sent, spec, progress)] = spec
                ended, _ = ray.wait(list(running), num_returns=len(running), timeout=PAUSE)
                yield from _read_progress(progress, running.values())
                for task in ended:
                    spec = running.pop(task)
                    event = _fetch(task, spec, cell)
                    if isinstance(event, Ended):
                        yield event
                    elif lost[spec.run_id] < RETRIES:
                        lost[spec.run_id] += 1
                        queue.appendleft(spec)
                    else:
                        yield Ended(spec, "failed", f"lost {RETRIES + 1} times, the last time: {event}")
        finally:
            _cancel(list(running))


def _check_address(address: str) -> None:
    """Connect to the port and close again: an address without a cluster fails at once, where Ray waits for minutes.

    Raises UsageError for an address that is not HOST:PORT, OSError where nobody listens.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        raise UsageError(f"`--address` should be HOST:PORT, as `ray start --head` prints it. Found `{address}`.")
    socket.create_connection((host, int(port)), GRACE_SECONDS).close()


class _ProgressActor:
    """Ray actor that collects the progress of workers until the runner takes it.

    It runs on the runner's node, so that it is not lost with a worker's node.
    """

    def __init__(self) -> None:
        self.reports: list[tuple[str, int, int]] = []

    def report(self, run_id: str, done: int, epochs: int) -> None:
        """Note that epoch `done` of `epochs` of a cell is over; called by workers."""
        self.reports.append((run_id, done, epochs))

    def take(self) -> list[tuple[str, int, int]]:
        """Return what was reported since the last call, oldest first, and forget it; called by the runner."""
        reports, self.reports = self.reports, []
        return reports


def _start_progress_actor() -> Any:
    """Start the actor on this node; it takes no CPU from cells."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0)(_ProgressActor).options(scheduling_strategy=here).remote()


def _make(cell: Cell, spec: RunSpec, progress: Any) -> tuple[bool, Any]:
    """Ray task: run a cell on a worker.

    Returns (True, what `Cell.make` gave) or (False, why it failed). An exception of a method is a result, so that Ray
    does not take it for a lost worker and run the cell again.
    """
    import torch

    torch.set_num_threads(1)
    try:
        return True, cell.make(spec, lambda done, epochs: progress.report.remote(spec.run_id, done, epochs))
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"


def _separate_by_needs(place: Any, needs: frozenset[str]) -> Any:
    """The task `place`, restricted to processes that only ran cells with these needs.

    Ray reuses a process only for tasks with an equal runtime environment, so a variable of its own keeps plug-ins
    apart.
    """
    if not needs:
        return place
    return place.options(runtime_env={"env_vars": {"MTLBENCH_NEEDS": " ".join(sorted(needs))}})


def _read_progress(progress: Any, running: Any) -> Iterator[Event]:
    """Events of the cells that are running, from what workers reported since the last call."""
    specs = {spec.run_id: spec for spec in running}
    for run_id, done, epochs in ray.get(progress.take.remote()):
        if run_id in specs:
            yield Progressed(specs[run_id], done, epochs)


def _fetch(task: Any, spec: RunSpec, cell: Cell) -> Ended | str:
    """Store the result of a task that ended and return the event; a sentence instead where the task was lost."""
    try:
        made, result = ray.get(task)
    except RayError as error:
        return str(error).strip().splitlines()[0]
    if not made:
        return Ended(spec, "failed", result)
    try:
        return Ended(spec, cell.keep(result))
    except (OSError, ValueError) as error:
        return Ended(spec, "failed", f"{type(error).__name__}: {error}")


def _cancel(tasks: list[Any]) -> None:
    """End tasks that wait or run: first by asking, after GRACE_SECONDS by ending their processes."""
    for force in (False, True):
        for task in tasks:
            ray.cancel(task, force=force)
        if tasks:
            _, tasks = ray.wait(tasks, num_returns=len(tasks), timeout=GRACE_SECONDS)


def _resource_of_cell(specs: Sequence[RunSpec]) -> str:
    """The Ray resource that cells take: `CPU` or `GPU`. All cells of a command have one device."""
    return "GPU" if specs[0].protocol.device == "cuda" else "CPU"


def _count_per_cell(specs: Sequence[RunSpec]) -> int:
    """How many CPUs or GPUs of one node a cell takes; the widest cell decides."""
    return max(spec.protocol.devices for spec in specs)


def _count_slots(specs: Sequence[RunSpec]) -> int:
    """How many cells the alive nodes have room for at the moment, whether or not others use them."""
    unit, each = _resource_of_cell(specs), _count_per_cell(specs)
    return sum(int(node["Resources"].get(unit, 0)) // each for node in ray.nodes() if node["Alive"])
