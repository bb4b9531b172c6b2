"""The processes that the local engine starts: a worker, which runs cells until its pipe closes, and a single call."""

import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.engines.events import Cell
from bench.records import RunSpec
from bench.system.shortage import explain_shortage


@dataclass(frozen=True)
class Place:
    """The hardware that one worker has to itself.

    `core` is the core it is pinned to, or None for no pinning. `gpus` are its GPUs, named as in CUDA_VISIBLE_DEVICES.
    """

    core: int | None = None
    gpus: tuple[str, ...] = ()


def _end_with_parent() -> None:
    """Thread of a child: exit the process at once when its parent is gone, also in the middle of an epoch."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _set_up_child(environment: Mapping[str, str]) -> None:
    """Set up a child process: exit with the parent, ignore Ctrl-C, take over the environment of the runner."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for kind in ("SIGINT", "SIGUSR2"):  # Ctrl-C and a scheduler's warning reach the whole group; the parent decides
        if hasattr(signal, kind):
            signal.signal(getattr(signal, kind), signal.SIG_IGN)
    os.environ.update(environment)  # that of the process it is a copy of may be older


def call_once(
    connection: Connection, environment: Mapping[str, str], function: Callable[..., Any], arguments: Sequence[Any]
) -> None:
    """Entry point of `call_in_clean_process`: call the function, send its result, and wait until it was taken.

    The process has to stay until then, since shared memory of tensors is handed over by the process that owns it.
    """
    _set_up_child(environment)
    sys.excepthook = lambda *_: None  # of the thread that hands them over: whoever asked goes on without
    try:
        connection.send(function(*arguments))
    except Exception:
        connection.send(None)
    with suppress(EOFError, OSError):
        connection.recv()


def run_worker(connection: Connection, cell: Cell, place: Place, environment: Mapping[str, str]) -> None:
    """Entry point of a worker: import what cells need, then run cells until the pipe closes.

    Sends ("epoch", done, epochs) after each epoch and ("end", status[, error]) after each cell. Where memory or open
    files do not suffice for the imports, every cell ends with that sentence instead of a traceback.
    """
    _set_up_child(environment)
    sys.unraisablehook = _exit_on_unraisable
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
    """Handler of SIGTERM: leave through `finally` blocks, so that a checkpoint on its way is whole or absent."""
    sys.exit(1)


def _exit_on_unraisable(what: Any) -> None:
    """Exit where a finaliser was interrupted by the signal to leave; other exceptions of finalisers are printed.

    Python swallows exceptions in finalisers, and with them a `sys.exit` of a signal handler that ran there.
    """
    if isinstance(what.exc_value, SystemExit):
        os._exit(1)
    sys.__unraisablehook__(what)
