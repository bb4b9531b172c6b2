"""Statistics over paired seeds: means, intervals, and three changes against the reference.

The unit is a run. A change is computed inside each seed, between two runs that share their seed, and
only then averaged; a missing cell is NaN and takes no part.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.records import ResultRecord
from bench.scores import KINDS, Metric, primary_error
from leaderboard.board import Board

Selection = Literal["val", "per_task", "last"]
LEVEL = 0.95


@dataclass(frozen=True)
class Column:
    """One metric of one task."""

    task: str
    metric: Metric


@dataclass(frozen=True)
class Interval:
    """A mean over `n` seeds and its interval; `low` and `high` are None below two seeds, `mean` is NaN at none."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Cells:
    """Every number of a board: `values` is [method, seed, column], `errors` is [method, seed, task]; NaN is missing.

    A column is a (task, metric) pair, since tasks need not have the same metrics.
    """

    board: Board
    tasks: list[str]
    columns: list[Column]
    values: np.ndarray
    errors: np.ndarray

    def of(self, method: str) -> np.ndarray:
        """[seed, column] of one method."""
        values: np.ndarray = self.values[self.board.methods.index(method)]
        return values

    def finished(self, method: str) -> int:
        """How many seeds of `method` have every number."""
        return int(np.isfinite(self.of(method)).all(axis=1).sum()) if self.columns else 0

    def status(self, method: str) -> str:
        """`complete`, `incomplete (3/5)` or `missing`, against the seeds of the board."""
        started = bool(self.columns) and bool(np.isfinite(self.of(method)).any())
        return status_of(self.finished(method), len(self.board.seed_list), started)


def status_of(finished: int, wanted: int, started: bool = False) -> str:
    """`complete`, `incomplete (3/5)`, or `missing` where nothing was `started`."""
    if finished == wanted:
        return "complete"
    return f"incomplete ({finished}/{wanted})" if finished or started else "missing"


def cells(board: Board, records: Mapping[tuple[str, int], ResultRecord], selection: Selection = "val") -> Cells:
    """Lay the records, by method and seed, out as an array; scores are those under the rule `selection`."""
    first = next(iter(records.values()), None)
    kinds = first.spec.protocol.metrics if first else {}
    tasks = [task for task in (first.tasks if first else []) if kinds.get(task) in KINDS]
    columns = [Column(task, metric) for task in tasks for metric in KINDS[kinds[task]].metrics]
    shape = len(board.methods), len(board.seed_list)
    values = np.full((*shape, len(columns)), np.nan)
    errors = np.full((*shape, len(tasks)), np.nan)
    for (method, seed), record in records.items():
        at = board.methods.index(method), board.seed_list.index(seed)
        scores, states = record.scores.get(selection, {}), record.statistics.get(selection, {})
        values[at] = [scores.get(column.task, {}).get(column.metric.name, np.nan) for column in columns]
        errors[at] = [primary_error(kinds[task], states[task]) if task in states else np.nan for task in tasks]
    return Cells(board, tasks, columns, values, errors)


def interval(sample: np.ndarray, level: float = LEVEL) -> Interval:
    """Mean and Student t interval of independent values, NaNs left out.

        mean +- t_{(1 + level) / 2, n - 1} * s / sqrt(n),   s the standard deviation with ddof 1

    On paired differences this is the paired t interval. One value has no interval.
    """
    known = sample[np.isfinite(sample)]
    n = known.size
    if n == 0:
        return Interval(math.nan, None, None, 0)
    mean = float(known.mean())
    if n == 1:
        return Interval(mean, None, None, 1)
    from scipy.special import stdtrit  # takes longer to import than everything else here

    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(known.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def delta_flat(values: np.ndarray, reference: np.ndarray, columns: list[Column]) -> np.ndarray:
    """Change against the reference as the mean over all M metrics, percent, higher is better; one number per seed.

        delta_flat = 100/M * sum_m s_m (v_m - r_m) / r_m,   s_m = +1 where higher is better, else -1

    `values` and `reference` are [seed, column]. A task with more metrics weighs more. This is the
    negative of the delta_m of CAGrad, Nash-MTL and FAMO, after Maninis et al. (2019), eq. 4.
    """
    change: np.ndarray = _relative(values, reference, columns).mean(axis=1)
    return change


def delta_task(values: np.ndarray, reference: np.ndarray, columns: list[Column]) -> np.ndarray:
    """Change against the reference as the mean inside each task, then over the T tasks, percent, higher is better.

        delta_task = 100/T * sum_t 1/M_t * sum_{m in t} s_m (v_tm - r_tm) / r_tm

    `values` and `reference` are [seed, column]. Every task weighs the same: Maninis et al. (2019),
    as MTAN's later surveys and LibMTL compute it.
    """
    change = _relative(values, reference, columns)
    tasks = list(dict.fromkeys(column.task for column in columns))
    inside = [change[:, [column.task == task for column in columns]].mean(axis=1) for task in tasks]
    mean: np.ndarray = np.mean(inside, axis=0)
    return mean


def delta_log(errors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mean over tasks of log(error of the reference / error), natural logarithm, higher is better; one number per seed.

    `errors` and `reference` are [seed, task] primary errors, positive. 0.1 is about 10 % less error.
    """
    change: np.ndarray = np.log(reference / errors).mean(axis=1)
    return change


CHANGES: dict[str, Callable[[Cells, str], np.ndarray]] = {
    "delta_flat": lambda data, method: delta_flat(data.of(method), data.of(data.board.reference), data.columns),
    "delta_task": lambda data, method: delta_task(data.of(method), data.of(data.board.reference), data.columns),
    "delta_log": lambda data, method: delta_log(_errors(data, method), _errors(data, data.board.reference)),
}


def changes(data: Cells, method: str) -> dict[str, np.ndarray]:
    """The three changes of `method` per seed; NaN where either run of the pair is missing."""
    absent = data.board.reference not in data.board.methods or not data.columns
    nothing = np.full(len(data.board.seed_list), np.nan)
    return {name: nothing if absent else change(data, method) for name, change in CHANGES.items()}


def _errors(data: Cells, method: str) -> np.ndarray:
    errors: np.ndarray = data.errors[data.board.methods.index(method)]
    return errors


def _relative(values: np.ndarray, reference: np.ndarray, columns: list[Column]) -> np.ndarray:
    """Signed relative change in percent; no ratio is taken of a reference that is zero or negative."""
    sign = np.array([1.0 if column.metric.higher_is_better else -1.0 for column in columns])
    safe = np.where(reference > 0, reference, np.nan)
    change: np.ndarray = 100.0 * sign * (values - safe) / safe
    return change
