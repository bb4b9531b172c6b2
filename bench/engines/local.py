"""Local engine: worker processes that live for many cells, with one torch thread each.

On CPUs under Linux a worker is forked from a server process that has imported everything already (`warm_up`), which
saves the seconds that `import torch` takes. Elsewhere, and with a GPU, a worker is a new interpreter. A worker is
pinned to a core where there are as many workers as cores, and sees only its own GPUs.

The runner and a worker talk over one pipe: specifications go down; epochs and ends come up. The worker exits when the
pipe closes or its parent is gone, so it never outlives the runner.
"""

import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from bench.engines.child import Place, call_once, run_worker
from bench.engines.events import Cell, Ended, Event, Progressed
from bench.errors import count_nouns
from bench.records import RunSpec
from bench.system.processes import hide_main_module
from bench.system.shortage import check_open_files, describe_memory_limit

T = TypeVar("T")
# A socket's address holds 108 bytes on Linux and 104 on macOS, and multiprocessing appends two names to the folder.
MAX_FOLDER_BYTES = 60
RUNNER_FILES = 14  # open files of a runner besides those of its workers
WORKER_FILES = 2  # open files that each worker adds to its runner: its pipe and its sentinel
# Where sockets go instead if $TMPDIR is too long; the first that can be written to.
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
GRACE_SECONDS = 5.0  # between asking a worker to stop and ending it
FORKS = sys.platform == "linux"  # elsewhere, and with a GPU, a copy of a process is not sound


def default_jobs(device: str, devices: int = 1) -> int:
    """Number of workers where the user gives none, at least 1.

    One per core that this process may use, or per GPU where `device` is `cuda`; divided by `devices`, the number that
    one cell takes.
    """
    return max(1, len(list_gpus() if device == "cuda" else _list_cores()) // devices)


def list_gpus() -> list[str]:
    """The GPUs that this process may use, named as in CUDA_VISIBLE_DEVICES."""
    import torch

    count, named = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def assign_places(specs: Sequence[RunSpec], jobs: int) -> list[Place]:
    """One place for each of `jobs` workers.

    GPUs are dealt out in turn, as many to a worker as the widest cell takes; with more workers than GPUs they start
    again from the first. Cores are pinned only where every core has its own worker and every cell takes one.
    """
    each = max(spec.protocol.devices for spec in specs)
    if specs[0].protocol.device == "cuda":
        visible = list_gpus()
        return [Place(gpus=tuple(visible[(job * each + k) % len(visible)] for k in range(each))) for job in range(jobs)]
    # With fewer workers than cores the system places them: a second runner would pin its workers to the same cores.
    cores = _list_cores()
    return [Place(core) for core in cores] if each == 1 and jobs == len(cores) else [Place()] * jobs


def warm_up(modules: Sequence[str], device: str) -> None:
    """Start the fork server and import `modules` in it, while the caller goes on.

    Does nothing where workers are not forked (another system than Linux, or a GPU). Calling it again has no effect: one
    process has one fork server.
    """
    if not FORKS or device != "cpu":
        return
    _shorten_addresses()
    multiprocessing.set_forkserver_preload(["bench.engines.preload"])
    os.environ["MTLBENCH_PRELOAD"] = " ".join(modules)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # handed on: Ctrl-C is this process's to answer
    try:
        with hide_main_module():
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shorten_addresses() -> None:
    """Put the sockets of this process into a folder with a short name where $TMPDIR is too long for their addresses.

    multiprocessing makes its folder once, where `tempfile` points at that moment, and removes it at the end; the user's
    own $TMPDIR stays in force for everything else. Raises OSError where no short folder can be written to.
    """
    if len(os.fsencode(tempfile.gettempdir())) <= MAX_FOLDER_BYTES:
        return
    short = [folder for folder in SHORT_FOLDERS if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)]
    if not short:
        raise OSError(
            f"$TMPDIR should have at most {MAX_FOLDER_BYTES} characters, since sockets lie in it. Found "
            f"{len(os.fsencode(tempfile.gettempdir()))}."
        )
    given, tempfile.tempdir = tempfile.tempdir, short[0]
    try:
        multiprocessing.util.get_temp_dir()
    finally:
        tempfile.tempdir = given


