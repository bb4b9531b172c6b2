"""Local engine: worker processes that live for many cells, one torch thread and, where all are used, one core each."""

import gc
import importlib
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any

from bench.engines.events import Cell, Ended, Event, Progressed
from bench.records import RunSpec

GRACE_SECONDS = 5.0  # between asking a worker to stop and ending it
FORKS = sys.platform == "linux"  # elsewhere, and with a GPU, a copy of a process is not sound


def default_jobs(device: str) -> int:
    """One worker per core that this process may use; one for a GPU."""
    return 1 if device == "cuda" else len(_cores())


def warm_up(modules: Sequence[str], device: str) -> None:
    """Import `modules` in the process that workers will be copies of, while this one goes on."""
    if not FORKS or device != "cpu":
        return
    multiprocessing.set_forkserver_preload(list(modules))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # handed on: Ctrl-C is this process's to answer
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_cells(specs: list[RunSpec], cell: Cell, jobs: int, modules: Sequence[str] = ()) -> Generator[Event, None, None]:
    """Run every specification, `jobs` at a time, and tell what happens as it happens.

    A worker that dies takes one cell with it, which ends as failed, and is replaced. Closing the
    iterator, as Ctrl-C does, stops the workers: a cell then has a whole record or none. `modules` are imported once,
    before the first cell.
    """
    queue = deque(specs)
    device, count = specs[0].protocol.device, min(jobs, len(specs))
    warm_up(modules, device)
    context = multiprocessing.get_context("forkserver" if FORKS and device == "cpu" else "spawn")
    # With fewer workers than cores the system places them: another runner may have picked the same cores.
    cores = _cores() if device == "cpu" and jobs == len(_cores()) else [None] * count
    workers = [_Worker(context, cell, modules, core) for core in cores[:count]]
    try:
        for worker in workers:
            worker.give(queue.popleft())
        while busy := [worker for worker in workers if worker.spec is not None]:
            ready = wait([worker.connection for worker in busy])
            for worker in busy:
                if worker.connection not in ready:
                    continue
                event = worker.receive()
                if isinstance(event, Ended):
                    if not worker.process.is_alive():
                        worker.restart()
                    if queue:
                        worker.give(queue.popleft())
                yield event
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.stop()


def _cores() -> Sequence[int | None]:
    """The cores that this process may use; unknown ones where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return [None] * (os.cpu_count() or 1)


class _Worker:
    """One process, the cell it has, and the pipe to it."""

    def __init__(self, context: BaseContext, cell: Cell, modules: Sequence[str], core: int | None) -> None:
        self.context, self.life = context, (cell, modules, core)
        self.spec: RunSpec | None = None
        self.restart()

    def restart(self) -> None:
        self.connection, theirs = self.context.Pipe()
        arguments = (theirs, *self.life, dict(os.environ))
        self.process = self.context.Process(target=_work, args=arguments, daemon=True)  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()  # so that the death of the worker is the end of the pipe

    def give(self, spec: RunSpec) -> None:
        self.spec = spec
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
            return Ended(spec, "failed", f"the worker process died (exit code {self.process.exitcode})")
        if kind == "epoch":
            return Progressed(self.spec, *rest)
        spec, self.spec = self.spec, None
        return Ended(spec, *rest)

    def stop(self) -> None:
        self.process.join(GRACE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _work(
    connection: Connection, cell: Cell, modules: Sequence[str], core: int | None, environment: Mapping[str, str]
) -> None:
    """A worker's life: cells until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    os.environ.update(environment)  # that of the process it is a copy of may be older
    if core is not None:
        os.sched_setaffinity(0, {core})
    import torch

    torch.set_num_threads(1)
    for name in modules:
        importlib.import_module(name)
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
            message = ("end", cell(spec, on_epoch))
        except Exception as error:
            message = ("end", "failed", f"{type(error).__name__}: {error}")
        connection.send(message)


def _leave(*_: Any) -> None:
    sys.exit(1)
