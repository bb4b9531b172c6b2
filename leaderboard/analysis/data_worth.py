"""The worth of a method in data: how many more rows single-task needs for the same error.

    worth = n(error of the method) / n,   n(.) the rows at which the reference reaches an error

Boards with a `series` have the reference trained on several numbers of rows; between these its curve is linear in log
error and log rows, and outside them nothing is extrapolated.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.statistics import Cells, Interval, change_matrix, interval


@dataclass(frozen=True)
class DataCurve:
    """The reference's error against the number of training rows.

    `rows` [size] is ascending, `errors` [size] has the mean natural log of the primary errors there.
    """

    rows: np.ndarray
    errors: np.ndarray

    def rows_for(self, error: float) -> float:
        """The rows at which the mean log error is `error`: linear in log rows between the sizes that were run.

        0 for an error above the curve and infinite for one below it, where nothing is known. A curve that rises in
        between is replaced by its running minimum: more data are not worth less.
        """
        falling = np.minimum.accumulate(self.errors)
        if error > falling[0]:
            return 0.0
        if error < falling[-1]:
            return math.inf
        # `np.interp` wants ascending places, and errors fall.
        return float(np.exp(np.interp(-error, -falling, np.log(self.rows))))


def read_errors(series: Iterable[Cells], method: str) -> dict[int, float]:
    """Training rows, ascending -> mean log error of `method` over tasks and seeds.

    series: the cells of each suite; a suite without a run of the method has no entry.
    """
    errors: dict[int, float] = {}
    for cells in series:
        # The size is the suite's own split, not its name: a series may name its suites as it likes.
        if method in cells.board.methods and cells.protocol and np.isfinite(own := cells.errors_of(method)).any():
            errors[cells.protocol.splits["train"]] = float(np.nanmean(np.log(own)))
    return dict(sorted(errors.items()))


def fit_curve(series: Iterable[Cells], reference: str) -> DataCurve | None:
    """The curve of `reference` over the suites of a series; None below two sizes, which make no curve."""
    errors = read_errors(series, reference)
    return DataCurve(np.array(list(errors), float), np.array(list(errors.values()))) if len(errors) > 1 else None


@dataclass(frozen=True)
class Worth:
    """A multiplier of training rows with its interval.

    The estimate or an end may be 0 or infinite: it lies beyond `least` or `most`, the multipliers that were run.
    """

    estimate: Interval
    least: float
    most: float

    @property
    def order(self) -> float:
        """A finite number that tables sort by; what lies beyond the largest size is put at twice that."""
        return min(self.estimate.mean, 2 * self.most)


def estimate_worth(data: Cells, size: int, known: DataCurve) -> dict[str, Worth]:
    """The worth of every method but the reference.

        worth = n(e - mean Δ log) / size,   e the reference's mean log error at `size` rows

    The interval is the paired t interval of Δ log, carried through the curve, which is taken as known.

    Args:
        data: the cells of the board.
        size: the rows that its methods are trained on; one of the sizes of the curve.
        known: the curve of the board's reference.

    Returns:
        method -> its worth; methods without a Δ log are left out.
    """
    # The reference at this very size, on the same minimum that `rows_for` inverts: no gain then is worth exactly 1.
    at = float(np.interp(math.log(size), np.log(known.rows), np.minimum.accumulate(known.errors)))
    least, most = float(known.rows[0]) / size, float(known.rows[-1]) / size

    def rows(gain: float) -> float:
        """The rows at which the reference has this gain, over the rows that were trained on."""
        return known.rows_for(at - gain) / size

    worths = {}
    for method, change in zip(data.board.methods, change_matrix(data, "delta_log"), strict=True):
        gain = interval(change, overlap=data.overlap)
        if method != data.board.reference and not math.isnan(gain.mean):
            low, high = (None if end is None else rows(end) for end in (gain.low, gain.high))
            worths[method] = Worth(Interval(rows(gain.mean), low, high, gain.n), least, most)
    return worths
