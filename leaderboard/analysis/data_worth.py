"""The worth of a method in data: how many more rows single-task needs for the same error."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.statistics import Cells, Interval, change_matrix, interval


@dataclass(frozen=True)
class DataCurve:
    """The reference's error against the number of training rows: `rows` ascending, `errors` mean log errors there."""

    rows: np.ndarray
    errors: np.ndarray

    def rows_for(self, error: float) -> float:
        """The rows at which the mean log error is `error`: linear in log rows between the sizes that were run.

        0 beyond the smallest and infinite beyond the largest, where nothing is known. A curve that rises in between is
        taken as its running minimum: more data are not worth less.
        """
        falling = np.minimum.accumulate(self.errors)
        if error > falling[0]:
            return 0.0
        if error < falling[-1]:
            return math.inf
        return float(np.exp(np.interp(-error, -falling, np.log(self.rows))))


def read_errors(series: Iterable[Cells], method: str) -> dict[int, float]:
    """Training rows, ascending -> mean log error of `method` over tasks and seeds, a size for each suite of a series.

    `series` are the cells of each suite; those without a run of the method have no size here.
    """
    errors: dict[int, float] = {}
    for cells in series:
        if method in cells.board.methods and cells.protocol and np.isfinite(own := cells.errors_of(method)).any():
            errors[cells.protocol.splits["train"]] = float(np.nanmean(np.log(own)))
    return dict(sorted(errors.items()))


def fit_curve(series: Iterable[Cells], reference: str) -> DataCurve | None:
    """The curve of the board's reference over the suites of its series; None below two sizes."""
    errors = read_errors(series, reference)
    return DataCurve(np.array(list(errors), float), np.array(list(errors.values()))) if len(errors) > 1 else None


@dataclass(frozen=True)
class Worth:
    """A multiplier of training rows with its interval; 0 and infinity lie beyond `least` and `most`, which were run."""

    estimate: Interval
    least: float
    most: float

    @property
    def order(self) -> float:
        """A finite number that tables sort by."""
        return min(self.estimate.mean, 2 * self.most)


def estimate_worth(data: Cells, size: int, known: DataCurve) -> dict[str, Worth]:
    """method -> rows at which the reference has the method's error, over the `size` rows the method was trained on.

    The method's mean log error is that of the reference on the same rows less the mean Δ log, and the interval is the
    paired t interval of Δ log, carried through the curve.
    """
    at = float(np.interp(math.log(size), np.log(known.rows), np.minimum.accumulate(known.errors)))
    least, most = float(known.rows[0]) / size, float(known.rows[-1]) / size

    def rows(gain: float) -> float:
        """The rows, over those that were trained on, at which the reference has that gain."""
        return known.rows_for(at - gain) / size

    worths = {}
    for method, change in zip(data.board.methods, change_matrix(data, "delta_log"), strict=True):
        gain = interval(change, overlap=data.overlap)
        if method != data.board.reference and not math.isnan(gain.mean):
            low, high = (None if end is None else rows(end) for end in (gain.low, gain.high))
            worths[method] = Worth(Interval(rows(gain.mean), low, high, gain.n), least, most)
    return worths
