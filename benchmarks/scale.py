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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.records import Packed, Protocol, ResultRecord, RunSpec, derive_seed, digest
from bench.records.record import Cost, Curves
from bench.scores import ANGLE_BIN, ANGLE_BINS, KINDS, pack_histogram, score
from benchmarks.processes import build_command
from leaderboard.store import Store
from leaderboard.store.json_text import format_json
from leaderboard.store.merge import write_packed

ROWS = 2000  # of the test split
EPOCHS = 20  # of every run: the length of its curves
CLASSES = 10  # of classification and segmentation
SECONDS = 60.0  # of computing that a command on one board may take
MEMORY = 1024.0  # MiB that it may hold
READING = 40.0  # seconds of computing to read 100,000 packed records, all checks made
READING_MEMORY = 4096.0  # MiB that they may take
MOST_OPEN = 20_000  # records that are written as files of their own too
VERSIONS = {"python": "3.11.7", "torch": "2.11.0", "numpy": "2.4.6"}


@dataclass(frozen=True)
class SuiteShape:
    """A suite of which runs are made up.

    `tasks` maps a task to its kind of metric and the typical size of its error, in the metric's own unit.
    """

    name: str
    tasks: dict[str, tuple[str, float]]


SUITES = (
    SuiteShape("digits", {"left": ("classification", 0.09), "right": ("classification", 0.10)}),
    SuiteShape("garments", {"left": ("classification", 0.12), "right": ("classification", 0.15)}),
    SuiteShape("attributes", {f"trait{k}": ("classification", 0.05 + 0.02 * k) for k in range(6)}),
    SuiteShape(
        "rooms", {"segmentation": ("segmentation", 0.65), "depth": ("depth", 0.5), "normals": ("normals", 29.0)}
    ),
    SuiteShape("schools", {f"school{k:02}": ("regression", 9.0 + k / 4) for k in range(12)}),
    SuiteShape("arms", {f"joint{k}": ("regression", 0.3 + 0.05 * k) for k in range(7)}),
)
METHODS = (
    *("single_task", "hard", "hard:split=1", "hard:split=2", "hard_wide", "lora", "mtan", "adashare", "mmoe", "cgc"),
    *("ple", "adatt", "dselect_k", "cross_stitch", "cross_stitch:rows=normalised", "sluice", "nddr", "dmtrl"),
    *(f"hard@{name}" for name in ("uncertainty", "dwa", "rlw", "gls", "gradnorm", "famo", "stch", "pcgrad", "mgda")),
    *("hard@cagrad", "hard@nash_mtl", "hard@imtl_g"),
    *(f"soft+l2:halflife={value}" for value in ("inf", "1000.0", "100.0", "10.0", "0.0")),
    *(f"soft+{name}" for name in ("trace_norm", "mtrl", "cluster", "graph", "l21")),
)


