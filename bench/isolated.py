"""Runs a command that imports somebody else's code: under limits on time, memory, processes and output.

This limits accidents. It is no sandbox: the code has the rights of whoever runs it, reads what they may read, writes
what they may write and ends what they may end, and what it answers is what it says about itself. Stores are compared
before and after, so that a change does not go unseen.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from bench.errors import shown
from bench.processes import Family, resident, stopping_like_ctrl_c

CHUNK = 1 << 14
KEPT = 1 << 14  # bytes of the end of the output
MORE = 1000  # files beyond those of before that are looked at


@dataclass(frozen=True)
class Limits:
    """What a command and all it starts may use together: seconds, megabytes of resident memory, bytes said, processes.

    They are looked at a few times a second: a little more than allowed may be used before the end. `grace` are the
    seconds after the command's own end in which its helpers should have ended too, as a server of forks that has
    loaded torch takes a while to.
    """

    seconds: float = 600.0
    memory_mb: int = 8192
    output: int = 1 << 18
    processes: int = 512
    grace: float = 30.0


@dataclass(frozen=True)
class Finished:
    """How a command ended: its exit code (None where it was ended), the end of its output, and what went wrong."""

    code: int | None
    output: str
    troubles: list[str]


def run_isolated(
    command: Sequence[str],
    limits: Limits,
    watched: Iterable[Path] = (),
    tell: Callable[[str], None] | None = None,
) -> Finished:
    """Run `command` under `limits`; everything it started is ended with it.

    `watched` are stores that it has no business in, there already or not: what changed in them is a trouble. `tell`
    gets its output as it comes, until there is more than `limits.output` of it. A trouble is a sentence; none is there
    when all went well.
    """
    folders = list(dict.fromkeys(path.resolve() for path in watched))
    before = {folder: _look(folder) for folder in folders}
    troubles = []
    with stopping_like_ctrl_c(), Family() as family:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        heard = _Listener(process.stdout, limits.output, tell)  # type: ignore[arg-type]
        try:
            reason = _watch(process, family, limits)
        finally:
            left, ended = family.end(process)
    ended &= heard.finish()
    if reason:
        troubles.append(reason)
    elif left:
        what = "a process" if left == 1 else f"{left} processes"
        troubles.append(f"It left {what} running, which should end with it; they were ended.")
    if not ended:
        troubles.append("Not everything that it started could be ended.")
    if heard.total > limits.output:
        troubles.append(f"It printed {heard.total:,} bytes, where at most {limits.output:,} are allowed.")
    for folder in folders:
        if changed := _changes(before[folder], _look(folder, before[folder])):
            named = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            troubles.append(
                f"It changed the store `{folder.name}`, which is not its to write (or another command did meanwhile): "
                f"{named}."
            )
    return Finished(None if troubles and process.returncode < 0 else process.returncode, heard.text, troubles)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that a command may write to, removed afterwards as far as what it left there can be."""
    folder = tempfile.mkdtemp(prefix="mtlbench-")
    try:
        yield Path(folder)
    finally:
        with suppress(RecursionError):  # of folders in folders in folders
            shutil.rmtree(folder, ignore_errors=True)


def _watch(process: subprocess.Popen[bytes], family: Family, limits: Limits) -> str:
    """Wait for the end, and a moment for that of its helpers; a sentence where a limit came first."""
    end = time.monotonic() + limits.seconds
    pause = 0.02
    while process.poll() is None:
        if time.monotonic() > end:
            return f"It was ended after {limits.seconds:g} seconds, which is its limit."
        members = family.members() | {process.pid}
        used = sum(map(resident, members))
        if used > limits.memory_mb << 20:
            return f"It was ended for using {used >> 20:,} MB of memory, where {limits.memory_mb:,} are allowed."
        if len(members) > limits.processes:
            return f"It was ended for running {len(members)} processes, where {limits.processes} are allowed."
        time.sleep(pause)
        pause = min(0.25, pause * 1.5)
    end = time.monotonic() + limits.grace
    while family.members() and time.monotonic() < end:
        time.sleep(0.02)
    return ""


@dataclass(frozen=True)
class _Seen:
    """A file or folder as it was: its kind and rights, its size, and the digest of a plain file's content."""

    mode: int
    size: int
    digest: str = ""


def _look(root: Path, known: Mapping[str, _Seen] | None = None) -> dict[str, _Seen]:
    """path -> what is there, `root` (`.`) and below; links are not followed, and only plain files are opened.

    With `known` contents are read only where they may still be the same, and not much more than was there is listed
    (the rest is taken as it was): what was put there since may be of any size.
    """
    found: dict[str, _Seen] = {}
    waiting = ["."]
    while waiting and (known is None or len(found) <= len(known) + MORE):
        name = waiting.pop()
        path = root / name
        try:
            status = path.lstat()
            seen = _Seen(status.st_mode, status.st_size)
            if stat.S_ISDIR(status.st_mode):
                seen = replace(seen, size=0)  # of a folder it depends on the file system
                with os.scandir(path) as inside:
                    waiting += sorted((os.path.normpath(f"{name}/{entry.name}") for entry in inside), reverse=True)
            elif stat.S_ISLNK(status.st_mode):
                seen = replace(seen, digest=os.readlink(path))
            elif stat.S_ISREG(status.st_mode) and (known is None or (name in known and known[name].size == seen.size)):
                with path.open("rb") as file:
                    seen = replace(seen, digest=hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            if name == "." and isinstance(error, FileNotFoundError):
                break
            seen = _Seen(0, 0, str(error.strerror))
        found[name] = seen
    return {**(known or {}), **found} if waiting else found


def _changes(before: Mapping[str, _Seen], after: Mapping[str, _Seen]) -> list[str]:
    names = sorted(before.keys() | after.keys())
    word = {(True, True): "changed", (True, False): "removed", (False, True): "added"}
    changed = [name for name in names if before.get(name) != after.get(name)]
    return [f"{shown(name, 200)} ({word[name in before, name in after]})" for name in changed]


class _Listener:
    """Reads a pipe to its end, whatever comes, and keeps the last of it."""

    def __init__(self, pipe: IO[bytes], most: int, tell: Callable[[str], None] | None) -> None:
        self.total, self._most, self._tell, self._pipe = 0, most, tell, pipe
        self._kept: deque[bytes] = deque()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while data := os.read(self._pipe.fileno(), CHUNK):
            self.total += len(data)
            self._kept.append(data)
            while sum(map(len, self._kept)) - len(self._kept[0]) > KEPT:
                self._kept.popleft()
            if self._tell and self.total <= self._most:
                self._tell("\n".join(map(shown, data.decode(errors="replace").split("\n"))))

    def finish(self) -> bool:
        """Wait for the end of the pipe; whether it came."""
        self._thread.join(5.0)
        if ended := not self._thread.is_alive():
            self._pipe.close()
        return ended

    @property
    def text(self) -> str:
        """The end of what was said."""
        return b"".join(self._kept)[-KEPT:].decode(errors="replace")
