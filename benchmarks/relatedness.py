"""Does the dial `classes` of `scenes` set how much segmentation gains from depth and normals?

    python -m benchmarks.relatedness --data-dir DATA --store STORE

For every setting of the dial: `hard` with the true extra tasks, and with the same extra tasks whose training
targets are dealt out anew, which keeps everything about them but what they say of an image. The gain is the
difference of mIoU, paired by seed, with its 95 % interval. Finished runs are read, missing ones are run.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bench.records import ResultRecord, parse_call
from leaderboard.analysis.statistics import interval
from leaderboard.store import Store

MAIN, EXTRAS = "segmentation", "depth/normals"
METRIC = "miou"
SELECTION = "per_task"  # the main task's own best epoch: no say of shuffled tasks in it


def mtlbench(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "bench.cli.main", *arguments], check=True)


def scores(records: Iterable[ResultRecord], classes: float, shuffled: bool) -> dict[int, float]:
    """seed -> mIoU of one setting of the dial."""
    return {
        record.spec.seed: record.scores[SELECTION][MAIN][METRIC]
        for record in records
        if float(parse_call(record.spec.suite).options["classes"]) == classes
        and bool(record.spec.protocol.shuffled) == shuffled
    }


def row(classes: float, true: dict[int, float], shuffled: dict[int, float]) -> str:
    """One line of the table; the interval is the paired t interval over seeds."""
    seeds = sorted(true.keys() & shuffled.keys())
    pairs = np.array([(true[seed], shuffled[seed]) for seed in seeds])
    gain = interval(pairs[:, 0] - pairs[:, 1])
    means = " | ".join(f"{mean:.2f}" for mean in pairs.mean(axis=0))
    return f"| {classes} | {means} | {gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] | {gain.n} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--store", required=True, help="a folder of its own")
    parser.add_argument("--classes", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--train", type=int, default=396)
    parser.add_argument("--test", type=int, default=300)
    given = parser.parse_args()
    for classes in given.classes:
        suite = f"scenes:classes={classes},test={given.test},train={given.train}"
        mtlbench("data", "prepare", suite, "--data-dir", given.data_dir)
        run = ["run", suite, "hard", "--seeds", given.seeds, "--store", given.store, "--data-dir", given.data_dir]
        mtlbench(*run)
        mtlbench(*run, "--set", f"shuffled={EXTRAS}")
    done = [record for record in Store(Path(given.store)).read().records if record.status == "done"]
    print(f"| `classes` | {METRIC} with true extra tasks | with shuffled ones | gain [95 %] | runs |")
    print("|---|---|---|---|---|")
    for classes in given.classes:
        print(row(classes, scores(done, classes, shuffled=False), scores(done, classes, shuffled=True)))


if __name__ == "__main__":
    main()