def make_records(
    count: int, suites: tuple[SuiteShape, ...] = SUITES, methods: tuple[str, ...] = METHODS
) -> Iterator[ResultRecord]:
    """Yields sound, sealed records: every method on every suite, seed by seed.

    Seeds are whole, so that there are `count` records or a few more.
    """
    for seed in range(-(-count // (len(suites) * len(methods)))):
        for suite in suites:
            for method in methods:
                yield make_record(suite, method, seed)


def make_board(methods: int, seeds: int) -> Iterator[ResultRecord]:
    """Yields sound, sealed records of `methods` methods on the first suite, seed by seed.

    Beyond METHODS, methods are `soft+l2` with different half-lives.
    """
    options = (f"soft+l2:halflife={value / 8}" for value in range(1, methods + 1))
    names = list(dict.fromkeys((*METHODS, *options)))[:methods]
    for seed in range(seeds):
        for method in names:
            yield make_record(SUITES[0], method, seed)


def make_record(suite: SuiteShape, method: str, seed: int) -> ResultRecord:
    """One sealed record that passes all checks. Equal arguments give equal records.

    log error = luck of the seed - gain of the method + noise, so that methods differ by about 15 % on a suite, and all
    methods have the luck of a seed (5 %) in common, as runs that share data and initialisation do.
    """
    gain = 0.15 * _seed_generator(suite.name, method).standard_normal() * (method != "single_task")
    luck = 0.05 * _seed_generator(suite.name, seed).standard_normal()
    generator = _seed_generator(suite.name, method, seed)
    errors = {
        task: size * float(np.exp(luck - gain + 0.03 * generator.standard_normal()))
        for task, (_, size) in suite.tasks.items()
    }
    kinds = {task: kind for task, (kind, _) in suite.tasks.items()}
    states = {task: _state(kinds[task], error, generator) for task, error in errors.items()}
    scores = {task: score(kinds[task], state) for task, state in states.items()}
    data = {split: f"{derive_seed(suite.name, split):064x}" for split in ("train", "val", "test")}
    spec = _spec(suite.name, method, seed, kinds, digest(data))
    # Methods whose records have matrices between tasks and effective sharing.
    towers = method.startswith(("cross", "soft", "sluice", "nddr"))
    many, layers = len(kinds), [f"{stage}.0.weight" for stage in range(4)]
    return ResultRecord(
        run_id=spec.run_id,
        suite=suite.name,
        method=method,
        spec=spec,
        status="done",
        tasks=list(kinds),
        statistics=dict.fromkeys(("val", "per_task", "last"), states),
        scores=dict.fromkeys(("val", "per_task", "last"), scores),
        selection={rule: dict.fromkeys(kinds, EPOCHS) for rule in ("val", "per_task", "last")},
        cost=_cost(method),
        data=data,
        environment=VERSIONS,
        curves=_curves(scores, errors, kinds),
        matrices={f"stitch.{k}": Packed.pack(np.eye(many) + 0.1 * k) for k in range(4)} if towers else {},
        effective_sharing={layer: 1 - 0.1 * at for at, layer in enumerate(layers)} if towers else {},
        cosines=Packed.pack(np.eye(many)),
        created="2026-01-01T00:00:00+00:00",
    ).seal()


def write_unsynced(store: Store, records: Iterator[ResultRecord]) -> int:
    """Put records where the store has them; returns how many. They are not synced, which would take minutes."""
    count = 0
    for record in records:
        path = store.path(record.spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(format_json(record.model_dump(mode="json")), encoding="utf-8")
        count += 1
    return count


def _seed_generator(*names: Any) -> np.random.Generator:
    """A generator whose seed is derived from the names."""
    return np.random.default_rng(derive_seed(*names))


def _spec(suite: str, method: str, seed: int, kinds: dict[str, str], data: str) -> RunSpec:
    """The specification of a made-up run.

    The default weighting is spelt out, since specifications name all three parts of a method.
    """
    protocol = Protocol(
        name=suite,
        version=1,
        splits={"train": 4000, "val": 1000, "test": ROWS},
        split_rule="made up",
        epochs=EPOCHS,
        steps_per_epoch=60,
        batch_size=64,
        optimiser="adam",
        lr=0.001,
        schedule="cosine",
        metrics=kinds,
    )
    whole = method if "@" in method else f"{method}@uniform"
    return RunSpec(suite=suite, method=whole, seed=seed, protocol=protocol, versions={f"suite/{suite}": 1}, data=data)


def _state(kind: str, error: float, generator: np.random.Generator) -> dict[str, Any]:
    """Statistics of a test split with about this error, in the form that a metric of this kind stores.

    Args:
        kind: A kind of metric of `bench.scores.KINDS`.
        error: Its primary error, in the metric's own unit.
        generator: Draws how errors are spread.
    """
    if kind == "regression":
        return {"count": ROWS, "squared_error": error**2 * ROWS}
    if kind == "depth":
        return {"count": 100 * ROWS, "absolute_error": 100 * ROWS * error, "relative_error": 45 * ROWS * error}
    if kind == "normals":
        angles = np.clip(generator.exponential(error, 5000), 0, 179)
        counts = np.bincount((angles / ANGLE_BIN).astype(int), minlength=ANGLE_BINS)
        return {"count": len(angles), "angle_sum": float(angles.sum()), "histogram": pack_histogram(counts)}
    # Right answers are spread evenly over the classes; a wrong one is taken for the next class.
    wrong = round(ROWS * min(error, 0.9))
    confusion = np.diag(np.full(CLASSES, (ROWS - wrong) // CLASSES))
    off = generator.multinomial(ROWS - int(confusion.sum()), np.full(CLASSES, 1 / CLASSES))
    confusion[np.arange(CLASSES), (np.arange(CLASSES) + 1) % CLASSES] += off
    return {"confusion": confusion.tolist()}


def _cost(method: str) -> Cost:
    """A cost that depends on the method only."""
    size = 1 + derive_seed(method) % 40
    return Cost(
        parameters=10_000 * size,
        forward_flops=200_000 * size,
        step_ms=1.0 + size / 10,
        train_seconds=60.0 + size,
        peak_memory_mb=800.0,
        hardware="cpu: made up, 1 thread",
    )


def _curves(scores: dict[str, dict[str, float]], errors: dict[str, float], kinds: dict[str, str]) -> Curves:
    """Curves over epochs that settle at the scores; none above ten tasks, as in records of real runs.

    Args:
        scores: task -> metric -> value at the end.
        errors: task -> primary error, which the training loss settles at.
        kinds: task -> kind of metric, which says in which direction a metric improves.
    """
    if len(scores) > 10:
        return Curves()
    settle = [1 - 0.6 * 0.7**epoch for epoch in range(1, EPOCHS + 1)]
    rises = {metric.name: metric.higher_is_better for kind in kinds.values() for metric in KINDS[kind].metrics}
    return Curves(
        train_loss={task: [error / part for part in settle] for task, error in errors.items()},
        val={
            task: {
                name: [value * part if rises[name] else value / part for part in settle] for name, value in own.items()
            }
            for task, own in scores.items()
        },
    )


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
