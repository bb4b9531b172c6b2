"""The worth of a method in data: how many more rows single-task needs for the same error."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord
from leaderboard.analysis.statistics import Cells, Interval, Selection, change_matrix, collect_cells, interval
from leaderboard.boards.board import Board
from leaderboard.boards.record_selection import of_one_code, select_records


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


def sizes(board: Board, method: str, records: Iterable[ResultRecord], selection: Selection) -> dict[int, float]:
    """Training rows -> mean log error of `method` over tasks and seeds, on the suites of the board's `series`."""
    found: dict[int, float] = {}
    in_series = (record for record in records if not {record.suite, record.spec.suite}.isdisjoint(board.series))
    kept = of_one_code(in_series, apart=lambda record: None)  # of all suites together
    for suite in board.series:
        own = board.model_copy(update={"suite": suite, "methods": [method]})
        chosen = select_records(own, kept).records
        if chosen:
            size = next(iter(chosen.values())).spec.protocol.splits["train"]
            found[size] = float(np.nanmean(np.log(collect_cells(own, chosen, selection).errors)))
    return dict(sorted(found.items()))


def curve(board: Board, records: Iterable[ResultRecord], selection: Selection) -> DataCurve | None:
    """Of the board's reference over the suites of its `series`; None below two sizes."""
    found = sizes(board, board.reference, records, selection)
    return DataCurve(np.array(list(found), float), np.array(list(found.values()))) if len(found) > 1 else None


@dataclass(frozen=True)
class Worth:
    """A multiplier of training rows with its interval; 0 and infinity lie beyond `least` and `most`, which were run."""

    estimate: Interval
    least: float
    most: float

    @property
    def text(self) -> str:
        """`1.31x [1.02, 1.70]`; `< 0.2` and `> 10` where no size that was run is small or large enough."""
        low, high = self.estimate.low, self.estimate.high
        ends = "" if low is None or high is None else f" [{self._one(low)}, {self._one(high)}]"
        return f"{self._one(self.estimate.mean)}x{ends}"

    @property
    def order(self) -> float:
        """A finite number that tables sort by."""
        return min(self.estimate.mean, 2 * self.most)

    def _one(self, value: float) -> str:
        if value == 0:
            return f"< {self.least:.3g}"
        return f"> {self.most:.3g}" if math.isinf(value) else f"{value:.2f}"


def worth(data: Cells, size: int, known: DataCurve) -> dict[str, Worth]:
    """method -> rows at which the reference has the method's error, over the `size` rows the method was trained on.

    The method's mean log error is that of the reference on the same rows less the mean Δ log, and the interval is the
    paired t interval of Δ log, carried through the curve.
    """
    at = float(np.interp(math.log(size), np.log(known.rows), np.minimum.accumulate(known.errors)))
    least, most = float(known.rows[0]) / size, float(known.rows[-1]) / size

    def rows(gain: float) -> float:
        return known.rows_for(at - gain) / size

    found = {}
    for method, change in zip(data.board.methods, change_matrix(data, "delta_log"), strict=True):
        gain = interval(change, overlap=data.overlap)
        if method != data.board.reference and not math.isnan(gain.mean):
            low, high = (None if end is None else rows(end) for end in (gain.low, gain.high))
            found[method] = Worth(Interval(rows(gain.mean), low, high, gain.n), least, most)
    return found
