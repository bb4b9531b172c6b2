"""Is a reproduced table the committed one: digit for digit on one kind of machine, up to seed noise elsewhere?"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.records import ResultRecord
from leaderboard.analysis.results import collect_cells
from leaderboard.analysis.statistics import Cells, Column, SelectionRule, holm
from leaderboard.boards.board import Board
from leaderboard.boards.record_selection import select_records
from leaderboard.trust.agreement import ERROR_LEVEL, is_same_kind

Runs = Mapping[tuple[str, int], ResultRecord]
Verdict = Literal["equal", "within noise", "not judged", "beyond noise", "differs"]
OUTSIDE: tuple[Verdict, ...] = ("beyond noise", "differs")


@dataclass(frozen=True)
class NumberPair:
    """One number of a method in two stores: [run] here and committed, and the seeds at which digits should agree.

    `p` is that of the two-sample t test with equal variances: two means over n and n' runs may differ by

        t * s * sqrt(1/n + 1/n')

    with s the pooled standard deviation and n + n' - 2 degrees of freedom. It is 1 where every run came out the
    same, and NaN where there are fewer than three runs to estimate s from.
    """

    suite: str
    method: str
    column: Column
    here: np.ndarray
    committed: np.ndarray
    differing: tuple[int, ...]  # seeds run on one kind of machine with one set of versions, with other digits

    @property
    def equal(self) -> bool:
        """Whether the runs have the same digits."""
        return np.array_equal(self.here, self.committed)

    @property
    def difference(self) -> float:
        """Mean here less mean committed."""
        return float(self.here.mean() - self.committed.mean())

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the pooled deviation."""
        return len(self.here) + len(self.committed) - 2

    @property
    def error(self) -> float:
        """s * sqrt(1/n + 1/n')."""
        squares = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in (self.here, self.committed))
        return math.sqrt(squares / self.freedom * (1 / len(self.here) + 1 / len(self.committed)))

    @property
    def p(self) -> float:
        """Two-sided p of the difference."""
        from scipy.special import stdtr

        if self.equal:
            return 1.0
        if self.freedom < 1:
            return math.nan
        if not self.error:
            return float(self.difference == 0)
        return 2 * float(stdtr(self.freedom, -abs(self.difference) / self.error))

    def largest_difference(self, level: float) -> float:
        """The largest difference that noise explains at `level`."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, 1 - level / 2)) * self.error if self.freedom > 0 else math.nan


@dataclass(frozen=True)
class PairVerdict:
    """A pair beside its p, corrected by Holm over the whole table, the difference that allows, and what it means."""

    pair: NumberPair
    adjusted: float
    allowed: float
    verdict: Verdict


def compare_with_committed(
    boards: Iterable[Board],
    here: Sequence[ResultRecord],
    committed: Sequence[ResultRecord],
    selection: SelectionRule = "val",
) -> list[PairVerdict]:
    """Every number of a table, part by part, that both stores hold.

    A run with the same specification, kind of processor and versions should have the same digits; everything
    else is judged by Holm's procedure over all numbers at level 0.05.
    """
    return _judge([pair for board in boards for pair in _pairs(board, here, committed, selection)])


def _pairs(
    board: Board, here: Sequence[ResultRecord], committed: Sequence[ResultRecord], selection: SelectionRule
) -> list[NumberPair]:
    mine, known = (select_records(board, records) for records in (here, committed))
    board = mine.board
    ours, theirs = mine.records, {key: record for key, record in known.records.items() if key[0] in board.methods}
    left, right = collect_cells(board, ours, selection), collect_cells(board, theirs, selection)
    found = []
    for method in board.methods:
        digits = _seeds_with_equal_digits_due(ours, theirs, method)
        for column in (column for column in left.columns if column in right.columns):
            a, b = _sample(left, method, column), _sample(right, method, column)
            if a and b:
                differing = tuple(seed for seed in digits if a.get(seed) != b.get(seed))
                here_values, committed_values = np.array(list(a.values())), np.array(list(b.values()))
                found.append(NumberPair(board.suite, method, column, here_values, committed_values, differing))
    return found


def _sample(data: Cells, method: str, column: Column) -> dict[int, float]:
    """seed -> value of one column, missing ones left out."""
    values = data.values_of(method)[:, data.columns.index(column)]
    return {seed: float(x) for seed, x in zip(data.board.seed_list, values, strict=True) if math.isfinite(x)}


def _seeds_with_equal_digits_due(ours: Runs, theirs: Runs, method: str) -> list[int]:
    """Seeds at which one specification ran on one kind of machine in both stores."""
    return [
        seed
        for (name, seed), record in ours.items()
        if name == method
        and (other := theirs.get((name, seed)))
        and record.run_id == other.run_id
        and is_same_kind(other, record)
    ]


def _judge(pairs: list[NumberPair]) -> list[PairVerdict]:
    p = np.array([pair.p for pair in pairs])
    adjusted = holm(p)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]
    steps = {int(index): len(order) - rank for rank, index in enumerate(order)}  # Holm's divisor of the level
    found = []
    for index, (pair, corrected) in enumerate(zip(pairs, adjusted, strict=True)):
        verdict: Verdict = "equal" if pair.equal else "within noise"
        if pair.differing:
            verdict = "differs"
        elif math.isnan(corrected):
            verdict = "not judged"
        elif corrected <= ERROR_LEVEL:
            verdict = "beyond noise"
        found.append(
            PairVerdict(
                pair, float(corrected), pair.largest_difference(ERROR_LEVEL / steps.get(index, len(pairs))), verdict
            )
        )
    return found
