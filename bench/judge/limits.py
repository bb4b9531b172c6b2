"""Bounds of what somebody else's code may use, and a reader of what it prints."""

import os
import threading
from collections import deque
from dataclasses import dataclass
from typing import IO

CHUNK_BYTES = 1 << 14  # of one read
TAIL_BYTES = 1 << 14  # of the end of the output, which messages quote


@dataclass(frozen=True)
class Limits:
    """What a player and all it starts may use together.

    They are checked a few times a second, so a little more may be used before the end.

    Attributes:
        seconds: On the clock, from the moment the player is ready.
        memory_mb: Resident memory of all processes, MiB.
        output: Bytes printed.
        processes: At a time, threads not counted.
        grace: Seconds after a request in which helper processes should end by themselves; a fork server that has loaded
            torch takes a while.
    """

    seconds: float = 600.0
    memory_mb: int = 8192
    output: int = 1 << 18
    processes: int = 512
    grace: float = 30.0


class OutputReader:
    """Reads a pipe to its end, so that the writer never blocks, and keeps the last TAIL_BYTES of it.

    `total` counts all bytes. The pipe is closed at its end, however long after `finish` that comes.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self.total, self._pipe = 0, pipe
        self._tail: deque[bytes] = deque()
        self._thread = threading.Thread(target=self._read_all, daemon=True)
        self._thread.start()

    def _read_all(self) -> None:
        """Read until the pipe ends, and close it; drops the oldest chunks, always whole, beyond TAIL_BYTES."""
        with self._pipe:
            while data := os.read(self._pipe.fileno(), CHUNK_BYTES):
                self.total += len(data)
                self._tail.append(data)
                while sum(map(len, self._tail)) - len(self._tail[0]) > TAIL_BYTES:
                    self._tail.popleft()

    def finish(self) -> None:
        """Wait up to 5 seconds for the end of the pipe, which comes when everybody who could write to it has ended."""
        self._thread.join(5.0)

    @property
    def text(self) -> str:
        """The end of the output as text; bytes that are no UTF-8 are replaced.

        It is somebody else's text: make it printable before it is shown.
        """
        return b"".join(self._tail)[-TAIL_BYTES:].decode(errors="replace")
