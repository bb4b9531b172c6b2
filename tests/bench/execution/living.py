"""Processes of this machine: who lives, whose children they are, and how they are ended."""

import time
from pathlib import Path


def workers_of(pid: int) -> list[int]:
    """The worker processes of a runner: copies, and so children, of a process of its own."""
    return [worker for child in children(pid) if b"forkserver" in words_of(child) for worker in children(child)]


def children(pid: int) -> list[int]:
    """What a process started, by its main thread."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def words_of(pid: int) -> bytes:
    """The command line of a process; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def gone(pid: int) -> bool:
    """Whether a process has ended, also where nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def end_soon(pids: list[int]) -> None:
    """Wait until these have ended, as they should without being told."""
    end = time.monotonic() + 60
    while not all(map(gone, pids)):
        assert time.monotonic() < end, "workers should end with their runner"
        time.sleep(0.02)
