"""Does the dial `classes` of `scenes` set how much segmentation gains from depth and normals?

    python -m benchmarks.relatedness --data-dir DATA --store STORE

For every setting of the dial: `hard` with the true extra tasks, and with the same extra tasks whose training targets
are dealt out anew, which keeps everything about them but what they say of an image. The gain is the difference of mIoU,
paired by seed, with its 95 % interval. Finished runs are read, missing ones are run.

Its table is in suites/scenes/README.md.
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


def run_mtlbench(*arguments: str) -> None:
    """Run a command of `mtlbench`. Raises CalledProcessError where it fails."""
    subprocess.run([sys.executable, "-m", "bench.cli.main", *arguments], check=True)


def select_scores(records: Iterable[ResultRecord], classes: float, shuffled: bool) -> dict[int, float]:
    """seed -> mIoU of one setting of the dial.

    Args:
        records: Finished runs of `hard` on `scenes`.
        classes: The setting of the dial.
        shuffled: Whether the targets of the extra tasks were dealt out anew.
    """
    return {
        record.spec.seed: record.scores[SELECTION][MAIN][METRIC]
        for record in records
        # A store of its own is wanted, since other runs of `scenes` in it would be read as well.
        if float(parse_call(record.spec.suite).options["classes"]) == classes
        and bool(record.spec.protocol.shuffled) == shuffled
    }


def format_row(classes: float, true: dict[int, float], shuffled: dict[int, float]) -> str:
    """One line of the table: both means, their difference with the paired t interval, and the number of pairs.

    Only seeds that both have are compared.
    """
    seeds = sorted(true.keys() & shuffled.keys())
    pairs = np.array([(true[seed], shuffled[seed]) for seed in seeds])
    gain = interval(pairs[:, 0] - pairs[:, 1])
    means = " | ".join(f"{mean:.2f}" for mean in pairs.mean(axis=0))
    return f"| {classes} | {means} | {gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] | {gain.n} |"


def main() -> None:
    """Read the command line, run the experiment, print its numbers."""
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
        # Rendered images depend on the setting of the dial, so each has data of its own.
        run_mtlbench("data", "prepare", suite, "--data-dir", given.data_dir)
        run = ["run", suite, "hard", "--seeds", given.seeds, "--store", given.store, "--data-dir", given.data_dir]
        run_mtlbench(*run)
        run_mtlbench(*run, "--set", f"shuffled={EXTRAS}")
    done = [record for record in Store(Path(given.store)).read().records if record.status == "done"]
    print(f"| `classes` | {METRIC} with true extra tasks | with shuffled ones | gain [95 %] | runs |")
    print("|---|---|---|---|---|")
    for classes in given.classes:
        print(
            format_row(
                classes, select_scores(done, classes, shuffled=False), select_scores(done, classes, shuffled=True)
            )
        )


if __name__ == "__main__":
    main()
