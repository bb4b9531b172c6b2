"""Runs a command that imports somebody else's code: a process group of its own, limits on time, memory and output.

This limits accidents. It is no sandbox: the code has the rights of whoever runs it, reads what they may read and
writes what they may write. Stores are compared before and after, so that a change does not go unseen.
"""

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MARK = "MTLBENCH_ISOLATED"  # in the environment of every process of a command, with a text that only it has
CHUNK = 1 << 14
KEPT = 1 << 14  # bytes of the end of the output


@dataclass(frozen=True)
class Limits:
    """What a command may use: seconds in all, megabytes of resident memory over all of its processes, bytes said."""

    seconds: float = 600.0
    memory_mb: int = 8192
    output: int = 1 << 18


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

    `watched` are stores that it has no business in: what it changed there is a trouble. `tell` gets its output as it
    comes, until there is more than `limits.output` of it. A trouble is a sentence; none is there when all went well.
    """
    token = secrets.token_hex(16)
    folders = [path for path in dict.fromkeys(path.resolve() for path in watched) if path.exists()]
    before = {path: _fingerprint(path) for path in folders}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=os.environ | {MARK: token},
    )
    heard = _Listener(process.stdout, limits.output, tell)  # type: ignore[arg-type]
    troubles = []
    try:
        reason = _watch(process, token, limits)
        if reason:
            troubles.append(reason)
    finally:
        left = _end_all(process, token)
    heard.finish()
    if left and not troubles:
        what = "a process" if left == 1 else f"{left} processes"
        troubles.append(f"It left {what} running, which should end with it; they were ended.")
    if heard.total > limits.output:
        troubles.append(f"It printed {heard.total:,} bytes, where at most {limits.output:,} are allowed.")
    for path in folders:
        if changed := _changes(before[path], _fingerprint(path)):
            named = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            troubles.append(f"It changed the store `{path.name}`, which is not its to write: {named}.")
    return Finished(None if troubles and process.returncode < 0 else process.returncode, heard.text, troubles)


def _watch(process: subprocess.Popen[bytes], token: str, limits: Limits) -> str:
    """Wait for the end; a sentence where a limit came first."""
    end = time.monotonic() + limits.seconds
    pause = 0.02
    while process.poll() is None:
        if time.monotonic() > end:
            return f"It was ended after {limits.seconds:g} seconds, which is its limit."
        used = sum(_resident(pid) for pid in _marked(token) | {process.pid})
        if used > limits.memory_mb << 20:
            return f"It was ended for using {used >> 20:,} MB of memory, where {limits.memory_mb:,} are allowed."
        time.sleep(pause)
        pause = min(0.25, pause * 1.5)
    return ""


def _end_all(process: subprocess.Popen[bytes], token: str) -> int:
    """End the group and whoever left it; how many outlived the command itself."""
    alive = process.poll() is None
    left = len(_marked(token) - {process.pid})
    for _ in range(100):  # a process may fork while it is looked for
        _kill(-process.pid)
        rest = _marked(token)
        for pid in rest:
            _kill(pid)
        if process.poll() is not None and not rest:
            break
        time.sleep(0.02)
    process.wait()
    return 0 if alive else left


def _kill(pid: int) -> None:
    try:
        if pid < 0:
            os.killpg(-pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _marked(token: str) -> set[int]:
    """Living processes with the mark in their environment, whatever group they put themselves in."""
    wanted = f"{MARK}={token}".encode()
    found = set()
    for entry in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        try:
            if wanted in (entry / "environ").read_bytes() and b"\nState:\tZ" not in (entry / "status").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue  # ended meanwhile, or somebody else's
    return found


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where that cannot be read."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _fingerprint(folder: Path) -> dict[str, str]:
    """path -> digest of every file below a folder."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            except OSError as error:
                content = str(error).encode()
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def _changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    names = sorted(before.keys() | after.keys())
    word = {(True, True): "changed", (True, False): "removed", (False, True): "added"}
    return [f"{name} ({word[name in before, name in after]})" for name in names if before.get(name) != after.get(name)]


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
                self._tell(data.decode(errors="replace"))

    def finish(self) -> None:
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._pipe.close()

    @property
    def text(self) -> str:
        """The end of what was said."""
        return b"".join(self._kept)[-KEPT:].decode(errors="replace")
