"""Compares a reproduced table with the committed one, number by number.

On one kind of machine with one set of versions digits should be equal. Elsewhere the two stores hold two samples of the
same method's seeds, and means may differ by noise between seeds. Used by `mtlbench reproduce`; single cells, paired by
their seed, are judged in `reruns`.
"""

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
    """One number of a method in two stores, with the two-sample t test of equal means.

        t = (mean here - mean committed) / (s * sqrt(1/n + 1/n'))

    with s the standard deviation pooled over both samples and n + n' - 2 degrees of freedom. `here` and `committed` are
    [run], in the unit of the column; `differing` are the seeds whose digits should agree and do not.
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
        """Standard error of the difference, s * sqrt(1/n + 1/n')."""
        squares = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in (self.here, self.committed))
        return math.sqrt(squares / self.freedom * (1 / len(self.here) + 1 / len(self.committed)))

    @property
    def p(self) -> float:
        """Two-sided p of the difference.

        1 where all runs are equal, NaN for fewer than three runs, of which s cannot be estimated.
        """
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
    """What a pair means.

    `adjusted` is its p after Holm's correction over the whole table, `allowed` the largest difference that noise
    explains at the step of the procedure at which the pair is tested. A verdict in OUTSIDE fails the reproduction.
    """

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
    """Compare every number of a table that both stores hold.

    A run with the same specification, kind of processor and versions should have the same digits; everything else is
    judged by Holm's procedure over all numbers, at a family-wise level of ERROR_LEVEL.

    Args:
        boards: the parts of the table.
        here: records of the store in question.
        committed: records of the committed store.
        selection: the rule whose scores are compared.

    Returns:
        One verdict per number, part by part, in the order of the table.
    """
    return _judge([pair for board in boards for pair in _pair_numbers(board, here, committed, selection)])


def _pair_numbers(
    board: Board, here: Sequence[ResultRecord], committed: Sequence[ResultRecord], selection: SelectionRule
) -> list[NumberPair]:
    """The numbers of one part that both stores have runs of, whatever their seeds."""
    mine, known = (select_records(board, records) for records in (here, committed))
    board = mine.board
    ours, theirs = mine.records, {key: record for key, record in known.records.items() if key[0] in board.methods}
    left, right = collect_cells(board, ours, selection), collect_cells(board, theirs, selection)
    pairs = []
    for method in board.methods:
        digits = _find_comparable_seeds(ours, theirs, method)
        for column in (column for column in left.columns if column in right.columns):
            a, b = _extract_sample(left, method, column), _extract_sample(right, method, column)
            if a and b:
                differing = tuple(seed for seed in digits if a.get(seed) != b.get(seed))
                here_values, committed_values = np.array(list(a.values())), np.array(list(b.values()))
                pairs.append(NumberPair(board.suite, method, column, here_values, committed_values, differing))
    return pairs


def _extract_sample(data: Cells, method: str, column: Column) -> dict[int, float]:
    """seed -> value of one column; seeds without a number are left out."""
    values = data.values_of(method)[:, data.columns.index(column)]
    return {seed: float(x) for seed, x in zip(data.board.seed_list, values, strict=True) if math.isfinite(x)}


def _find_comparable_seeds(ours: Runs, theirs: Runs, method: str) -> list[int]:
    """Seeds at which both stores ran one specification on one kind of machine, so that digits should be equal."""
    return [
        seed
        for (name, seed), record in ours.items()
        if name == method
        and (other := theirs.get((name, seed)))
        and record.run_id == other.run_id
        and is_same_kind(other, record)
    ]


def _judge(pairs: list[NumberPair]) -> list[PairVerdict]:
    """Verdicts of all pairs at once, since Holm's correction depends on how many there are."""
    p = np.array([pair.p for pair in pairs])
    adjusted = holm(p)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]
    steps = {int(index): len(order) - rank for rank, index in enumerate(order)}  # Holm's divisor of the level
    verdicts = []
    for index, (pair, corrected) in enumerate(zip(pairs, adjusted, strict=True)):
        verdict: Verdict = "equal" if pair.equal else "within noise"
        if pair.differing:
            verdict = "differs"
        elif math.isnan(corrected):
            verdict = "not judged"
        elif corrected <= ERROR_LEVEL:
            verdict = "beyond noise"
        verdicts.append(
            PairVerdict(
                pair, float(corrected), pair.largest_difference(ERROR_LEVEL / steps.get(index, len(pairs))), verdict
            )
        )
    return verdicts
