"""The tuned track: for every method the settings that won a search with the same number of trials.

Winners are chosen by validation error alone. `mtlbench tune` makes the trials; this module only reads them.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bench.records import ResultRecord
from leaderboard.boards.board import Board

Design = Literal["random", "sobol"]  # of trials, as in `Tuning`


@dataclass(frozen=True)
class MethodSearch:
    """The trials of one method, in the order of their numbers.

    method: as tables list it.
    trials: a run of each, that of its lowest seed.
    repeats: trial -> seed -> its run, where trials had several seeds. All trials share some; the best ones, called
        finalists, have further ones.
    """

    method: str
    trials: list[ResultRecord]
    repeats: Mapping[int, Mapping[int, ResultRecord]] = field(default_factory=dict)

    @property
    def objectives(self) -> list[float]:
        """Sum over tasks of log validation error, trial by trial; infinite where a trial failed.

        Where trials had several seeds, the mean over those that all of them have.
        """
        if not self.repeats:
            return [objective(trial) for trial in self.trials]
        return [_average(runs, self.seeds) for runs in self.repeats.values()]

    @property
    def distinct(self) -> int:
        """How many different settings the trials have: independent draws from a grid repeat some."""
        return len({(trial.method, *sorted(trial.spec.overrides.items())) for trial in self.trials})

    @property
    def seeds(self) -> list[int]:
        """The seeds of every trial, where trials had several; those that only finalists have are none of them."""
        return sorted(set.intersection(*map(set, self.repeats.values()))) if self.repeats else []

    @property
    def final_seeds(self) -> list[int]:
        """The further seeds that all finalists have; empty where there are no finalists."""
        further = [set(runs) - set(self.seeds) for runs in self.repeats.values()]
        return sorted(set.intersection(*(own for own in further if own))) if any(further) else []

    @property
    def finalists(self) -> list[int]:
        """The trials that were run on further seeds, by number."""
        return [number for number, runs in self.repeats.items() if set(runs) - set(self.seeds)]

    def best_trials(self, count: int) -> list[ResultRecord]:
        """The `count` trials of the least objectives, the first of equal ones before; none that failed."""
        ranked = sorted(zip(self.objectives, range(len(self.trials)), strict=True))
        return [self.trials[at] for value, at in ranked[:count] if math.isfinite(value)]

    @property
    def winner(self) -> ResultRecord | None:
        """The trial with the least objective, the first of equal ones; None where all failed.

        Where there are finalists it is the best of them on the seeds that did not make them finalists.
        """
        if self.final_seeds:
            scores = {number: _average(self.repeats[number], self.final_seeds) for number in self.finalists}
            best = min(scores, key=lambda number: scores[number])
            if math.isfinite(scores[best]):
                return self.repeats[best][min(self.repeats[best])]
        return next(iter(self.best_trials(1)), None)

    @property
    def edges(self) -> tuple[str, ...]:
        """Settings of the winner that are at an end of their grid, where a wider grid could do better."""
        return self.winner.spec.tuning.edges if self.winner and self.winner.spec.tuning else ()

    def expected_best(self) -> np.ndarray:
        """[k - 1]: the least objective of k of the n trials, expected over which k they are.

            E_k = sum_i v_(i) C(n - i, k - 1) / C(n, k),   v_(1) <= ... <= v_(n)

        Dodge et al., Show Your Work, EMNLP 2019, in its form without replacement. Infinite while k trials
        may all have failed.
        """
        # Infinite values sort last, and their weights are skipped where they are zero: 0 * inf would be NaN.
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


def _average(runs: Mapping[int, ResultRecord], seeds: Collection[int]) -> float:
    """Mean over seeds of the objectives of one trial; infinite where one failed, or there are no seeds."""
    return sum(objective(runs[seed]) for seed in seeds) / len(seeds) if seeds else math.inf


def design_of(records: Iterable[ResultRecord]) -> Design:
    """How the trials among `records` were drawn: `sobol` where any was, since it took the place of the other one."""
    drawn = {r.spec.tuning.design for r in records if r.spec.tuning and r.spec.is_of_search}
    return "sobol" if "sobol" in drawn else "random"


def searches_of(records: Iterable[ResultRecord], count: int) -> list[MethodSearch]:
    """The searches behind `records`, by method in the order met; trials from `count` on are left out.

    Trials of one design only, that of `design_of`: those of another were drawn with another chance of being good.
    """
    records = list(records)
    design = design_of(records)
    found: dict[str, dict[int, dict[int, ResultRecord]]] = {}
    for record in records:
        tuning = record.spec.tuning
        if tuning and tuning.stage == "trial" and tuning.trial < count and tuning.design == design:
            found.setdefault(tuning.of, {}).setdefault(tuning.trial, {})[record.spec.seed] = record
    searches = []
    for method, trials in found.items():
        ordered = {number: dict(sorted(trials[number].items())) for number in sorted(trials)}
        firsts = [next(iter(runs.values())) for runs in ordered.values()]
        searches.append(MethodSearch(method, firsts, ordered if design == "sobol" else {}))
    return searches


def keep_searched(board: Board, records: Iterable[ResultRecord]) -> Board:
    """The board with only those methods that were searched, without its labels.

    A label may speak of default options, which a search changes.
    """
    own = [r for r in board.keep_covered(records) if r.spec.is_of_search]
    names = {record.spec.tuning.of for record in own if record.spec.tuning}
    methods = [method for method in board.methods if method in names]
    return board.model_copy(update={"title": f"{board.title}, tuned", "methods": methods, "labels": {}})