def run_cells(
    specs: Sequence[RunSpec], cell: Cell, jobs: int, take: Callable[[RunSpec], bool] = lambda spec: True
) -> Generator[Event, None, None]:
    """Run every specification, `jobs` at a time, and yield what happens as it happens.

    A worker that dies takes one cell with it, which ends as failed, and is replaced. Closing the iterator, as Ctrl-C
    does, stops the workers: a cell then has a whole record or none.

    Args:
        specs: The cells, in the order in which they start; of one device.
        cell: What a worker calls with a specification.
        jobs: Workers at a time; no more are started than there are cells.
        take: Asked when a worker is free for a cell, whether this runner may have it. Where the answer is no, another
            runner has it, and no event tells of it. Slurm jobs claim cells this way.

    Raises OSError where this process may not open enough files, or a worker cannot start.
    """
    if not specs:
        return
    device, queue = specs[0].protocol.device, deque(specs)
    _shorten_addresses()
    warm_up(cell.modules, device)
    context = multiprocessing.get_context("forkserver" if FORKS and device == "cpu" else "spawn")
    count = min(jobs, len(specs))
    check_open_files(RUNNER_FILES + WORKER_FILES * count, f"A command with {count_nouns(count, 'worker')}")
    workers = [_Worker(context, cell, place) for place in assign_places(specs, jobs)[: len(specs)]]
    try:
        for worker in workers:
            worker.give(_pop_next(queue, take))
        while busy := [worker for worker in workers if worker.spec is not None]:
            ready = wait([worker.connection for worker in busy])
            for worker in busy:
                if worker.connection not in ready:
                    continue
                event = worker.receive()
                if isinstance(event, Ended):
                    if not worker.process.is_alive():
                        worker.restart()
                    worker.give(_pop_next(queue, take))
                yield event
    finally:
        for worker in workers:
            worker.process.terminate()
        try:
            for worker in workers:
                worker.stop()
        except KeyboardInterrupt:  # a second Ctrl-C does not wait for the grace
            for worker in workers:
                worker.process.kill()
            raise


def call_in_clean_process(function: Callable[..., T], *arguments: Any) -> T | None:
    """Call a function in a process that has loaded nothing but the project.

    Function, arguments and result should pickle; tensors come back in shared memory, without a copy.

    Returns:
        The function's result, or None where it raised, returned None, or its process died.
    """
    _shorten_addresses()
    mine, theirs = (context := multiprocessing.get_context("forkserver" if FORKS else "spawn")).Pipe()
    errand = (theirs, dict(os.environ), function, arguments)
    process = context.Process(target=call_once, args=errand, daemon=True)  # type: ignore[attr-defined]
    with hide_main_module():
        process.start()
    theirs.close()
    try:
        answer: T | None = mine.recv()
    except (EOFError, OSError):
        answer = None
    mine.close()
    process.join()
    return answer


def _pop_next(queue: deque[RunSpec], take: Callable[[RunSpec], bool]) -> RunSpec | None:
    """Remove cells from `queue` up to the first that this runner may have, and return it; None at the end."""
    while queue:
        if take(spec := queue.popleft()):
            return spec
    return None


def _list_cores() -> Sequence[int | None]:
    """The cores that this process may use; a None for each where the system does not number them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return [None] * (os.cpu_count() or 1)


class _Worker:
    """One worker process, the cell it has at the moment (`spec`, None while it is idle), and the pipe to it."""

    def __init__(self, context: BaseContext, cell: Cell, place: Place) -> None:
        self.context, self.cell, self.place = context, cell, place
        self.spec: RunSpec | None = None
        self.restart()

    def restart(self) -> None:
        """Start a new process, which has loaded nothing for a cell yet. Raises OSError where none can start."""
        self.loaded: frozenset[str] = frozenset()
        self.connection, theirs = self.context.Pipe()
        arguments = (theirs, self.cell, self.place, dict(os.environ))
        self.process = self.context.Process(target=run_worker, args=arguments, daemon=True)  # type: ignore[attr-defined]
        try:
            with hide_main_module():
                self.process.start()
        except EOFError as error:  # of the process that it would be a copy of
            raise OSError("A worker should start. Found no memory or too few open files for it.") from error
        theirs.close()  # so that the death of the worker is the end of the pipe

    def give(self, spec: RunSpec | None) -> None:
        """Send a cell, or note with None that the worker is idle.

        The process is replaced first where it has loaded something that this cell does not need.
        """
        self.spec = spec
        if spec is None:
            return
        needs = self.cell.needs(spec)
        # A plug-in cannot be unloaded, and one that patches torch would change the numbers of all later cells.
        if self.loaded - needs:
            self.process.terminate()
            self.stop()
            self.restart()
        self.loaded = needs
        try:
            self.connection.send(spec)
        except OSError:  # the worker died between two cells; the next read tells
            return

    def receive(self) -> Event:
        """The next event of the cell at hand, waiting for it.

        The end of the pipe is the end of the worker: its cell then ends as failed, with the exit code in words.
        """
        assert self.spec is not None
        try:
            kind, *rest = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(GRACE_SECONDS)
            spec, self.spec = self.spec, None
            return Ended(spec, "failed", _describe_exit(self.process.exitcode))
        if kind == "epoch":
            return Progressed(self.spec, *rest)
        spec, self.spec = self.spec, None
        return Ended(spec, *rest)

    def stop(self) -> None:
        """Wait for the process to end, kill it after GRACE_SECONDS, and close the pipe."""
        self.process.join(GRACE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _describe_exit(code: int | None) -> str:
    """How a worker ended, in words, from its exit code (negative: the signal that killed it)."""
    if code == -signal.SIGKILL:
        return "the worker process was killed (SIGKILL, as the system does where memory runs out)"
    return f"the worker process died (exit code {code}){describe_memory_limit()}"
