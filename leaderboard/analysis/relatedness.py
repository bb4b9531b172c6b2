"""Related(main, extra, algorithm): what an extra task tells the main one under a method, as a paired difference.

    Related[m, e] = mean over seeds of log(error of m with e's training targets dealt out anew / error of m)

Dealing out anew keeps everything about the extra task but what its targets say of an input: what is left of a gain
is information (runs with `--set shuffled=e`). Every task counts at its own best epoch, so that a shuffled one has no
say in when the main one stops. The relation is the algorithm's as much as the tasks', and is not symmetric.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord
from bench.scores import primary_error
from leaderboard.analysis.statistics import Interval, interval
from leaderboard.boards.comparability import keep_last_code

SELECTION = "per_task"
SETTING = "shuffled"


@dataclass(frozen=True)
class Related:
    """One algorithm: `cells` maps (main, extra) to its interval, and (main, "") to that of all extra tasks at once."""

    method: str
    tasks: list[str]
    cells: dict[tuple[str, str], Interval]
    seeds: int

    def matrix(self) -> np.ndarray:
        """[main, extra] of the means, NaN on the diagonal and where nothing was run."""
        found = np.full((len(self.tasks), len(self.tasks)), np.nan)
        for (main, extra), estimate in self.cells.items():
            if extra:
                found[self.tasks.index(main), self.tasks.index(extra)] = estimate.mean
        return found


def estimate_relatedness(records: Iterable[ResultRecord]) -> list[Related]:
    """Of every method of one suite that was run with a task's targets dealt out anew, in the order met.

    A pair is a run under the board's own protocol and one that differs in `shuffled` only. Where a run shuffled every
    task but one, that one counts as the main task of all the others at once.
    """
    made = keep_last_code(run for run in records if run.spec.tuning is None)
    done = [run for run in made if run.status == "done" and SELECTION in run.statistics]
    if not any(SETTING in run.spec.overrides for run in done):
        return []
    plain = {(_kin(run), run.spec.seed): run for run in done if not run.spec.overrides}
    found: dict[str, dict[tuple[str, str], dict[int, float]]] = {}
    tasks: dict[str, list[str]] = {}
    for run in done:
        shuffled = list(run.spec.protocol.shuffled)
        base = plain.get((_kin(run), run.spec.seed))
        if list(run.spec.overrides) != [SETTING] or base is None:
            continue
        others = [task for task in run.tasks if task not in shuffled]
        tasks[run.method] = run.tasks
        cells = found.setdefault(run.method, {})
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
        for method, cells in found.items()
        if cells
    ]


def _kin(run: ResultRecord) -> tuple[str, ...]:
    """What two runs have in common that differ in the seed and in what was dealt out anew."""
    protocol = run.spec.protocol.model_copy(update={SETTING: ()})
    versions = "".join(f"{name}{version}" for name, version in sorted(run.spec.versions.items()))
    return run.spec.suite, run.spec.method, run.spec.data, versions, protocol.model_dump_json()


def _error(run: ResultRecord, task: str) -> float:
    """The primary error of a task at its own best epoch."""
    return primary_error(run.spec.protocol.metrics[task], run.statistics[SELECTION][task])
