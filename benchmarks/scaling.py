"""What grows with cells, seeds, tasks and records: what a cell costs beside its updates, and what a store costs.

    python -m benchmarks.scaling --data-dir DATA

Each function measures one thing and returns rows of docs/performance.md.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.catalogue.method import Method
from bench.perf.harness import compare_with_bare_loop
from bench.planning.plan import parse_suite, plan
from bench.records import ResultRecord, RunSpec
from bench.training.environment import settle_devices
from bench.training.evaluate import evaluate
from bench.training.fit import Run, fit
from benchmarks.processes import build_command, time_command
from leaderboard.store import Store
from leaderboard.store.committed import COMMITTED
from leaderboard.store.json_text import format_json


def time_cell(suite: str, method: str, data_dir: Path, epochs: int = 2) -> dict[str, Any]:
    """Seconds of the second cell of a process, in three parts: its updates, its evaluations, and all the rest.

    The first cell, of two updates, pays for imports and caches, as the first cell of a worker does. Updates are what
    the record declares; evaluations are timed apart and multiplied by their number.
    """
    torch.set_num_threads(1)
    settle_devices()
    # Two seeds of one method: a worker's usual work.
    first, second = plan(suite, [method], [0, 1], {"epochs": str(epochs)}, "cpu", data_dir)
    fit(first.vary(protocol=first.protocol.model_copy(update={"steps_per_epoch": 2, "epochs": 1})), data_dir)
    gc.freeze()  # as a worker does
    began = time.perf_counter()
    record = fit(second, data_dir)
    whole = time.perf_counter() - began
    assert record.cost is not None, record.error
    run = Run(second, parse_suite(second.suite, data_dir)[1], Method.parse(second.method))
    times = {split: _time_evaluation(run, split) for split in ("val", "test")}
    # Rules that choose the same epochs have one evaluation of the test split in common.
    tests = {tuple(epochs.values()) for epochs in record.selection.values()}
    evaluations = epochs * times["val"] + len(tests) * times["test"]
    updates = record.cost.train_seconds
    parts = {"updates_s": updates, "evaluations_s": evaluations, "rest_s": whole - updates - evaluations}
    return {"suite": suite, "method": method, "cell_s": whole, **parts}


def _time_evaluation(run: Run, split: str) -> float:
    """Seconds of one pass over a split with the harness's own evaluation; reading the rows is not counted."""
    rows = run.data(split)
    began = time.perf_counter()
    evaluate([(run.model, run.module.state)], rows)
    return time.perf_counter() - began


def write_records(template: ResultRecord, specs: Sequence[RunSpec], root: Path) -> None:
    """Write a record for every specification: the template's numbers under another name.

    Files are not synced, which would take longer than all that is measured.
    """
    store = Store(root)
    for spec in specs:
        record = template.model_copy(update={"spec": spec, "run_id": spec.run_id}).seal()
        path = store.path(spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(format_json(record.model_dump(mode="json")))


def time_idle_run(cells: int = 100) -> dict[str, Any]:
    """Seconds of `mtlbench run` where every cell is stored, and of the import of torch alone, which is most of it."""
    specs = plan("multidigits", ["hard"], range(cells), device="cpu")
    template = Store(COMMITTED).get(specs[0])
    assert template is not None, "the committed record of multidigits hard, seed 0, is of another protocol"
    with tempfile.TemporaryDirectory() as folder:
        write_records(template, specs, Path(folder))
        words = ["run", "multidigits", "hard", "--seeds", f"0-{cells - 1}", "--store", folder, "--device", "cpu"]
        run_s = time_command(build_command(*words))
    return {"cells": cells, "run_s": run_s, "torch_s": time_command([sys.executable, "-c", "import torch"])}


def time_reading(count: int = 10_000) -> dict[str, Any]:
    """Seconds to read a store of `count` records with all checks: the committed ones under other seeds.

    Also milliseconds and KiB per record.
    """
    templates = Store(COMMITTED).read().records
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            spec = templates[number % len(templates)].spec
            # Seeds far from the committed ones, so that no two runs have one name.
            again = spec.vary(seed=spec.seed + 1000 * (1 + number // len(templates)))
            write_records(templates[number % len(templates)], [again], Path(folder))
        began = time.perf_counter()
        contents = Store(Path(folder)).read()
        read_s = time.perf_counter() - began
        assert (len(contents.records), contents.problems) == (count, [])
        kilobytes = sum(path.stat().st_size for path in Path(folder).rglob("*.json")) / 1024
    return {"records": count, "read_s": read_s, "ms_each": 1000 * read_s / count, "kb_each": kilobytes / count}


def time_seeds(counts: Sequence[int], jobs: int) -> list[dict[str, Any]]:
    """Wall time of `hard` on MultiDigits, two epochs, for several numbers of seeds, with `jobs` workers."""
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            words = ["run", "multidigits", "hard", "--seeds", f"0-{count - 1}", "--store", folder, "--jobs", jobs]
            rows.append(
                {"seeds": count, "wall_s": time_command(build_command(*words, "--device", "cpu", "--set", "epochs=2"))}
            )
    return rows


def time_tasks(counts: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of an update for several numbers of tasks, in a bare loop and by the harness."""
    rows = []
    for count in counts:
        for method in ("hard", "single_task", "cross_stitch"):
            row = compare_with_bare_loop(f"synthetic:tasks={count}", method, Path(), rounds)
            rows.append({"tasks": count, **row})
    return rows


def main() -> None:
    """Read the command line, run the experiment, print its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--records", type=int, default=10_000)
    given = parser.parse_args()
    for suite in ("multidigits", "multimnist"):
        print(time_cell(suite, "hard", given.data_dir))
    print(time_idle_run())
    print(time_reading(given.records))


if __name__ == "__main__":
    main()
