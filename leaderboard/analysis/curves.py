"""Curves as numbers: validation and test error of a method at each value of a setting, with intervals over seeds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord
from bench.scores import primary_error
from leaderboard.analysis.statistics import Interval, interval
from leaderboard.boards.board import Board
from leaderboard.boards.curves import SettingCurve, collect_curves, validation_objective
from leaderboard.boards.own_best import read_whole_curves


@dataclass(frozen=True)
class CurvePoint:
    """A method at one value of the setting.

    value: of the setting, in its unit.
    validation, test: the primary error, geometric mean over tasks and seeds, with the 95 % t interval of its logarithm
        taken back; NaN without an interval where no run has one.
    seeds: runs that were finished, of those that all values share.
    failed: runs that were not.
    """

    value: float
    validation: Interval
    test: Interval
    seeds: int
    failed: int


@dataclass(frozen=True)
class CurveSummary:
    """A curve with its points, in the order of values; `chosen` and `edges` are those of the curve."""

    curve: SettingCurve
    points: list[CurvePoint]

    @property
    def values(self) -> list[float]:
        """The values of the setting, ascending."""
        return [point.value for point in self.points]

    @property
    def chosen(self) -> CurvePoint | None:
        """The point that validation chooses; None where every value has a failed run."""
        return next((point for point in self.points if point.value == self.curve.chosen), None)


def summarise_curve(curve: SettingCurve) -> CurveSummary:
    """The errors of a curve at each of its values, over the seeds that all values share.

    Args:
        curve: its runs.

    Returns:
        At each value v the geometric means exp(1/S sum_s 1/T sum_t log e_ts(v)) on validation and on the test split,
        of the epochs that the rule `val` keeps. The choice was by the first of them.
    """
    points = []
    for value, runs in curve.points.items():
        done = [runs[seed] for seed in curve.seeds if runs[seed].status == "done"]
        validation = [validation_objective(run) / max(1, len(run.tasks)) for run in done]
        failed = len(curve.seeds) - len(done)
        points.append(CurvePoint(value, _mean(validation, done), average_test_error(done), len(done), failed))
    return CurveSummary(curve, points)


def find_curves(records: Sequence[ResultRecord], boards: Iterable[Board] = ()) -> list[CurveSummary]:
    """The curves that a store holds, as `collect_curves` finds them, with their errors.

    Args:
        records: of the store, in any order.
        boards: of those whose rows are at their own best values, a curve is the one that chose: of the board's values
            and seeds, with the further runs of the best values.
    """
    chosen = {
        (board.suite, method, board.curve.grid.setting, _version(curve)): curve
        for board in boards
        if board.curve
        for method, curve in read_whole_curves(board, records)[0].items()
    }
    found = []
    for curve in collect_curves(records):
        key = curve.suite, curve.method, curve.setting, _version(curve)
        found.append(curve if curve.settings else chosen.get(key, curve))
    return [summarise_curve(curve) for curve in found]


def _version(curve: SettingCurve) -> int:
    """The version of the protocol that the runs of a curve are under."""
    return next(run.spec.protocol.version for runs in curve.points.values() for run in runs.values())


def average_test_error(runs: Sequence[ResultRecord]) -> Interval:
    """The primary error on the test split: geometric mean over tasks and seeds, with its 95 % interval over seeds."""
    done = [run for run in runs if run.status == "done"]
    return _mean([log_test_error(run) / max(1, len(run.tasks)) for run in done], done)


def log_test_error(run: ResultRecord) -> float:
    """Sum over tasks of the log primary error on the test split, of the epochs that the rule `val` keeps.

    NaN where the record has no such statistics.
    """
    kinds, states = run.spec.protocol.metrics, run.statistics.get("val", {})
    return sum(math.log(primary_error(kinds[task], states[task])) for task in run.tasks) if states else math.nan


def _mean(logs: list[float], runs: Sequence[ResultRecord]) -> Interval:
    """exp of the mean of one logarithm per run, with the interval over their seeds."""
    values = np.array([value if math.isfinite(value) else math.nan for value in logs])
    # Seeds that are random splits of the same rows correlate.
    overlap = next((run.spec.protocol.overlap for run in runs), 0.0)
    return interval(values, overlap=overlap).exponential
