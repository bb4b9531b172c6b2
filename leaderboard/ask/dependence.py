"""How much of which task helps which is the method's: two matrices of pairs, compared by ranks.

Caruana's definition of related tasks holds for one algorithm: `Related(main, extra, algorithm)`. Two methods that order
the pairs alike are dependent on the tasks alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.ask.relations import RelationSample

RESAMPLES = 2000
HALVINGS = 200
LEAST_CELLS = 3


@dataclass(frozen=True)
class MethodDependence:
    """1 - Spearman's rank correlation of the mean changes of pairs under two methods: 0 the same order, 1 none.

    Attributes:
        methods: the two.
        value: over all seeds.
        low, high: 95 % percentile interval over resampled seeds, the same ones for both methods.
        chance: what a method has against itself on two halves of its seeds, mean of the two: noise alone makes as much,
            or more, since halves are noisier than the whole.
        cells: pairs.
    """

    methods: tuple[str, str]
    value: float
    low: float
    high: float
    chance: float
    cells: int


def compare_methods(one: Sequence[RelationSample], other: Sequence[RelationSample]) -> MethodDependence | None:
    """The dependence of pairs on two methods; None below three pairs or three seeds that all of them have.

    Args:
        one, other: the pairs of a method each; of both methods those with the same main and extra are taken.
    """
    by_pair = {(sample.relation.main, sample.relation.extras): sample for sample in other}
    both = [(each, by_pair[key]) for each in one if (key := (each.relation.main, each.relation.extras)) in by_pair]
    seeds = min((len(sample.alone) for pair in both for sample in pair), default=0)
    if len(both) < LEAST_CELLS or seeds < 3:
        return None
    a, b = (np.stack([pair[side].alone[:seeds] for pair in both]) for side in (0, 1))
    kept = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    a, b = a[:, kept], b[:, kept]
    if a.shape[1] < 3:
        return None
    generator = np.random.Generator(np.random.PCG64(0))
    draws = generator.integers(a.shape[1], size=(RESAMPLES, a.shape[1]))
    resampled = 1 - _correlate_ranks(a[:, draws].mean(axis=2), b[:, draws].mean(axis=2))
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    first, second = both[0]
    return MethodDependence(
        (first.relation.method, second.relation.method),
        float(1 - _correlate_ranks(a.mean(axis=1, keepdims=True), b.mean(axis=1, keepdims=True))[0]),
        float(low),
        float(high),
        float(np.mean([_compare_halves(a, generator), _compare_halves(b, generator)])),
        len(both),
    )


def _compare_halves(changes: np.ndarray, generator: np.random.Generator) -> float:
    """1 - rank correlation of the means (cells,) of two random halves of the seeds, mean over halvings."""
    half = changes.shape[1] // 2
    orders = np.argsort(generator.random((HALVINGS, changes.shape[1])), axis=1)
    means = [changes[:, part].mean(axis=2) for part in (orders[:, :half], orders[:, half : 2 * half])]
    return 1 - float(np.nanmean(_correlate_ranks(*means)))


def _correlate_ranks(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's correlation over rows of each column of a and b (cells, draws); NaN where one orders nothing."""
    from scipy.stats import rankdata

    x, y = (rankdata(values, axis=0) - (len(values) + 1) / 2 for values in (a, b))
    norms = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    correlation: np.ndarray = (x * y).sum(axis=0) / np.where(norms > 0, norms, math.nan)
    return correlation
