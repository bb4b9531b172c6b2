"""What somebody else's code may use, and a reader of what it prints."""

import os
import threading
from collections import deque
from dataclasses import dataclass
from typing import IO

CHUNK = 1 << 14
KEPT = 1 << 14  # bytes of the end of the output


@dataclass(frozen=True)
class Limits:
    """What a player and all it starts may use together: seconds, megabytes of resident memory, bytes said, processes.

    They are looked at a few times a second: a little more than allowed may be used before the end. `grace` are the
    seconds after the end of a request in which its helpers should have ended too, as a server of forks that has
    loaded torch takes a while to.
    """

    seconds: float = 600.0
    memory_mb: int = 8192
    output: int = 1 << 18
    processes: int = 512
    grace: float = 30.0


class Listener:
    """Reads a pipe to its end, whatever comes, and keeps the last of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.total, self._pipe = 0, pipe
        self._kept: deque[bytes] = deque()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while data := os.read(self._pipe.fileno(), CHUNK):
            self.total += len(data)
            self._kept.append(data)
            while sum(map(len, self._kept)) - len(self._kept[0]) > KEPT:
                self._kept.popleft()

    def finish(self) -> None:
        """Wait for the end of the pipe, which comes with the end of everybody who could write to it."""
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._pipe.close()

    @property
    def text(self) -> str:
        """The end of what was said."""
        return b"".join(self._kept)[-KEPT:].decode(errors="replace")
