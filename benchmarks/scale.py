"""How do tables and the site stand ten thousand records?

    python -m benchmarks.scale --out DIR
    python -m benchmarks.scale --out DIR --records 1000 --browser none
    python -m benchmarks.scale --out DIR --records 100000 --reading
    python -m benchmarks.scale --out DIR --methods 500 --seeds 20

Writes sound records of six suites and forty methods that nobody ran, parses them as JSON to compare, reads the store,
builds its site, and opens the overview in a Chromium: the seconds of each, the largest page, and how long it takes
until the tables answer.

With `--reading`, only what reading takes, open (up to 20,000 records) and packed, with all checks, in a process of its
own. The exit status is 1 where a packed store takes more than 40 s of computing for 100,000 records, or holds more than
4 GiB.

With `--methods`, one board of so many: what `table`, `site` and `verify` take of it, in seconds and memory, each in a
process of its own. The exit status is 1 where one computes for more than 60 s or holds more than 1 GiB.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.made_up import METHODS, SUITES, make_board, make_records, write_unsynced
from benchmarks.processes import build_command
from leaderboard.store import Store
from leaderboard.store.merge import write_packed

SECONDS = 60.0  # of computing that a command on one board may take
MEMORY = 1024.0  # MiB that it may hold
READING = 40.0  # seconds of computing to read 100,000 packed records, all checks made
READING_MEMORY = 4096.0  # MiB that they may take
MOST_OPEN = 20_000  # records that are written as files of their own too


def main() -> None:
    """Read the command line, run the experiment, print its numbers."""
    from leaderboard.site import write_site

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the store and the site")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--browser", default="", help="the executable of a Chromium, or `none`")
    parser.add_argument("--methods", type=int, help="one board of so many methods")
    parser.add_argument("--seeds", type=int, default=20, help="of one board")
    parser.add_argument("--reading", action="store_true", help="only what reading takes, open and packed")
    given = parser.parse_args()
    if given.reading:
        sys.exit(0 if measure_reading(given.out, given.records) else 1)
    if given.methods:
        sys.exit(0 if measure_commands(given.out, given.methods, given.seeds) else 1)
    store, site = Store(given.out / "results"), given.out / "site"
    written = write_unsynced(store, make_records(given.records))
    print(f"{written:,} records of {len(SUITES)} suites and {len(METHODS)} methods")
    with print_time("parsed"):
        for path in store.root.rglob("*.json"):
            json.loads(path.read_bytes())
    with print_time("read"):
        contents = store.read()
    # A record that the reader refuses would make reading look fast.
    assert not contents.problems, contents.problems[:3]
    with print_time("built"):
        write_site(contents, [], site, "results")
    pages = sorted(site.rglob("*.html"), key=lambda page: page.stat().st_size)
    whole = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    print(f"pages  {len(pages):6,}, {whole / 2**20:.0f} MiB in all")
    for page in pages[-3:][::-1]:
        print(f"       {page.stat().st_size / 2**20:6.2f} MiB {page.relative_to(site)}")
    if given.browser != "none":
        print(f"opened {time_opening(site, given.browser or None):6.2f} s until the overview's tables answer")


def measure_commands(out: Path, methods: int, seeds: int) -> bool:
    """Write one board and print what each command takes of it.

    Returns whether every command stayed within SECONDS of computing and MEMORY.
    """
    store, name = out / "results", SUITES[0].name
    print(
        f"{write_unsynced(Store(store), make_board(methods, seeds)):,} records of {methods} methods and {seeds} seeds"
    )
    within = True
    # `table` alone, with everything that it can compute, the pages, and the checks.
    for words in (
        ["table", name, "--store", str(store)],
        ["table", name, "--store", str(store), "--details"],
        ["site", "--store", str(store), "--out", str(out / "site")],
        ["verify", str(store)],
    ):
        wall, own, memory = measure_command(build_command(*words))
        within = within and own <= SECONDS and memory <= MEMORY
        shown = " ".join(word for word in words if word in ("table", name, "--details", "site", "verify"))
        print(f"{shown:24} {wall:6.1f} s, {own:5.1f} s of computing, {memory:5.0f} MiB")
    return within


def measure_reading(out: Path, count: int) -> bool:
    """Print what reading takes, open (of a few records) and packed; whether the packed store is within the limits."""
    records = list(make_records(count))
    own = memory = 0.0
    for form in ("open", "packed") if count <= MOST_OPEN else ("packed",):
        root = out / form
        if form == "open":
            write_unsynced(Store(root), iter(records))
        else:
            write_packed({record.run_id: record for record in records}, [], root)
        files = [path for path in root.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 2**20
        code = f"from leaderboard.store import Store; assert not Store({str(root)!r}).read().problems"
        wall, own, memory = measure_command([sys.executable, "-c", code])
        print(f"{form:6} {len(records):7,} records, {len(files):6,} files, {size:6.1f} MiB:", end=" ")
        print(f"read in {wall:.1f} s, {own:.1f} s of computing, {memory:.0f} MiB", flush=True)
    return own <= READING * max(1.0, count / 100_000) and memory <= READING_MEMORY


def measure_command(arguments: list[str]) -> tuple[float, float, float]:
    """Seconds that passed, seconds that the process computed, and its largest resident memory in MiB.

    It should end with 0, or with 1: of ten thousand made-up runs some are copies of others by chance, and `verify` says
    so. Raises RuntimeError for another exit status.
    """
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"`{' '.join(arguments)}` should end with 0 or 1. Found {process.returncode}.")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


@contextmanager
def print_time(what: str) -> Iterator[None]:
    """Print, at the end of the block, the seconds that passed and those that this process computed."""
    wall, own = time.perf_counter(), time.process_time()
    yield
    print(f"{what:6} {time.perf_counter() - wall:6.1f} s, {time.process_time() - own:.1f} s of computing")


def time_opening(site: Path, executable: str | None = None, times: int = 5) -> float:
    """Median seconds from the start of loading the overview from disk until its tables sort and filter.

    Args:
        site: Folder of the site.
        executable: A Chromium; by default what the system has.
        times: How often the page is opened, each time anew.
    """
    from benchmarks.screenshots import browser

    seconds = []
    with browser(executable) as chromium:
        for _ in range(times):
            page = chromium.new_page()
            page.goto((site / "index.html").resolve().as_uri())
            page.wait_for_selector("html[data-ready]", state="attached")
            seconds.append(float(page.evaluate("performance.getEntriesByName('ready')[0].startTime")) / 1000)
            page.close()
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
