"""The confined process: it runs somebody else's method, and never sees a target of the test split.

`python -m bench.judge.player FD GRACE` imports the harness once and waits on the socket FD. For every request, which
brings a connected socket, it makes a copy of itself. The copy answers over that socket, with nothing of earlier
requests in its memory. The first process never imports a method; it reports when the copy has ended and what it used.
"""

import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import torch

from bench.catalogue.registry import PACKAGES, list_entries
from bench.errors import UsageError
from bench.judge.channel import Channel, ChannelError
from bench.judge.leftovers import SharedFolders
from bench.judge.requests import REQUESTS
from bench.judge.seccomp import refuse_calls
from bench.system.processes import ProcessTree
from bench.training.environment import strip_paths

GRACE_SECONDS = 10.0  # for a copy to end after its last answer
MAX_FILE = 8 << 30  # bytes of one file that a copy writes
DUMPABLE, DEATH_SIGNAL = 4, 1  # PR_SET_DUMPABLE, PR_SET_PDEATHSIG of prctl(2)


def main(descriptor: int, grace: float) -> NoReturn:
    """Serve requests until the other end of `descriptor` is closed.

    `grace` are the seconds that helper processes get to end by themselves after each request.
    """
    control = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the judge decides
    torch.set_num_threads(1)
    for kind in PACKAGES:
        list_entries(kind)
    gc.freeze()  # modules stay: a copy that looks for garbage would look at all of them, and write to their memory
    _prctl(DUMPABLE, 0)  # a copy can neither look into this process nor change it
    refuse_calls()
    shared = SharedFolders()
    with ProcessTree() as tree:
        control.sendall(b"ready\n")
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            except OSError:
                data, descriptors = b"", []
            if not data:
                tree.end()
                os._exit(0)
            report = _serve(descriptors[0], control, tree, shared, grace)
            control.sendall(json.dumps(report).encode() + b"\n")


def _serve(
    descriptor: int, control: socket.socket, tree: ProcessTree, shared: SharedFolders, grace: float
) -> dict[str, Any]:
    """Answer one request in a copy of this process; returns the report on its end.

    Keys of the report: `code` (exit code), `seconds` (of processors), `peak_mb`, `left` (processes that had to be
    killed), `ended` (whether all of them did), `clean` (whether all that it wrote is removed).
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    pid = os.fork()
    if not pid:
        control.close()
        _answer(socket.socket(fileno=descriptor))
    os.close(descriptor)
    status, peak, released = _wait_for_copy(pid, control, tree)
    end = time.monotonic() + grace
    while tree.list_living() and time.monotonic() < end:
        time.sleep(0.02)
    left, ended = tree.end()
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    clean = shared.clear()
    if not released and not control.recv(1):  # the judge says once per request that no more is wanted
        os._exit(0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": peak / 1024,
        "left": left,
        "ended": ended,
        "clean": clean,
    }


def _wait_for_copy(pid: int, control: socket.socket, tree: ProcessTree) -> tuple[int, int, bool]:
    """Wait for a copy to end; returns its status, its peak memory (KiB), and whether the judge released it.

    A byte on `control` releases the copy: it is killed where it does not end within GRACE_SECONDS. Where the judge is
    gone, this process and everything below it end.
    """
    end = float("inf")
    while True:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if done:
            return status, used.ru_maxrss, end != float("inf")
        if select.select([control], [], [], 0.01)[0] and end == float("inf"):
            if not control.recv(1):
                tree.end()
                os._exit(0)
            end = time.monotonic() + GRACE_SECONDS
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)


def _answer(connection: socket.socket) -> NoReturn:
    """Life of a copy: answer one request and exit.

    An exception becomes a message `failed` with its type, text and place. Paths are removed from the text, which ends
    up in public records. `os._exit` skips the exit handlers of whatever the method imported.
    """
    _prctl(DUMPABLE, 1)
    _prctl(DEATH_SIGNAL, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    channel = Channel(connection)
    try:
        message = channel.receive()
        REQUESTS[message.kind](channel, message.values)
    except ChannelError:
        pass
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        failure = {
            "type": type(error).__name__,
            "message": strip_paths(str(error))[:500],
            "where": f"{Path(frame.filename).stem}.{frame.name}, line {frame.lineno}",
            "usage": isinstance(error, UsageError),
        }
        with suppress(ChannelError):
            channel.send("failed", failure)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _prctl(option: int, value: int) -> None:
    """Set an attribute of this process (Linux); no effect elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
