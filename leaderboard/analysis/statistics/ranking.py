"""Ranks, how sure they are, and which methods the data do not order."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.analysis.statistics.cells import Cells
from leaderboard.analysis.statistics.changes import CHANGES, change_matrix
from leaderboard.analysis.statistics.groups import clique_cover
from leaderboard.analysis.statistics.intervals import LEVEL, RANK_SEEDS, RESAMPLES, Interval, resample
from leaderboard.analysis.statistics.power import equivalence_t
from leaderboard.analysis.statistics.significance import holm, paired_t_rows

LETTERS = 26  # groups that a board of any size may have
DRAWN = 2**22  # numbers of drawn seeds that are held in memory at once


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
    order = np.argsort(-scores, axis=-1, kind="stable")  # NaNs last
    falling = np.take_along_axis(scores, order, axis=-1)
    places = np.arange(scores.shape[-1])
    changed = falling[..., 1:] != falling[..., :-1]  # where a run of ties ends and the next begins
    first, last = (np.broadcast_to(places, scores.shape).copy() for _ in range(2))
    first[..., 1:][~changed] = 0
    last[..., :-1][~changed] = len(places)
    first = np.maximum.accumulate(first, axis=-1)
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    found = np.empty(scores.shape)
    np.put_along_axis(found, order, (first + last) / 2 + 1, axis=-1)
    return np.where(np.isfinite(scores), found, np.nan)


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
    methods may be ordered at all is what `find_ties` says. Seeds that are splits of the same rows (`overlap`) cannot
    be drawn as if they were independent: ranks have no intervals then. Nor have those of fewer than 10 seeds, of which
    a bootstrap has too few different draws to say anything.
    """
    kept, seeds = _complete(changes)
    known = changes[np.ix_(kept, seeds)]
    found = [Interval(math.nan, None, None, int(np.isfinite(row).sum())) for row in changes]
    if not known.size:
        return found
    n = known.shape[1]
    observed = ranks(known.mean(axis=1))
    ends: list[tuple[float | None, float | None]] = [(None, None)] * len(observed)
    if n >= RANK_SEEDS and not overlap:
        positions = resample(n, generator, resamples)
        parts = np.array_split(positions, -(-positions.size * len(known) // DRAWN))
        drawn = np.concatenate([ranks(known[:, part].mean(axis=2).T) for part in parts])
        low = np.quantile(drawn, (1 - level) / 2, axis=0, method="lower")
        high = np.quantile(drawn, (1 + level) / 2, axis=0, method="higher")
        ends = list(zip(low.tolist(), high.tolist(), strict=True))
    for place, rank, (first, last) in zip(np.flatnonzero(kept), observed, ends, strict=True):
        found[place] = Interval(float(rank), first, last, n)
    return found


def compare_pairs(changes: np.ndarray, overlap: float = 0.0, *, equivalence: bool = False) -> np.ndarray:
    """[method, method] adjusted p: paired t tests of all pairs of [method, seed], Holm over the pairs.

    The diagonal is 1. `overlap` as in `paired_t`. NaN where fewer than two seeds pair. With `equivalence`, the tests
    are those of `equivalence_t` with its own margin.
    """
    count = len(changes)
    a, b = np.triu_indices(count, 1)
    adjusted = np.ones((count, count))
    differences = changes[a] - changes[b]
    p = equivalence_t(differences, overlap=overlap) if equivalence else paired_t_rows(differences, overlap)
    adjusted[a, b] = adjusted[b, a] = holm(p)
    return adjusted


@dataclass(frozen=True)
class Ties:
    """Which methods the data do not order: `order` are the methods, as rows of the changes that were tested, in
    falling order of means; `tied` [place, place] says of two of them whether their test does not reject, `adjusted`
    [place, place] is its p.

    A method that lacks a seed which others have is in none.
    """

    order: np.ndarray
    tied: np.ndarray
    adjusted: np.ndarray

    def groups(self) -> list[list[int]] | None:
        """Groups of methods, as rows, that the data do not order, by their first members.

        Two methods share a group exactly where they tie; groups are as large as that allows and may overlap: A may
        tie with B, and B with C, but A not with C (the letters of Piepho 2004, An Algorithm for a Letter-Based
        Representation of All-Pairwise Comparisons). There are as many groups as methods at most, or 26, and none of
        them lies in another: see `clique_cover`. None where more would be needed; what stands then is `with_first`.
        """
        groups = clique_cover(self.tied, max(LETTERS, len(self.order)))
        return None if groups is None else [self.order[group].tolist() for group in groups]

    def with_first(self) -> list[int]:
        """The method with the largest mean and those that tie with it, in order."""
        rows: list[int] = self.order[self.tied[0]].tolist() if len(self.order) else []
        return rows


def find_ties(changes: np.ndarray, alpha: float = 1 - LEVEL, overlap: float = 0.0) -> Ties:
    """The ties among the methods of `changes` [method, seed]: paired t tests, Holm over all pairs, at level `alpha`."""
    kept, seeds = _complete(changes)
    methods = np.flatnonzero(kept)
    order = (
        methods[np.argsort(-changes[np.ix_(methods, seeds)].mean(axis=1), kind="stable")] if len(methods) else methods
    )
    adjusted = compare_pairs(changes[np.ix_(order, seeds)], overlap)
    return Ties(order, ~(adjusted <= alpha), adjusted)


def kendall_tau(a: ArrayLike, b: ArrayLike) -> float:
    """Kendall's tau-b of two rankings of the same methods; NaN where one of them orders nothing.

    sum_{i<j} sign(a_i - a_j) sign(b_i - b_j) / sqrt(pairs that a orders * pairs that b orders): 1 is the same
    order, -1 the reverse (Kendall 1945, The Treatment of Ties in Ranking Problems).
    """
    a = np.asarray(a, dtype=float)
    b = np.asarray(b, dtype=float)
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
