"""The processes that descend from this one, whatever group, session or environment they gave themselves.

Engines and isolated checks end what they started through here. Everything rests on /proc and on
Linux's subreapers; on other systems trees are empty and only process groups can be ended.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType, TracebackType

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
PATIENCE = 10.0  # seconds in which everything that was killed should have ended
CALM = 3  # full scans in a row that find nothing before a tree counts as ended
QUICK = 8  # one scan in so many is full; the others look at new processes only, to outrun one that forks


class ProcessTree:
    """All processes started inside the context, and their descendants.

    On Linux an orphan goes to the nearest ancestor that asked for it, which this process does meanwhile: nothing
    that descends from it can leave. Elsewhere a tree is empty, and only process groups can be ended.

    Children that this process had before are left alone. Contexts do not nest: leaving one stops the
    adoption of orphans.
    """

    def __enter__(self) -> "ProcessTree":
        self._strangers = _children_of({os.getpid()}, _read_parents(_list_all()))  # started by other code
        _adopt_orphans(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _adopt_orphans(False)

    def list_living(self) -> set[int]:
        """Ids of all processes of the tree that have not ended."""
        parents = _read_parents(_list_all())
        members, further = set[int](), _children_of({os.getpid()}, parents) - self._strangers
        while further:
            members |= further
            further = _children_of(further, parents) - members
        return {pid for pid in members if parents[pid][1] != "Z"}

    def end(self) -> tuple[int, bool]:
        """Kill all of them; the number that had to be killed, and whether all ended within `PATIENCE` seconds.

        Only children are looked at: whoever loses its parent becomes one. Between two full scans there are
        several of new processes only, quick enough for one that forks and leaves over and over.
        """
        killed, calm, turn, before, last = 0, 0, 0, set[int](), time.monotonic() + PATIENCE
        while calm < CALM and time.monotonic() < last:
            processes = _list_all()
            is_full = turn % QUICK == 0
            parents = _read_parents(processes if is_full else processes - before)
            others = _children_of({os.getpid()}, parents) - self._strangers
            for pid in others:
                _kill(pid)
            killed += sum(map(_was_killed, others))
            calm = 0 if others else calm + is_full
            before, turn = processes, turn + 1
            if not others:
                time.sleep(0.002)
        return killed, calm == CALM


def list_descendants(pid: int) -> set[int]:
    """A process and all that descends from it, as far as /proc shows them; at least `{pid}`."""
    parents = _read_parents(_list_all())
    members, further = set[int](), {pid}
    while further:
        members |= further
        further = _children_of(further, parents) - members
    return members


def read_resident_bytes(pid: int) -> int:
    """Resident memory of a process in bytes; 0 where it cannot be read."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def read_processor_seconds(pid: int) -> float:
    """CPU seconds, user and system, of a process without its children; 0 where they cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


@contextmanager
def treat_stop_as_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt for SIGTERM and SIGHUP as well, so that what was started is ended in the same way.

    Handlers are put back afterwards. Signals that are ignored, as under `nohup`, stay ignored; in other
    threads than the main one nothing changes, since only that one may set handlers.
    """
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
    """Become, or cease to be, the parent of descendants whose own parent ends (PR_SET_CHILD_SUBREAPER)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, int(yes), 0, 0, 0)


def _list_all() -> set[int]:
    """Ids of every process that /proc shows; none on systems other than Linux."""
    return {int(name) for name in os.listdir("/proc") if name.isdecimal()} if sys.platform == "linux" else set()


def _read_parents(pids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Process -> its parent and its state, `Z` where it ended and nobody waited for it."""
    parents = {}
    for pid in pids:
        try:
            # The name before the last bracket may itself hold blanks and brackets.
            state, parent, *_ = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except (OSError, ValueError):
            continue  # ended meanwhile
        parents[pid] = int(parent), state
    return parents


def _children_of(above: set[int], parents: Mapping[int, tuple[int, str]]) -> set[int]:
    """Those of `parents` whose parent is in `above`."""
    return {pid for pid, (parent, _) in parents.items() if parent in above}


def _kill(pid: int) -> None:
    """Kill a process; one that ended already, or belongs to another user, is left."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _was_killed(pid: int) -> bool:
    """Wait for a child without blocking; whether it ended, and by being killed.

    Waiting also clears the entry of an ended child, which would be found in every later scan.
    """
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return False
    return bool(ended) and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@contextmanager
def hide_main_module() -> Iterator[None]:
    """Start processes that do not import the program that this process was started with.

    multiprocessing would run a user's script again in every worker, which needs nothing of it: one without a guard
    would start workers there, too, and one from standard input cannot be found.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
