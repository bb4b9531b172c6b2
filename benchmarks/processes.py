"""Runs commands in processes of their own and measures them: time on the clock, and memory with their children's.

Used by the other scripts, which time what a user would type, imports included.
"""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PAUSE = 0.2  # seconds between two readings of memory: each reading takes time from the machine


def build_command(*arguments: object) -> list[str]:
    """The words of `mtlbench ...` with this interpreter."""
    return [sys.executable, "-m", "bench.cli.main", *map(str, arguments)]


def time_command(arguments: Sequence[str]) -> float:
    """Seconds on the clock from start to end. Raises CalledProcessError where the command fails."""
    began = time.perf_counter()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def measure_peak_memory(arguments: Sequence[str]) -> float:
    """The largest sum, in MiB, of what a command and its children hold at one time (Linux).

    Pages that several processes share count once. Raises CalledProcessError where the command fails.
    """
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    # A peak between two readings is missed; commands hold theirs for seconds.
    while process.poll() is None:
        peak = max(peak, sum(_read_proportional_mib(pid) for pid in _list_descendants(process.pid)))
        time.sleep(PAUSE)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return peak


def _list_descendants(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The name of a process, in brackets before the parent's number, may hold brackets and spaces itself.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        children.setdefault(parent, []).append(int(entry.name))
    processes, left = [], [root]
    while left:
        processes.append(left.pop())
        left += children.get(processes[-1], [])
    return processes


def _read_proportional_mib(pid: int) -> float:
    """Proportional set size in MiB; 0 where the process has ended.

    That is a process's own pages, and its share of those that several hold, so that sums count every page once.
    """
    try:
        match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(match[1]) / 1024 if match else 0.0
