"""Local engine: worker processes that live for many cells, one torch thread each on a CPU."""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection, wait
from typing import Any

from bench.engines.events import Cell, Ended, Event, Progressed
from bench.records import RunSpec

GRACE_SECONDS = 5.0  # between asking a worker to stop and ending it
_SPAWN = multiprocessing.get_context("spawn")


def default_jobs(device: str) -> int:
    """One worker per core that this process may use; one for a GPU."""
    if device == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_cells(
    specs: list[RunSpec], cell: Cell, jobs: int, take: Callable[[RunSpec], bool] = lambda spec: True
) -> Generator[Event, None, None]:
    """Run every specification, `jobs` at a time, and tell what happens as it happens.

    A worker that dies takes one cell with it, which ends as failed, and is replaced. Closing the
    iterator, as Ctrl-C does, stops the workers: a cell then has a whole record or none. `take` is asked
    when a worker is free for a cell; where somebody else has it, nothing is told of it.
    """
    queue = deque(specs)
    workers = [_Worker(cell) for _ in range(min(jobs, len(specs)))]
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


def _next(queue: deque[RunSpec], take: Callable[[RunSpec], bool]) -> RunSpec | None:
    """The first cell that is ours to run."""
    while queue:
        if take(spec := queue.popleft()):
            return spec
    return None


class _Worker:
    """One process, the cell it has, and the pipe to it."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.spec: RunSpec | None = None
        self.restart()

    def restart(self) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_work, args=(theirs, self.cell), daemon=True)
        self.process.start()
        theirs.close()  # so that the death of the worker is the end of the pipe

    def give(self, spec: RunSpec | None) -> None:
        self.spec = spec
        if spec is None:
            return
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


def _work(connection: Connection, cell: Cell) -> None:
    """A worker's life: cells until the pipe ends."""
    for kind in ("SIGINT", "SIGUSR2"):  # Ctrl-C and a scheduler's warning reach the whole group; the parent decides
        if hasattr(signal, kind):
            signal.signal(getattr(signal, kind), signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
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
