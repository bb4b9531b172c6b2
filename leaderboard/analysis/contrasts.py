"""Planned contrasts: the comparisons that a board is made for, each with its answer in a word.

They are three for each method: against the board's reference, against its twin (a model of its size without a path
between tasks), and against the best. Contrasts of a kind are one family, over which both tests are adjusted: by Holm,
and against the best as in multiple comparisons with the best (Hsu 1984).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leaderboard.analysis.statistics import (
    LEVEL,
    MARGIN,
    Interval,
    Ties,
    compare_pairs,
    detectable_effect,
    equivalence_t,
    holm,
    holm_levels,
    interval,
)
from leaderboard.analysis.statistics.significance import paired_t_rows

ContrastKind = Literal["reference", "twin", "best"]
ContrastVerdict = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True)
class Contrast:
    """The change of `method` against `other` in Δ log, and what its tests say.

    Args:
        method, other: of the board; `estimate` is positive where `method` has less error.
        estimate: mean over paired seeds, with its own 95 % interval.
        different: p of the paired t test, adjusted over the family.
        equivalent: p of the two one-sided tests that the change lies outside 5 % of error, adjusted likewise.
        detectable: the least change that the test would find four times of five at the level of Holm's first step.
        family: how many tests were adjusted together.
        corrected: `estimate` with the interval of the test: of the level at which the family decided, 95 % or higher.
            Against the reference and the twin it leaves out 0 exactly where the verdict is `better` or `worse`.
    """

    method: str
    other: str
    estimate: Interval
    different: float
    equivalent: float
    detectable: float
    family: int
    corrected: Interval | None = None

    @property
    def verdict(self) -> ContrastVerdict:
        """`better` or `worse` where the change is not zero, `equivalent` where it lies within 5 % of error.

        A change that is certain and small is `better` or `worse`, as in the order of the board. Nothing is equivalent
        whose corrected interval reaches beyond the margin. What neither test shows is `undecided`: it is no proof of
        sameness.
        """
        if self.estimate.low is None:
            return "undecided"
        if self.different <= 1 - LEVEL:
            return "better" if self.estimate.mean > 0 else "worse"
        ends = (self.corrected or self.estimate).low, (self.corrected or self.estimate).high
        inside = all(end is not None and abs(end) < MARGIN for end in ends)
        return "equivalent" if inside and self.equivalent <= 1 - LEVEL else "undecided"


def contrast_pairs(
    changes: np.ndarray, methods: Sequence[str], pairs: Sequence[tuple[str, str]], overlap: float = 0.0
) -> dict[str, Contrast]:
    """method -> its contrast, of pairs (method, other) that were planned before the runs: one family.

    `changes` are [method, seed] of Δ log in the order of `methods`, all against one reference, whose own are 0.
    `overlap` is as in `paired_t`. A method is in one pair at most; a pair without a seed in common has no contrast.
    """
    at = {name: place for place, name in enumerate(methods)}
    rows = [changes[at[method]] - changes[at[other]] for method, other in pairs]
    differences = np.array(rows).reshape(len(pairs), changes.shape[1])
    raw = paired_t_rows(differences, overlap)
    tests = int(np.isfinite(raw).sum())
    different, same = holm(raw), holm(equivalence_t(differences, overlap=overlap))
    answers = zip(pairs, differences, different, same, holm_levels(raw, different), strict=True)
    return {
        method: _contrast(method, other, sample, float(p), float(q), tests, overlap, float(level))
        for (method, other), sample, p, q, level in answers
        if np.isfinite(sample).any()
    }


def contrast_with_best(
    changes: np.ndarray,
    methods: Sequence[str],
    ties: Ties,
    overlap: float = 0.0,
    planned: Mapping[str, Contrast] | None = None,
) -> dict[str, Contrast]:
    """method -> its contrast with the method of the largest mean; `worse` says that it is not the best.

    Which one is best is read off the same runs. What holds all the same is multiple comparisons with the best (Hsu
    1984, Constrained Simultaneous Confidence Intervals for Multiple Comparisons with the Best): the truly best of M
    methods is called worse only where one of its own M - 1 tests errs, so that p is M - 1 times that of the paired t
    test. What another test of the board has shown to be worse than any method is not the best either: p is the least
    of its own, of those of `ties` against methods before it, and of `planned`. Sameness is tested over all pairs.

    Args:
        changes, methods, overlap: as in `contrast_pairs`. Methods that lack a seed have no contrast.
        ties: those of `changes`.
        planned: method -> its contrast with one reference.
    """
    if len(ties.order) < 2:
        return {}
    order, tests = ties.order, len(ties.order) - 1
    seeds = np.isfinite(changes).any(axis=0)
    known = changes[np.ix_(order, seeds)]
    different = np.minimum(1.0, tests * paired_t_rows(known - known[0], overlap))
    same = compare_pairs(known, overlap, equivalence=True)[0]
    for place in range(1, len(order)):  # those before it have larger means
        different[place] = np.fmin(different[place], ties.adjusted[:place, place].min())
    places = {methods[row]: place for place, row in enumerate(order)}
    for contrast in (planned or {}).values():
        loser = {"worse": contrast.method, "better": contrast.other}.get(contrast.verdict)
        if loser and {contrast.method, contrast.other} <= places.keys():  # who is not ranked takes nobody's place
            different[places[loser]] = np.fmin(different[places[loser]], contrast.different)
    best, level = methods[order[0]], 1 - (1 - LEVEL) / tests
    return {
        methods[row]: _contrast(methods[row], best, own - known[0], float(p), float(q), tests, overlap, level)
        for row, own, p, q in zip(order[1:], known[1:], different[1:], same[1:], strict=True)
    }


def contrast_all_pairs(
    changes: np.ndarray, methods: Sequence[str], pair: tuple[str, str], overlap: float = 0.0
) -> Contrast:
    """The contrast of a `pair` (method, other) that nobody planned: its family are all pairs of `methods`.

    Arguments as in `contrast_pairs`.
    """
    rows, columns, different, same, levels = _test_all_pairs(changes, overlap)
    row, column = (methods.index(name) for name in pair)
    at = int(np.flatnonzero((rows == min(row, column)) & (columns == max(row, column)))[0])
    answers = float(different[at]), float(same[at])
    return _contrast(*pair, changes[row] - changes[column], *answers, len(rows), overlap, float(levels[at]))


def contrast_every_pair(
    changes: np.ndarray, methods: Sequence[str], overlap: float = 0.0
) -> dict[tuple[str, str], Contrast]:
    """(method, other) -> what `contrast_all_pairs` says of them, each pair once in the order of `methods`.

    Pairs without a seed in common are left out. Arguments as in `contrast_pairs`.
    """
    rows, columns, different, same, levels = _test_all_pairs(changes, overlap)
    found = {}
    for row, column, p, q, level in zip(rows, columns, different, same, levels, strict=True):
        sample = changes[row] - changes[column]
        if np.isfinite(sample).any():
            names = methods[row], methods[column]
            found[names] = _contrast(*names, sample, float(p), float(q), len(rows), overlap, float(level))
    return found


def _test_all_pairs(changes: np.ndarray, overlap: float) -> tuple[np.ndarray, ...]:
    """(row, column, p of a difference, p of sameness, level of the interval) of all pairs of rows: one family."""
    rows, columns = np.triu_indices(len(changes), 1)
    differences = changes[rows] - changes[columns]
    raw = paired_t_rows(differences, overlap)
    different, same = holm(raw), holm(equivalence_t(differences, overlap=overlap))
    return rows, columns, different, same, holm_levels(raw, different)


def _contrast(
    method: str,
    other: str,
    sample: np.ndarray,
    different: float,
    same: float,
    tests: int,
    overlap: float,
    level: float = LEVEL,
) -> Contrast:
    """One contrast of paired differences [seed]; `level` is that of the corrected interval."""
    effect = detectable_effect(sample, max(tests, 1), overlap)
    own, corrected = interval(sample, overlap=overlap), interval(sample, level, overlap)
    return Contrast(method, other, own, different, same, effect, tests, corrected)


@dataclass(frozen=True)
class DetectableRange:
    """What the contrasts of a family can find: the middle one, and the steadiest and least steady.

    `seeds` are the fewest and most seeds behind one of them, `family` the tests that were adjusted together.
    """

    middle: float
    least: float
    most: float
    seeds: tuple[int, int]
    family: int


def summarise_detectable(contrasts: Iterable[Contrast | None]) -> DetectableRange | None:
    """Over the contrasts of a family; None where no method differs from run to run.

    A method that equals the other one in every seed has no spread, which says nothing of what would be found.
    """
    known = [each for each in contrasts if each and math.isfinite(each.detectable) and each.detectable > 0]
    if not known:
        return None
    effects, seeds = [each.detectable for each in known], [each.estimate.n for each in known]
    middle = float(np.median(effects))
    return DetectableRange(middle, min(effects), max(effects), (min(seeds), max(seeds)), known[0].family)
