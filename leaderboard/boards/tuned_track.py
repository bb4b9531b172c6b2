"""The tuned track: the runs of the trial that won, for every method after as many trials."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord
from leaderboard.boards.board import Board


@dataclass(frozen=True)
class MethodSearch:
    """The trials of one method, in the order of their numbers."""

    method: str
    trials: list[ResultRecord]

    @property
    def objectives(self) -> list[float]:
        """Sum over tasks of log validation error, trial by trial; infinite where a trial failed."""
        return [objective(trial) for trial in self.trials]

    @property
    def winner(self) -> ResultRecord | None:
        """The trial with the least objective, the first of equal ones; None where all failed."""
        best = min(self.trials, key=objective, default=None)
        return best if best is not None and math.isfinite(objective(best)) else None

    @property
    def edges(self) -> tuple[str, ...]:
        """Settings of the winner that are an end of their grid."""
        return self.winner.spec.tuning.edges if self.winner and self.winner.spec.tuning else ()

    def expected_best(self) -> np.ndarray:
        """[k - 1]: the least objective of k of the n trials, expected over which k they are.

            E_k = sum_i v_(i) C(n - i, k - 1) / C(n, k),   v_(1) <= ... <= v_(n)

        Dodge et al., Show Your Work, EMNLP 2019, in its form without replacement. Infinite while k trials
        may all have failed.
        """
        values = np.sort(self.objectives)
        n = len(values)
        weights = [[math.comb(n - i, k - 1) / math.comb(n, k) for i in range(1, n + 1)] for k in range(1, n + 1)]
        best: np.ndarray = np.array([sum(v * w for v, w in zip(values, row, strict=True) if w) for row in weights])
        return best


def objective(trial: ResultRecord) -> float:
    """Sum over tasks of log validation error at the epoch kept; infinite where the trial failed."""
    if trial.status != "done":
        return math.inf
    return sum(math.log(error) for error in trial.validation.values())


def searches_of(records: Iterable[ResultRecord], count: int) -> list[MethodSearch]:
    """The searches behind `records`, by method in the order met; trials from `count` on are left out."""
    found: dict[str, dict[int, ResultRecord]] = {}
    for record in records:
        tuning = record.spec.tuning
        if tuning and tuning.stage == "trial" and tuning.trial < count:
            found.setdefault(tuning.of, {})[tuning.trial] = record
    return [MethodSearch(method, [trials[k] for k in sorted(trials)]) for method, trials in found.items()]


def keep_searched(board: Board, records: Iterable[ResultRecord]) -> Board:
    """The rows of `board` that a search was run for, under their own names: a search moves what a label may tell."""
    own = [r for r in records if board.suite in (r.suite, r.spec.suite) and r.spec.is_of_search]
    names = {record.spec.tuning.of for record in own if record.spec.tuning}
    methods = [method for method in board.methods if method in names]
    return board.model_copy(update={"title": f"{board.title}, tuned", "methods": methods, "labels": {}})
