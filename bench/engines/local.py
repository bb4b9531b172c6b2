"""Local engine: worker processes that live for many cells, with one torch thread and, where all are used, a core each.

On a box with GPUs every worker sees GPUs of its own.
"""

import gc
import importlib
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from bench.engines.events import Cell, Ended, Event, Progressed
from bench.records import RunSpec
from bench.system.shortage import check_open_files, describe_memory_limit, explain_shortage

T = TypeVar("T")
LONGEST = 60  # bytes of a folder with sockets; what they add and the system's limit leave room for no more
OPEN, OPEN_EACH = 14, 2  # files that a runner has open, and those more for each worker
SHORT = ("/tmp", "/var/tmp", "/dev/shm")
GRACE_SECONDS = 5.0  # between asking a worker to stop and ending it
FORKS = sys.platform == "linux"  # elsewhere, and with a GPU, a copy of a process is not sound


@dataclass(frozen=True)
class Place:
    """What a worker has to itself: a core, where it is pinned to one, and GPUs, named as in CUDA_VISIBLE_DEVICES."""

    core: int | None = None
    gpus: tuple[str, ...] = ()


def default_jobs(device: str, devices: int = 1) -> int:
    """One worker per core, or per GPU, that this process may use; per so many where a cell takes several `devices`."""
    return max(1, len(gpus() if device == "cuda" else _cores()) // devices)


def gpus() -> list[str]:
    """The GPUs that this process may use, named as in CUDA_VISIBLE_DEVICES."""
    import torch

    count, named = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def places(specs: Sequence[RunSpec], jobs: int) -> list[Place]:
    """A place for each worker: one core each where all are used; as many GPUs as a cell takes, then the next ones."""
    each = max(spec.protocol.devices for spec in specs)
    if specs[0].protocol.device == "cuda":
        found = gpus()
        return [Place(gpus=tuple(found[(job * each + k) % len(found)] for k in range(each))) for job in range(jobs)]
    # With fewer workers than cores the system places them: another runner may have picked the same cores.
    cores = _cores()
    return [Place(core) for core in cores] if each == 1 and jobs == len(cores) else [Place()] * jobs


def warm_up(modules: Sequence[str], device: str) -> None:
    """Import `modules` in the process that workers will be copies of, while this one goes on."""
    if not FORKS or device != "cpu":
        return
    _shorten_addresses()
    multiprocessing.set_forkserver_preload(["bench.engines.preload"])
    os.environ["MTLBENCH_PRELOAD"] = " ".join(modules)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # handed on: Ctrl-C is this process's to answer
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shorten_addresses() -> None:
    """Have sockets of this process in a folder with a short name: their addresses have a hundred bytes or so.

    $TMPDIR may be longer. multiprocessing makes its folder once, where `tempfile` says, and removes it at the end.
    """
    if len(os.fsencode(tempfile.gettempdir())) <= LONGEST:
        return
    short = [folder for folder in SHORT if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)]
    if not short:
        raise OSError(
            f"$TMPDIR should have at most {LONGEST} characters, since sockets lie in it. Found "
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
    """Run every specification, `jobs` at a time, and tell what happens as it happens.

    A worker that dies takes one cell with it, which ends as failed, and is replaced. Closing the
    iterator, as Ctrl-C does, stops the workers: a cell then has a whole record or none. `take` is asked
    when a worker is free for a cell; where somebody else has it, nothing is told of it.
    """
    if not specs:
        return
    device, queue = specs[0].protocol.device, deque(specs)
    _shorten_addresses()
    warm_up(cell.modules, device)
    context = multiprocessing.get_context("forkserver" if FORKS and device == "cpu" else "spawn")
    count = min(jobs, len(specs))
    check_open_files(OPEN + OPEN_EACH * count, f"A command with {count} worker{'s' * (count > 1)}")
    workers = [_Worker(context, cell, place) for place in places(specs, jobs)[: len(specs)]]
    try:
        for worker in workers:
            worker.give(_next(queue, take))
        while busy := [worker for worker in workers if worker.spec is not None]:
            ready = wait([worker.connection for worker in busy])
            for worker in busy:
                if worker.connection not in ready:
                    continue
                event = worker.receive()
                if isinstance(event, Ended):
                    if not worker.process.is_alive():
                        worker.restart()
                    worker.give(_next(queue, take))
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


def call_apart(function: Callable[..., T], *arguments: Any) -> T | None:
    """What a function gives in a process that has loaded nothing but the project; None where it gives nothing there.

    Function, arguments and result pickle; tensors come back in shared memory.
    """
    _shorten_addresses()
    mine, theirs = (context := multiprocessing.get_context("forkserver" if FORKS else "spawn")).Pipe()
    errand = (theirs, dict(os.environ), function, arguments)
    process = context.Process(target=_answer, args=errand, daemon=True)  # type: ignore[attr-defined]
    process.start()
    theirs.close()
    try:
        answer: T | None = mine.recv()
    except (EOFError, OSError):
        answer = None
    mine.close()
    process.join()
    return answer


def _next(queue: deque[RunSpec], take: Callable[[RunSpec], bool]) -> RunSpec | None:
    """The first cell that is ours to run."""
    while queue:
        if take(spec := queue.popleft()):
            return spec
    return None


def _cores() -> Sequence[int | None]:
    """The cores that this process may use; unknown ones where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return [None] * (os.cpu_count() or 1)


class _Worker:
    """One process, the cell it has, and the pipe to it."""

    def __init__(self, context: BaseContext, cell: Cell, place: Place) -> None:
        self.context, self.life = context, (cell, place)
        self.spec: RunSpec | None = None
        self.restart()

    def restart(self) -> None:
        """Start a process that has loaded nothing for a cell yet."""
        self.loaded: frozenset[str] = frozenset()
        self.connection, theirs = self.context.Pipe()
        arguments = (theirs, *self.life, dict(os.environ))
        self.process = self.context.Process(target=_work, args=arguments, daemon=True)  # type: ignore[attr-defined]
        try:
            self.process.start()
        except EOFError as error:  # of the process that it would be a copy of
            raise OSError("A worker should start. Found no memory or too few open files for it.") from error
        theirs.close()  # so that the death of the worker is the end of the pipe

    def give(self, spec: RunSpec | None) -> None:
        self.spec = spec
        if spec is None:
            return
        needs = self.life[0].needs(spec)
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
        """The next message about the cell at hand; the end of the pipe is the end of the worker."""
        assert self.spec is not None
        try:
            kind, *rest = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(GRACE_SECONDS)
            spec, self.spec = self.spec, None
            return Ended(spec, "failed", _how(self.process.exitcode))
        if kind == "epoch":
            return Progressed(self.spec, *rest)
        spec, self.spec = self.spec, None
        return Ended(spec, *rest)

    def stop(self) -> None:
        """Wait for the end of the process, or make one."""
        self.process.join(GRACE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _how(code: int | None) -> str:
    """The end of a worker in words."""
    if code == -signal.SIGKILL:
        return "the worker process was killed (SIGKILL, as the system does where memory runs out)"
    return f"the worker process died (exit code {code}){describe_memory_limit()}"


def _end_with_parent() -> None:
    """Leave at once when the parent is gone, also in the middle of an epoch."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _begin(environment: Mapping[str, str]) -> None:
    """Set up a child process: exit with the parent, ignore Ctrl-C, take over the environment."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for kind in ("SIGINT", "SIGUSR2"):  # Ctrl-C and a scheduler's warning reach the whole group; the parent decides
        if hasattr(signal, kind):
            signal.signal(getattr(signal, kind), signal.SIG_IGN)
    os.environ.update(environment)  # that of the process it is a copy of may be older


def _answer(
    connection: Connection, environment: Mapping[str, str], function: Callable[..., Any], arguments: Sequence[Any]
) -> None:
    """Call a function once; leave when the answer was taken, since tensors are handed over by whoever has them."""
    _begin(environment)
    sys.excepthook = lambda *_: None  # of the thread that hands them over: whoever asked goes on without
    try:
        connection.send(function(*arguments))
    except Exception:
        connection.send(None)
    with suppress(EOFError, OSError):
        connection.recv()


def _work(connection: Connection, cell: Cell, place: Place, environment: Mapping[str, str]) -> None:
    """Entry point of a worker: run cells until the pipe closes."""
    _begin(environment)
    sys.unraisablehook = _unraisable
    if place.gpus:  # before torch looks for them
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(place.gpus)
    if place.core is not None:
        os.sched_setaffinity(0, {place.core})
    import torch

    torch.set_num_threads(1)
    short = ""
    try:
        for name in cell.modules:
            importlib.import_module(name)
    except (ImportError, MemoryError, OSError) as error:
        short = explain_shortage(error)
        if not short:
            raise
    gc.freeze()  # modules stay: a collection between two cells looks at what they left, not at half a million objects
    while True:
        # Training may have put its own handler in place: between cells, and at the start of each, ours holds.
        signal.signal(signal.SIGTERM, _leave)
        try:
            spec: RunSpec = connection.recv()
        except EOFError:
            return

        def on_epoch(done: int, epochs: int) -> None:
            try:
                connection.send(("epoch", done, epochs))
            except OSError:  # nobody is there to run for any more: stop without a record
                sys.exit(1)

        message: tuple[Any, ...]
        try:
            message = ("end", "failed", short) if short else ("end", cell(spec, on_epoch))
        except Exception as error:
            message = ("end", "failed", explain_shortage(error) or f"{type(error).__name__}: {error}")
        connection.send(message)


def _leave(*_: Any) -> None:
    sys.exit(1)


def _unraisable(what: Any) -> None:
    """Python goes on after an exception in a finaliser, where a signal is often heard: leaving is leaving there too."""
    if isinstance(what.exc_value, SystemExit):
        os._exit(1)
    sys.__unraisablehook__(what)
