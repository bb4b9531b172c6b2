"""A table of MultiMNIST against the floor, the bare loops' time over the cores, and against a plain script.

    python -m benchmarks.throughput --data-dir DATA --seeds 4 --epochs 2

The table is `mtlbench run`, whole: imports, planning, workers, training, validation, test, records. The floor is one
bare single-thread loop for each cell, its validation and one test, summed and divided by the number of workers. The
script is `benchmarks.plain`.
"""

import argparse
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from bench.perf.harness import REFERENCE, prepare_block, time_bare_loop
from bench.training.environment import settle_devices
from bench.training.evaluate import evaluate
from benchmarks.processes import build_command, measure_peak_memory, time_command

SUITE = "multimnist"
COPIES = ("--set", "coordinates=copies")  # as the plain script has them
STEPS = 195  # updates of an epoch: 50,000 training rows in batches of 256, the last one dropped
# The interpreter that memory is compared with; it stays for a while, so that a reading falls into its life.
TORCH = [sys.executable, "-c", "import torch, lightning, time; time.sleep(3)"]


def build_table_command(store: Path, data_dir: Path, epochs: int, seeds: int, jobs: int, *more: str) -> list[str]:
    """The words of the command that makes the table: all reference methods, `seeds` seeds each.

    `more` are further words of `mtlbench run`.
    """
    words = ["run", SUITE, *REFERENCE, "--seeds", f"0-{seeds - 1}", "--jobs", jobs, "--store", store]
    return build_command(*words, "--data-dir", data_dir, "--device", "cpu", "--set", f"epochs={epochs}", *COPIES, *more)


def time_table(data_dir: Path, epochs: int, seeds: int, jobs: int) -> float:
    """Seconds on the clock of the table in an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        return time_command(build_table_command(Path(folder), data_dir, epochs, seeds, jobs))


def time_floor(data_dir: Path, method: str, epochs: int) -> tuple[float, float]:
    """Seconds of one cell in a bare loop: its updates, and its evaluations.

    Evaluations are one of validation per epoch and one of test.
    """
    torch.set_num_threads(1)
    settle_devices()
    run, rows = prepare_block(
        SUITE, method, data_dir, epochs=str(epochs), steps_per_epoch=str(STEPS), coordinates="copies"
    )()
    val, test = run.data("val"), run.data("test")
    began = time.perf_counter()
    time_bare_loop(run, rows)
    middle = time.perf_counter()
    # As often as a run evaluates: after each epoch, and once at the end.
    for split in [val] * epochs + [test]:
        evaluate([(run.model, run.module.state)], split)
    return middle - began, time.perf_counter() - middle


def compare_table(data_dir: Path, epochs: int, seeds: int, jobs: int) -> dict[str, Any]:
    """Seconds of table, floor and script, and their ratios.

    Args:
        data_dir: Where MNIST is.
        epochs: Of every cell.
        seeds: Per method.
        jobs: Workers of the table; the floor is divided by them.

    Returns:
        `table_s`, `floor_s`, `floor_updates_s` and `script_s` in seconds, and ratios `table_over_...`, below 1 where
        the table is faster.
    """
    table = time_table(data_dir, epochs, seeds, jobs)
    floors = {method: time_floor(data_dir, method, epochs) for method in REFERENCE}
    updates, evaluations = (seeds * sum(part) for part in zip(*floors.values(), strict=True))
    words = ["--data-dir", str(data_dir), "--epochs", str(epochs), "--seeds", str(seeds)]
    script = time_command([sys.executable, "-m", "benchmarks.plain", *words])
    floor = (updates + evaluations) / jobs
    return {
        "cells": seeds * len(REFERENCE),
        "jobs": jobs,
        "table_s": table,
        "floor_s": floor,
        "floor_updates_s": updates / jobs,
        "script_s": script,
        "table_over_floor": table / floor,
        "table_over_floor_of_updates": table / (updates / jobs),
        "table_over_script": table / script,
    }


def time_workers(data_dir: Path, epochs: int, seeds: int, counts: list[int]) -> list[dict[str, Any]]:
    """One row per number of workers: seconds of one table, and its speed relative to the first number.

    Args:
        data_dir: Where MNIST is.
        epochs: Of every cell.
        seeds: Per method.
        counts: Numbers of workers, the smallest first.
    """
    times = {jobs: time_table(data_dir, epochs, seeds, jobs) for jobs in counts}
    return [{"jobs": jobs, "table_s": s, "speed": times[counts[0]] / s} for jobs, s in times.items()]


def measure_crowding(data_dir: Path, jobs: int, rounds: int) -> dict[str, Any]:
    """How much slower bare loops of `hard` are when every worker's core runs one, than one alone.

    Medians over `rounds`, in turns. A ratio above 1 is what cores take from each other (memory, clock, caches), which
    no scheduling can gain back.
    """
    # New interpreters, as bare loops would be started: nothing is inherited from this process.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for _ in range(2):  # until each process has run one
            list(pool.map(_time_loop, [data_dir] * jobs))
        pairs = [
            (pool.submit(_time_loop, data_dir).result(), max(pool.map(_time_loop, [data_dir] * jobs)))
            for _ in range(rounds)
        ]
    alone, together = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(both / one for one, both in pairs)
    return {"jobs": jobs, "alone_s": alone, "together_s": together, "ratio": ratio}


def _time_loop(data_dir: Path) -> float:
    """Seconds of the updates of one epoch; what each process of `measure_crowding` runs."""
    return time_floor(data_dir, "hard", 1)[0]


def measure_memory(data_dir: Path, jobs: int) -> dict[str, Any]:
    """MiB held at most by a short table on all rows, and by an interpreter with torch and Lightning alone.

    `beyond_mb` is their difference: what the rows, the networks and the workers take.
    """
    with tempfile.TemporaryDirectory() as folder:
        peak = measure_peak_memory(
            build_table_command(Path(folder), data_dir, 1, 1, jobs, "--set", "steps_per_epoch=30")
        )
    torch_alone = measure_peak_memory(TORCH)
    return {"jobs": jobs, "peak_mb": peak, "torch_mb": torch_alone, "beyond_mb": peak - torch_alone}


def main() -> None:
    """Read the command line, run the experiment, print its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    for name, value in compare_table(given.data_dir, given.epochs, given.seeds, given.jobs).items():
        print(f"{name:28} {value:.3f}" if isinstance(value, float) else f"{name:28} {value}")


if __name__ == "__main__":
    main()
