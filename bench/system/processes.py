"""The processes that descend from this one, whatever group, session or environment they gave themselves."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
PATIENCE = 10.0  # seconds in which everything that was killed should have ended
CALM = 3  # looks at everything, in a row, at which nothing was there
QUICK = 8  # looks at new processes only, between two looks at everything


class ProcessTree:
    """All processes started inside the context, and their descendants.

    On Linux an orphan goes to the nearest ancestor that asked for it, which this process does meanwhile: nothing
    that descends from it can leave. Elsewhere a family is empty, and only process groups can be ended.
    """

    def __enter__(self) -> "ProcessTree":
        self._strangers = _below({os.getpid()}, _parents(_all()))  # of others in this process
        _adopt_orphans(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _adopt_orphans(False)

    def members(self) -> set[int]:
        """Those that live."""
        parents = _parents(_all())
        found, further = set[int](), _below({os.getpid()}, parents) - self._strangers
        while further:
            found |= further
            further = _below(further, parents) - found
        return {pid for pid in found if parents[pid][1] != "Z"}

    def end(self) -> tuple[int, bool]:
        """Kill all of them: how many had to be killed, and whether all ended.

        Only children are looked at: whoever loses its parent becomes one. Between two looks at all processes there are
        several at new ones, which is quick enough for one that forks and leaves over and over.
        """
        killed, calm, turn, before, last = 0, 0, 0, set[int](), time.monotonic() + PATIENCE
        while calm < CALM and time.monotonic() < last:
            there = _all()
            everything = turn % QUICK == 0
            looked = _parents(there if everything else there - before)
            others = _below({os.getpid()}, looked) - self._strangers
            for pid in others:
                _kill(pid)
            killed += sum(map(_was_killed, others))
            calm = 0 if others else calm + everything
            before, turn = there, turn + 1
            if not others:
                time.sleep(0.002)
        return killed, calm == CALM


def descendants(pid: int) -> set[int]:
    """A process and all that descends from it, as far as they can be seen."""
    parents = _parents(_all())
    found, further = set[int](), {pid}
    while further:
        found |= further
        further = _below(further, parents) - found
    return found


def read_resident_bytes(pid: int) -> int:
    """Resident memory of a process in bytes; 0 where it cannot be read."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def processor_seconds(pid: int) -> float:
    """Seconds of the processor that a process used by itself; 0 where that cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


@contextmanager
def stopping_like_ctrl_c() -> Iterator[None]:
    """Being told to stop, or losing the terminal, is the same as Ctrl-C: what was started is ended."""
    if threading.current_thread() is not threading.main_thread():  # handlers belong to the main thread
        yield
        return
    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    kinds = [kind for kind in kinds if signal.getsignal(kind) is not signal.SIG_IGN]  # as nohup has it
    before = {kind: signal.signal(kind, signal.default_int_handler) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _adopt_orphans(yes: bool) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, int(yes), 0, 0, 0)


def _all() -> set[int]:
    """Every process of the machine that can be seen."""
    return {int(name) for name in os.listdir("/proc") if name.isdecimal()} if sys.platform == "linux" else set()


def _parents(pids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Process -> its parent and its state, `Z` where it ended and nobody waited for it."""
    found = {}
    for pid in pids:
        try:
            state, parent, *_ = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except (OSError, ValueError):
            continue  # ended meanwhile
        found[pid] = int(parent), state
    return found


def _below(above: set[int], parents: Mapping[int, tuple[int, str]]) -> set[int]:
    """The children of some processes."""
    return {pid for pid, (parent, _) in parents.items() if parent in above}


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _was_killed(pid: int) -> bool:
    """Whether a child ended, and by being killed."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return False
    return bool(found) and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
