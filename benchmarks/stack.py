"""What training several seeds as one stack saves: updates of S seeds at once against S runs in turn.

    python -m benchmarks.stack --suite multidigits --seeds 8
    python -m benchmarks.stack --suite multimnist --methods hard single_task --device cuda --data-dir ~/data

Both train in this process, in turns whose order is swapped each round; one row per method: the median milliseconds of
one update of one seed in either way, and the median of the ratios, above 1 where the stack is faster.
"""

import argparse
import json
import statistics
from pathlib import Path

import torch

from bench.catalogue.method import Method
from bench.perf.harness import alternate
from bench.planning.plan import parse_suite, plan
from bench.training.environment import hardware
from bench.training.fit import Run
from bench.training.stacked.seeds import StackedBatches, Watches
from bench.training.stacked.stack import StackedModule
from bench.training.trainer import train
from bench.training.watch import TrainingMonitor

# One tower per task, one trunk, towers that meet, copies with a prox, and weightings with one and several backward
# passes: each is another path through the stacked step.
METHODS = ("single_task", "hard", "cross_stitch", "soft+l2", "hard@uncertainty", "hard@pcgrad")


def compare_stack(
    suite_text: str, method: str, seeds: int, updates: int, rounds: int, device: str, data_dir: Path | None
) -> dict[str, object]:
    """One row: milliseconds of an update of a seed, in turn and stacked, and their ratio with its quartiles.

    Args:
        suite_text: A suite with options.
        method: A method.
        seeds: How many are stacked.
        updates: Of a block.
        rounds: Pairs of blocks.
        device: As `--device`.
        data_dir: Where data sets are; None for the default.
    """
    settings = {"epochs": "1", "steps_per_epoch": str(updates)}
    specs = plan(suite_text, [method], range(seeds), settings, device, data_dir)
    _, suite = parse_suite(specs[0].suite, data_dir)
    # Read once: reading is the same work in both ways.
    rows = [Run(spec, suite, Method.parse(spec.method)).data("train") for spec in specs]

    def fresh() -> list[Run]:
        return [Run(spec, suite, Method.parse(spec.method)) for spec in specs]

    def in_turn() -> float:
        times = []
        for run, data in zip(fresh(), rows, strict=True):
            watch = TrainingMonitor(run.module)
            train(run.module, run.batches(data), watch)
            times.append(watch.step_ms)
        return statistics.mean(times)

    def stacked() -> float:
        runs = fresh()
        batches = StackedBatches([run.batches(data) for run, data in zip(runs, rows, strict=True)])
        watches = Watches([TrainingMonitor(run.module) for run in runs])
        train(StackedModule([run.module for run in runs]), batches, watches)
        # A step of the stack is a step of every seed.
        return watches.each[0].step_ms / seeds

    stack_ms, turn_ms, ratio, low, high = alternate(stacked, in_turn, rounds)
    return {
        "suite": suite_text,
        "method": method,
        "seeds": seeds,
        "in_turn_ms": round(turn_ms, 3),
        "stacked_ms": round(stack_ms, 3),
        "ratio": round(ratio, 3),
        "ratio_low": round(low, 3),
        "ratio_high": round(high, 3),
        "hardware": hardware(torch.device(specs[0].protocol.device)),
    }


def main() -> None:
    """Print one JSON object a line, a row per method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="multidigits")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--updates", type=int, default=60, help="of a block")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for method in arguments.methods:
        row = compare_stack(
            arguments.suite,
            method,
            arguments.seeds,
            arguments.updates,
            arguments.rounds,
            arguments.device,
            arguments.data_dir,
        )
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
