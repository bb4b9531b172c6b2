"""Measure everything about speed and memory and write the page of it.

    python -m benchmarks.performance --data-dir DATA --out docs/performance.md     # about 10 minutes on 2 idle cores
    python -m benchmarks.performance --data-dir DATA --out page.md --small         # little of everything, to try it

Nothing else should run on the machine meanwhile. A suite without data in DATA is left out of the updates. With `--json
FILE` the numbers are kept there, section by section; the same command again measures what is missing.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, StrictUndefined

from bench.perf.harness import BLOCK_UPDATES, measure
from bench.perf.speedups import measure_speedups
from bench.training.environment import hardware, versions
from benchmarks import alternatives, scaling, throughput

TEMPLATE = Path(__file__).with_suffix(".md.jinja")
IMAGES = ("multidigits", "multimnist")


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: Pairs of blocks of each comparison.
        epochs: Of the cells of a table.
        seeds: Per method of the table.
        worker_seeds: Per method of the table that is run with several numbers of workers.
        records: Of the store that is read.
        seed_counts: Numbers of seeds that a command is timed with.
        task_counts: Numbers of tasks that an update is timed with.
    """

    rounds: int = 5
    epochs: int = 2
    seeds: int = 4
    worker_seeds: int = 2
    records: int = 10_000
    seed_counts: tuple[int, ...] = (1, 2, 4, 8)
    task_counts: tuple[int, ...] = (2, 4, 8, 16)


SMALL = Size(1, 1, 1, 1, 500, (1, 2), (2, 4))


def list_sections(data_dir: Path, scenes: str, jobs: int, size: Size) -> dict[str, Callable[[], Any]]:
    """name -> what measures it; the names are those of the template.

    Args:
        data_dir: Where data sets are.
        scenes: The variant of `scenes` whose data is prepared.
        jobs: Workers of the tables.
        size: How much is measured.
    """
    names = [scenes if name == "scenes" else name for name in BLOCK_UPDATES]
    # Doubling numbers of workers, up to the one that tables are made with.
    counts = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= jobs]
    methods = [(suite, method) for suite in IMAGES for method in ("hard", "single_task")]
    forms = [(suite, form) for suite in IMAGES for form in ("first", "grouped")]
    return {
        "table": lambda: throughput.compare_table(data_dir, size.epochs, size.seeds, jobs),
        "workers": lambda: throughput.time_workers(data_dir, size.epochs, size.worker_seeds, counts),
        "crowding": lambda: throughput.measure_crowding(data_dir, jobs, size.rounds),
        "memory": lambda: throughput.measure_memory(data_dir, jobs),
        "updates": lambda: list(measure(data_dir, suites=names, rounds=size.rounds)),
        "cells": lambda: [scaling.time_cell(*both, data_dir) for both in methods],
        "idle": scaling.time_idle_run,
        "records": lambda: scaling.time_reading(size.records),
        "seeds": lambda: scaling.time_seeds(size.seed_counts, jobs),
        "tasks": lambda: scaling.time_tasks(size.task_counts, size.rounds),
        "effects": lambda: list(measure_speedups(data_dir, size.rounds)),
        "joined": lambda: [alternatives.measure_joined_towers(*both, data_dir, size.rounds) for both in forms],
        "rounded": lambda: [alternatives.measure_bfloat16(*both, data_dir, size.rounds) for both in methods],
        "compiled": lambda: [
            alternatives.measure_compilation(suite, "hard", data_dir, size.rounds) for suite in IMAGES
        ],
        "moved": lambda: alternatives.measure_accuracy_change(data_dir, size.epochs, max(2, size.seeds)),
    }


def describe_machine() -> dict[str, str]:
    """The machine, the versions, and the load before the start, which should be near zero."""
    name = hardware(torch.device("cpu")).removeprefix("cpu: ").rpartition(",")[0]
    known = versions()
    packages = ", ".join(f"{package} {known[package]}" for package in ("python", "torch", "lightning", "numpy"))
    return {"machine": f"{os.cpu_count()} cores of {name}", "packages": packages, "load": f"{os.getloadavg()[0]:.2f}"}


def format_ratio(row: Mapping[str, float]) -> str:
    """A ratio with its quartiles, as text."""
    return f"{row['ratio']:.3f} [{row['ratio_low']:.3f}, {row['ratio_high']:.3f}]"


def render_page(results: Mapping[str, Any]) -> str:
    """The page, from the results by section. Raises UndefinedError where a section is missing."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=False, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text()).render(**results, spread=format_ratio)


def main() -> None:
    """Measure section by section and write the page.

    Numbers that `--json` has from an earlier call are taken as they are, the description of the machine too.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/performance.md"))
    parser.add_argument("--jobs", type=int, default=2, help="workers of the tables (default: 2)")
    parser.add_argument("--scenes", default="scenes", help="the variant that is prepared, as `scenes:train=96,test=60`")
    parser.add_argument("--small", action="store_true", help="little of everything, to try the command")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers there, and go on from there")
    given = parser.parse_args()
    flags = f" --scenes {given.scenes}" * (given.scenes != "scenes") + " --small" * given.small
    size = SMALL if given.small else Size()
    command = f"python -m benchmarks.performance --data-dir DATA --jobs {given.jobs}{flags}"
    results = {"command": command, "size": dataclasses.asdict(size), **describe_machine()}
    if given.json and given.json.exists():
        results |= json.loads(given.json.read_text())
    for name, section in list_sections(given.data_dir, given.scenes, given.jobs, size).items():
        # It came from --json: an earlier call measured it.
        if name in results:
            continue
        began = time.perf_counter()
        results[name] = section()
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        if given.json:
            # After every section, so that an interrupted call keeps what it has measured.
            given.json.write_text(json.dumps(results, indent=1))
    given.out.write_text(render_page(results))


if __name__ == "__main__":
    main()
