"""Related(main, extra, algorithm): what an extra task tells the main one under a method, as a paired difference.

    Related[m, e] = mean over seeds of log(error of m with e's training targets shuffled / error of m)

Shuffling keeps everything about the extra task but what its targets say of an input: what is left of a gain is no
information (runs with `--set shuffled=e`). The relation depends on the algorithm as much as on the tasks, and is not
symmetric.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord
from bench.scores import primary_error
from leaderboard.analysis.statistics import Interval, interval
from leaderboard.boards.comparability import keep_last_code, suite_versions

SELECTION = "per_task"  # every task at its own best epoch: a shuffled one has no say in when the main one stops
SETTING = "shuffled"  # names the tasks whose training targets are permuted


@dataclass(frozen=True)
class Related:
    """The relations of the tasks of a suite under one algorithm.

    Attributes:
        method: in short form.
        tasks: of the suite, in order.
        cells: (main, extra) -> its interval; (main, "") -> that of all other tasks at once. Natural logarithms.
        seeds: the greatest number of seeds behind a cell.
    """

    method: str
    tasks: list[str]
    cells: dict[tuple[str, str], Interval]
    seeds: int

    def matrix(self) -> np.ndarray:
        """[main, extra] of the means; NaN on the diagonal and where nothing was run."""
        means = np.full((len(self.tasks), len(self.tasks)), np.nan)
        for (main, extra), estimate in self.cells.items():
            if extra:
                means[self.tasks.index(main), self.tasks.index(extra)] = estimate.mean
        return means


def estimate_relatedness(records: Iterable[ResultRecord]) -> list[Related]:
    """The relations under every method that was run with shuffled targets, in the order met.

    A pair of runs differs in `shuffled` only, the first being under the board's own protocol. A run that shuffled every
    task but one counts as that task's with all others at once.

    Args:
        records: of one suite, as tasks and settings are not compared across suites.
    """
    made = keep_last_code(run for run in records if run.spec.tuning is None)
    done = [run for run in made if run.status == "done" and SELECTION in run.statistics]
    newest = max((suite_versions(run) for run in done if SETTING in run.spec.overrides), default=None)
    done = [run for run in done if suite_versions(run) == newest]
    plain = {(_kin(run), run.spec.seed): run for run in done if not run.spec.overrides}
    by_method: dict[str, dict[tuple[str, str], dict[int, float]]] = {}
    tasks: dict[str, list[str]] = {}
    for run in done:
        shuffled = list(run.spec.protocol.shuffled)
        base = plain.get((_kin(run), run.spec.seed))
        # Anything else that differs would be part of the difference.
        if list(run.spec.overrides) != [SETTING] or base is None:
            continue
        others = [task for task in run.tasks if task not in shuffled]
        tasks[run.method] = run.tasks
        cells = by_method.setdefault(run.method, {})
        # Several tasks shuffled, and several not, say nothing about any one of them.
        for main in others if len(shuffled) == 1 or len(others) == 1 else []:
            gain = float(np.log(_error(run, main) / _error(base, main)))
            extra = shuffled[0] if len(shuffled) == 1 else ""
            cells.setdefault((main, extra), {})[run.spec.seed] = gain
    return [
        Related(
            method,
            tasks[method],
            {key: interval(np.array([gains[seed] for seed in sorted(gains)])) for key, gains in cells.items()},
            max(map(len, cells.values())),
        )
        for method, cells in by_method.items()
        if cells
    ]


def _kin(run: ResultRecord) -> tuple[str, ...]:
    """What two runs share that differ only in the seed and in which targets were shuffled."""
    protocol = run.spec.protocol.model_copy(update={SETTING: ()})
    versions = "".join(f"{name}{version}" for name, version in sorted(run.spec.versions.items()))
    return run.spec.suite, run.spec.method, run.spec.data, versions, protocol.model_dump_json()


def _error(run: ResultRecord, task: str) -> float:
    """The primary error of a task at its own best epoch; positive."""
    return primary_error(run.spec.protocol.metrics[task], run.statistics[SELECTION][task])
