"""Two methods of a board against each other, with the tests that the board itself uses.

A comparison that the board was made for, of a method with the reference, its twin or the best, is the planned contrast
of the same name. Any other pair was chosen by somebody who could see the results, so that its tests are adjusted over
all pairs of methods.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from bench.errors import UsageError, hint
from leaderboard.analysis.contrasts import Contrast, ContrastKind, ContrastVerdict, contrast_all_pairs
from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import DECIDES, keep_methods
from leaderboard.analysis.statistics import (
    Interval,
    change_matrix,
    gains,
    interval,
    log_gains,
    merge_equal_methods,
    paired_t,
    replace_reference,
)
from leaderboard.analysis.statistics.changes import percent_less

MIRRORED: dict[ContrastVerdict, ContrastVerdict] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class MethodPair:
    """What the runs of a board say of one method against another.

    Attributes:
        results: the numbers of the board.
        method, other: as the board lists them.
        contrast: the change of `method` against `other` in Δ log, log(other's error / its own), the mean over tasks,
            paired by seed; positive where `method` has less error. Its tests are adjusted over `contrast.family`.
        kind: of the planned contrast; empty for a pair of the board that nobody planned.
        mirrored: whether the contrast was planned the other way round.
        p: of the paired t test, not adjusted.
        seeds: on which both were run.
        differences: [seed] of the change in Δ log.
        tasks: task -> its log(other's error / own error), the mean over seeds with its own 95 % interval.
    """

    results: Results
    method: str
    other: str
    contrast: Contrast
    kind: ContrastKind | None
    mirrored: bool
    p: float
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    tasks: dict[str, Interval]

    @property
    def verdict(self) -> ContrastVerdict:
        """`better`, `worse`, `equivalent` (within 5 % of error) or `undecided`, at 5 % after adjustment."""
        verdict = self.contrast.verdict
        return MIRRORED.get(verdict, verdict) if self.mirrored else verdict

    @property
    def estimate(self) -> Interval:
        """The change in Δ log with its own 95 % interval."""
        found = self.contrast.estimate
        return mirror_interval(found) if self.mirrored else found

    @property
    def corrected(self) -> Interval:
        """The change in Δ log with the interval of its test: without 0 exactly where one is better or worse.

        Of a method and the best of its board, which another method may have shown not to be the best, it is wider.
        """
        found = self.contrast.corrected or self.contrast.estimate
        return mirror_interval(found) if self.mirrored else found

    @property
    def percent(self) -> float:
        """How much less error `method` has than `other`, in per cent: 100 (1 - exp(-Δ log))."""
        return percent_less(self.estimate.mean)


def compare_two(results: Results, method: str, other: str) -> MethodPair:
    """Compare two methods of a board, controls among them.

    Args:
        results: the numbers of the board.
        method, other: two rows of it.

    Raises:
        UsageError: one is no row of the board, they are the same, or no seed has both.
    """
    for name, text in (("a", method), ("b", other)):
        _require_row(results.board.methods, name, text)
    if method == other:
        raise UsageError(f"`a` and `b` should be two methods. Found `{method}` twice.")
    # Where single-task is missing on a seed, two methods can still be compared there: one is the other's reference.
    cells = replace_reference(keep_methods(results.cells, [method, other]), other)
    direct = change_matrix(merge_equal_methods(cells), DECIDES)[0]
    known = np.isfinite(direct)
    if not known.any():
        raise UsageError(f"`a` and `b` should have a seed in common on `{results.board.name}`. Found none.")
    contrast, kind, mirrored = _find_contrast(results, method, other)
    return MethodPair(
        *(results, method, other, contrast, kind, mirrored),
        p=paired_t(direct, cells.overlap),
        seeds=tuple(seed for seed, there in zip(results.board.seed_list, known, strict=True) if there),
        differences=tuple(direct[known].tolist()),
        tasks={
            task: interval(sample, overlap=cells.overlap)
            for task, sample in zip(cells.tasks, gains(cells)[0].T, strict=True)
        },
    )


def find_planned_contrast(results: Results, method: str, other: str) -> tuple[Contrast, ContrastKind, bool] | None:
    """The planned contrast of two methods, its kind, and whether it was planned the other way round; None without."""
    standings = results.standings.methods
    kinds: tuple[ContrastKind, ...] = get_args(ContrastKind)
    for kind in kinds:  # outside: a pair may have two of them, one for each way round
        for one, two, mirrored in ((method, other, False), (other, method, True)):
            contrast = standings[one].contrasts.get(kind) if one in standings else None
            if contrast and contrast.other == two:
                return contrast, kind, mirrored
    return None


def _find_contrast(results: Results, method: str, other: str) -> tuple[Contrast, ContrastKind | None, bool]:
    """The planned contrast of two methods, either way round, or that of the pair among all pairs of the board."""
    planned = find_planned_contrast(results, method, other)
    if planned:
        return planned
    # Rows that are not ranked, as controls, join the family where they are asked for.
    standings = results.standings.methods
    names = [name for name in results.board.methods if name in standings or name in (method, other)]
    cells = merge_equal_methods(keep_methods(results.cells, names))
    return contrast_all_pairs(log_gains(cells), names, (method, other), cells.overlap), None, False


def _require_row(methods: Collection[str], name: str, text: str) -> None:
    """Raise UsageError where `text`, the argument `name`, is no row of the board."""
    if text not in methods:
        raise UsageError(f"`{name}` should be a method of the board. Found `{text}`; {hint(text, methods)}.")


def mirror_interval(found: Interval) -> Interval:
    """The interval of the change the other way round."""
    low, high = (None if end is None else -end for end in (found.high, found.low))
    return replace(found, mean=-found.mean, low=low, high=high)
