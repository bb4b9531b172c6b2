"""What is sharing worth where tasks have labels in the same rows, in some of the same, and in none of the same?

    python -m benchmarks.overlap --store STORE [--only linear|synthetic]

Every task keeps the same number of labels, and only the rows that they are in differ: those of one draw for all tasks
(`labels_by=same`), of a draw for each (`random`), or of stretches apart (`block`). Worth is the mean over tasks of
log(error of `single_task` / error of the method), errors on the test split, paired by seed; a rise is a worth less that
with the same rows, paired by seed too. Both with 95 % t intervals. Finished runs are read, missing ones are run.

Its tables are in docs/missing_labels.md, and what was predicted in docs/predictions.md.
"""

import argparse
import math
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.planning.plan import plan
from bench.records import ResultRecord
from bench.scores import primary_error
from leaderboard.analysis.statistics import interval
from leaderboard.store import Store

REFERENCE = "single_task"


@dataclass(frozen=True)
class Level:
    """How much the labelled rows of two tasks have in common, and the runs that show it.

    common: expected share of the labelled rows of a task in which another has a label too.
    suite, labels, by: of the runs.
    """

    common: float
    suite: str
    labels: float
    by: str

    @property
    def settings(self) -> dict[str, str]:
        """What is set of the protocol."""
        return {"labels": f"{self.labels:.8g}", "labels_by": self.by}


@dataclass(frozen=True)
class Case:
    """A problem at several levels of overlap, and the methods that share.

    words: for the table.
    levels: the first is that of the same rows.
    stack: seeds that are trained at once, where models are networks.
    """

    words: str
    levels: Sequence[Level]
    methods: Sequence[str]
    stack: int = 1


def list_levels(suite: str, tasks: int, labels: int, half: bool = False) -> list[Level]:
    """From the same rows to rows apart, `labels` of them for each task.

    suite: with a place for the number of rows, which is `tasks` times `labels`, enough for no overlap at all.
    half: also with half of the rows in common, at random among twice the `labels`.
    """
    whole = suite.format(tasks * labels)
    share = math.ceil(1e8 / tasks) / 1e8  # rounded up: a little less would keep one label less
    twice = [Level(0.5, suite.format(2 * labels), 0.5, "random")] if half else []
    apart = [Level(1 / tasks, whole, share, "random"), Level(0.0, whole, share, "block")]
    return [Level(1.0, whole, share, "same"), *twice, *apart]


def list_cases() -> dict[str, list[Case]]:
    """The problems, by the name that `--only` takes."""
    linear = "linear_synthetic:inputs=shared,tasks=6,train={},truth="
    soft = ("soft+l2",)
    return {
        "linear": [
            Case(
                "linear, tasks around a mean, 25 labels",
                list_levels(linear + "mean", 6, 25, half=True),
                (*soft, "hard"),
            ),
            Case("linear, tasks around a mean, 60 labels", list_levels(linear + "mean", 6, 60), soft),
            Case("linear, nothing in common, 25 labels", list_levels(linear + "unrelated", 6, 25), soft),
        ],
        "synthetic": [Case("synthetic, 100 labels", list_levels("synthetic:train={}", 4, 100), ("hard",), stack=12)],
    }


def run_level(level: Level, case: Case, seeds: str, store: Path) -> None:
    """Run what the store lacks, in one process. Raises CalledProcessError where a cell fails."""
    settings = [text for key, value in level.settings.items() for text in ("--set", f"{key}={value}")]
    if case.stack > 1:
        settings += ["--stack", str(case.stack)]
    arguments = ["run", level.suite, REFERENCE, *case.methods, "--seeds", seeds, "--jobs", "1", "--store", str(store)]
    subprocess.run([sys.executable, "-m", "bench.cli.main", *arguments, *settings], check=True)


def mean_log_error(record: ResultRecord) -> float:
    """The mean over reported tasks of the logarithm of the primary error on the test split."""
    kinds, states = record.spec.protocol.metrics, record.statistics["val"]
    return statistics.mean(math.log(primary_error(kinds[task], states[task])) for task in record.tasks)


def read_worth(level: Level, method: str, seeds: Sequence[int], records: Iterable[ResultRecord]) -> np.ndarray:
    """Worth of a method (n,), seed by seed. Raises KeyError where a run is missing."""
    done = {record.run_id: record for record in records if record.status == "done"}
    each = [
        [mean_log_error(done[spec.run_id]) for spec in plan(level.suite, [m], seeds, level.settings)]
        for m in (REFERENCE, method)
    ]
    worth: np.ndarray = np.array(each[0]) - np.array(each[1])
    return worth


def format_case(case: Case, seeds: Sequence[int], records: Sequence[ResultRecord]) -> list[str]:
    """Lines of the table of a case: a method at a level."""
    lines = []
    for method in case.methods:
        worth = [read_worth(level, method, seeds, records) for level in case.levels]
        for level, own in zip(case.levels, worth, strict=True):
            rise = _format(own - worth[0]) if own is not worth[0] else ""
            lines.append(f"| {case.words} | `{method}` | {level.common:.2f} | {_format(own)} | {rise} |")
    return lines


def _format(sample: np.ndarray) -> str:
    """Mean and interval."""
    own = interval(sample)
    return f"{own.mean:+.3f} [{own.low:+.3f}, {own.high:+.3f}]"


def main() -> None:
    """Read the command line, run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="a store, of its own or with other runs")
    parser.add_argument("--only", choices=list_cases(), nargs="+", default=list(list_cases()))
    parser.add_argument("--seeds", type=int, default=12, help="how many (default: 12)")
    given = parser.parse_args()
    cases = [case for name in given.only for case in list_cases()[name]]
    for case in cases:
        for level in case.levels:
            run_level(level, case, f"0-{given.seeds - 1}", given.store)
    records = list(Store(given.store).read().records)
    print("| problem | method | rows in common | worth [95 %] | rise over the same rows [95 %] |")
    print("| :-- | :-- | :-- | :-- | :-- |")
    for case in cases:
        print("\n".join(format_case(case, range(given.seeds), records)))


if __name__ == "__main__":
    main()
