"""Commands in processes of their own: how long they take, and how much memory they and their children hold."""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PAUSE = 0.2  # seconds between two looks at memory


def command(*arguments: object) -> list[str]:
    """`mtlbench ...` with this interpreter."""
    return [sys.executable, "-m", "bench.cli.main", *map(str, arguments)]


def seconds(arguments: Sequence[str]) -> float:
    """Wall time of a command, from its start to its end; raises where it fails."""
    began = time.perf_counter()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def peak_memory(arguments: Sequence[str]) -> float:
    """The largest sum, in MiB, of what a command and its children hold; pages they share count once (Linux)."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(_proportional(pid) for pid in _family(process.pid)))
        time.sleep(PAUSE)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return peak


def _family(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        children.setdefault(parent, []).append(int(entry.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def _proportional(pid: int) -> float:
    """MiB of a process: its own pages, and its share of those that several hold."""
    try:
        match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(match[1]) / 1024 if match else 0.0
