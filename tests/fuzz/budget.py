"""How many cases a test takes, what a case may cost, and what every message is held to."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SECONDS = float(os.environ.get("MTLBENCH_FUZZ_SECONDS", 0))
LONGEST = 10.0  # seconds for one file
KINDS = 12 + 15  # tests that share the time: of readers of data, and of records, submissions and method texts
RAN: Counter[str] = Counter()  # kind -> cases, told at the end of a long run


def seeds(count: int, kind: str = "files of data") -> Iterator[int]:
    """`count` of them, or as many as there is time for."""
    end = time.monotonic() + SECONDS / KINDS
    seed = 0
    while seed < count or time.monotonic() < end:
        RAN[kind] += 1
        yield seed
        seed += 1


def sentence(error: Exception) -> None:
    """One line that a terminal can show, without the words of Python's own errors."""
    words = str(error)
    assert words
    assert words.isprintable(), words
    assert "Traceback" not in words
    assert "object has no attribute" not in words


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies in a folder: size and time of every file, so that a write is seen."""
    found = {path.relative_to(folder).as_posix(): path.lstat() for path in folder.rglob("*")}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}
