"""Ranks, how sure they are, and which methods the data do not order."""

import math
from dataclasses import dataclass

import numpy as np

from leaderboard.statistics.cells import Cells
from leaderboard.statistics.changes import CHANGES, change_matrix
from leaderboard.statistics.intervals import LEVEL, RESAMPLES, Interval, resample
from leaderboard.statistics.significance import holm, paired_t


@dataclass(frozen=True)
class Sensitivity:
    """What the definition of the change decides.

    `ranks` maps a change to the rank of each of `methods` under it; `tau` maps two changes to Kendall's tau
    between their ranks, NaN where one of them orders nothing.
    """

    methods: list[str]
    ranks: dict[str, np.ndarray]
    tau: dict[tuple[str, str], float]


def ranks(scores: np.ndarray) -> np.ndarray:
    """[..., method] ranks of [..., method] scores: 1 is the highest, ties share the mean of theirs, NaN has none."""
    ours, theirs = scores[..., :, None], scores[..., None, :]
    place = (theirs > ours).sum(axis=-1) + ((theirs == ours).sum(axis=-1) + 1) / 2
    return np.where(np.isfinite(scores), place, np.nan)


def rank_intervals(
    changes: np.ndarray,
    generator: np.random.Generator,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    overlap: float = 0.0,
) -> list[Interval]:
    """Per method the rank of its mean over seeds, and the percentile bootstrap interval of that rank.

    `changes` are [method, seed], as of `change_matrix`. Whole seeds are drawn with replacement, the same for every
    method, so that runs stay paired; ends are ranks that occurred. A seed that no method has takes no part; a
    method that lacks one of the others is not ranked. It says how stable the order is; whether two
    methods may be ordered at all is what `tie_groups` says. Seeds that are splits of the same rows (`overlap`) cannot
    be drawn as if they were independent: ranks have no intervals then.
    """
    complete, seeds = _complete(changes)
    known = changes[np.ix_(complete, seeds)]
    found = [Interval(math.nan, None, None, int(np.isfinite(row).sum())) for row in changes]
    if not known.size:
        return found
    n = known.shape[1]
    observed = ranks(known.mean(axis=1))
    ends: list[tuple[float | None, float | None]] = [(None, None)] * len(observed)
    if n > 1 and not overlap:
        drawn = ranks(known[:, resample(n, generator, resamples)].mean(axis=2).T)
        low = np.quantile(drawn, (1 - level) / 2, axis=0, method="lower")
        high = np.quantile(drawn, (1 + level) / 2, axis=0, method="higher")
        ends = list(zip(low.tolist(), high.tolist(), strict=True))
    for place, rank, (first, last) in zip(np.flatnonzero(complete), observed, ends, strict=True):
        found[place] = Interval(float(rank), first, last, n)
    return found


def pairwise(changes: np.ndarray, overlap: float = 0.0) -> np.ndarray:
    """[method, method] adjusted p: paired t tests of all pairs of [method, seed], Holm over the pairs.

    The diagonal is 1. `overlap` as in `paired_t`. NaN where fewer than two seeds pair.
    """
    count = len(changes)
    a, b = np.triu_indices(count, 1)
    adjusted = np.ones((count, count))
    p = np.array([paired_t(changes[i] - changes[j], overlap) for i, j in zip(a, b, strict=True)])
    adjusted[a, b] = adjusted[b, a] = holm(p)
    return adjusted


def tie_groups(changes: np.ndarray, alpha: float = 1 - LEVEL, overlap: float = 0.0) -> list[list[int]]:
    """Groups of methods, as rows of `changes` [method, seed], that the data do not order.

    Two methods share a group exactly where their paired t test, Holm over all pairs, does not reject at
    `alpha`; groups are as large as that allows and may overlap: A may tie with B, and B with C, but A not with C
    (the letters of Piepho 2004, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons).
    In falling order of means, and groups by their first members. A method that lacks a seed which others have
    is in none.
    """
    complete, seeds = _complete(changes)
    methods = np.flatnonzero(complete)
    if not methods.size:
        return []
    order = methods[np.argsort(-changes[np.ix_(methods, seeds)].mean(axis=1), kind="stable")]
    groups = [frozenset(range(len(order)))]
    for a, b in np.argwhere(np.triu(pairwise(changes[np.ix_(order, seeds)], overlap) <= alpha)):
        split = [part for group in groups for part in ((group - {a}, group - {b}) if {a, b} <= group else (group,))]
        groups = [group for group in dict.fromkeys(split) if not any(group < other for other in split)]
    return [[int(order[place]) for place in group] for group in sorted(sorted(group) for group in groups)]


def kendall_tau(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b of two rankings of the same methods; NaN where one of them orders nothing.

    sum_{i<j} sign(a_i - a_j) sign(b_i - b_j) / sqrt(pairs that a orders * pairs that b orders): 1 is the same
    order, -1 the reverse (Kendall 1945, The Treatment of Ties in Ranking Problems).
    """
    i, j = np.triu_indices(len(a), 1)
    first, second = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
    ordered = math.sqrt(float((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / ordered if ordered > 0 else math.nan


def sensitivity(data: Cells) -> Sensitivity:
    """The rank of each method under the three changes, and how far these rankings agree.

    A method that lacks a seed which others have, under any change, is left out. A change that no seed has,
    as a ratio to a reference of zero, has NaN ranks.
    """
    matrices = {name: change_matrix(data, name) for name in CHANGES}
    shown = [_complete(matrix)[0] for matrix in matrices.values() if np.isfinite(matrix).any()]
    kept = np.logical_and.reduce(shown) if shown else np.zeros(len(data.board.methods), dtype=bool)
    found = {}
    for name, matrix in matrices.items():
        known = matrix[kept][:, _complete(matrix)[1]]
        found[name] = ranks(known.mean(axis=1)) if known.size else np.full(len(known), np.nan)
    names = list(CHANGES)
    tau = {(a, b): kendall_tau(found[a], found[b]) for place, a in enumerate(names) for b in names[place + 1 :]}
    return Sensitivity([data.board.methods[place] for place in np.flatnonzero(kept)], found, tau)


def _complete(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the methods that have every seed that any method has, and of those seeds."""
    known = np.isfinite(changes)
    seeds = known.any(axis=0)
    return known[:, seeds].all(axis=1) & bool(seeds.any()), seeds
