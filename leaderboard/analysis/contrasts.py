"""Planned contrasts: the comparisons that a board is made for, each with its answer in a word.

They are three for each method: against the board's reference, against its twin (a model of its size without a path
between tasks), and against the best. Contrasts of a kind are one family, over which Holm adjusts both tests.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leaderboard.analysis.statistics import (
    LEVEL,
    Interval,
    Ties,
    compare_pairs,
    detectable_effect,
    equivalence_t,
    holm,
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
        different: p of the paired t test, adjusted by Holm over the family.
        equivalent: p of the two one-sided tests that the change lies outside 5 % of error, adjusted likewise.
        detectable: the least change that the test would find four times of five at the level of Holm's first step.
        family: how many tests were adjusted together.
    """

    method: str
    other: str
    estimate: Interval
    different: float
    equivalent: float
    detectable: float
    family: int

    @property
    def verdict(self) -> ContrastVerdict:
        """`better` or `worse` where the change is not zero, `equivalent` where it lies within 5 % of error.

        A change that is certain and small is `better` or `worse`, as in the order of the board. What neither test
        shows is `undecided`: it is no proof of sameness.
        """
        if self.estimate.low is None:
            return "undecided"
        if self.different <= 1 - LEVEL:
            return "better" if self.estimate.mean > 0 else "worse"
        return "equivalent" if self.equivalent <= 1 - LEVEL else "undecided"


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
    answers = zip(pairs, differences, holm(raw), holm(equivalence_t(differences, overlap=overlap)), strict=True)
    return {
        method: _contrast(method, other, sample, float(different), float(same), tests, overlap)
        for (method, other), sample, different, same in answers
        if np.isfinite(sample).any()
    }


def contrast_with_best(
    changes: np.ndarray, methods: Sequence[str], ties: Ties, overlap: float = 0.0
) -> dict[str, Contrast]:
    """method -> its contrast with the method of the largest mean.

    Which one is best is read off the same runs, so that the family is all pairs of methods: the first of them would
    else be tested as if nobody had chosen it. Methods that lack a seed have none. Arguments as in `contrast_pairs`;
    `ties` are those of `changes`.
    """
    if len(ties.order) < 2:
        return {}
    order = ties.order
    seeds = np.isfinite(changes).any(axis=0)
    known = changes[np.ix_(order, seeds)]
    different, same = ties.adjusted[0], compare_pairs(known, overlap, equivalence=True)[0]
    best, pairs = methods[order[0]], len(order) * (len(order) - 1) // 2
    return {
        methods[row]: _contrast(methods[row], best, own - known[0], float(p), float(q), pairs, overlap)
        for row, own, p, q in zip(order[1:], known[1:], different[1:], same[1:], strict=True)
    }


def contrast_all_pairs(
    changes: np.ndarray, methods: Sequence[str], pair: tuple[str, str], overlap: float = 0.0
) -> Contrast:
    """The contrast of a `pair` (method, other) that nobody planned: its family are all pairs of `methods`.

    Arguments as in `contrast_pairs`.
    """
    row, column = (methods.index(name) for name in pair)
    different, same = (compare_pairs(changes, overlap, equivalence=which)[row, column] for which in (False, True))
    family = len(methods) * (len(methods) - 1) // 2
    sample = changes[row] - changes[column]
    return _contrast(*pair, sample, float(different), float(same), family, overlap)


def _contrast(
    method: str, other: str, sample: np.ndarray, different: float, same: float, tests: int, overlap: float
) -> Contrast:
    """One contrast of paired differences [seed]."""
    effect = detectable_effect(sample, max(tests, 1), overlap)
    return Contrast(method, other, interval(sample, overlap=overlap), different, same, effect, tests)


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
