"""Intervals of an estimate over seeds. `docs/statistics.md` has what each of them covers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.analysis.statistics.flips import REPLICATES, flipped_sums

LEVEL = 0.95
LEAST_SEEDS = 3  # of an interval: with two, a t interval is thirteen times as wide as their distance
RANK_SEEDS = 10  # of the interval of a rank
FEW_SEEDS = 5
RESAMPLES = 10_000

Bootstrap = Literal["percentile", "bca"]


@dataclass(frozen=True)
class Interval:
    """An estimate over `n` seeds and its interval.

    `mean` is the mean, or what else was estimated, and NaN at no seeds; `low` and `high` are None where there is
    no interval: below three seeds, and where a method needs more of them.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def weak(self) -> bool:
        """Whether it rests on fewer than 5 seeds, which is to be shown with it."""
        return 0 < self.n < FEW_SEEDS

    @property
    def exponential(self) -> "Interval":
        """The geometric mean with its interval, of an estimate of natural logarithms."""
        low, high = (None if end is None else math.exp(end) for end in (self.low, self.high))
        return Interval(math.exp(self.mean), low, high, self.n)


def interval(sample: ArrayLike, level: float = LEVEL, overlap: float = 0.0) -> Interval:
    """Mean and Student t interval of independent values [seed], in their unit, NaNs left out.

        mean +- t_{(1 + level) / 2, n - 1} * s / sqrt(n),   s the standard deviation with ddof 1

    On paired differences this is the paired t interval (Student 1908, The Probable Error of a Mean). Fewer than
    three values have no interval. An `overlap` makes it `corrected_interval` with that many test rows per training row.
    """
    return _student(sample, level, overlap)


def corrected_interval(sample: ArrayLike, test_per_train: float, level: float = LEVEL) -> Interval:
    """Mean and corrected t interval of the values [split] of n random splits of the same rows, NaNs left out.

        mean +- t_{(1 + level) / 2, n - 1} * s * sqrt(1/n + test_per_train)

    `test_per_train` is the number of test rows over that of training rows: 1/3 for 75/25. Such splits
    overlap, so that their values correlate and the plain interval is too narrow (Nadeau and Bengio 2003,
    Inference for the Generalization Error). Raises ValueError for a ratio that is not positive.
    """
    if not test_per_train > 0:
        raise ValueError(f"`test_per_train` should be positive. Found `test_per_train = {test_per_train}`.")
    return _student(sample, level, overlap=test_per_train)


def _student(sample: ArrayLike, level: float, overlap: float) -> Interval:
    """mean +- t_{n-1, (1 + level) / 2} * s * sqrt(1/n + overlap) of [seed], NaNs left out.

    No interval below three seeds.
    """
    sample = np.asarray(sample, dtype=float)
    known = sample[np.isfinite(sample)]
    n = known.size
    if n == 0:
        return Interval(math.nan, None, None, 0)
    mean = float(known.mean())
    if n < LEAST_SEEDS:
        return Interval(mean, None, None, n)
    from scipy.special import stdtrit  # takes longer to import than everything else here

    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(known.std(ddof=1)) * math.sqrt(1 / n + overlap)
    return Interval(mean, mean - half, mean + half, n)


def bootstrap_interval(
    data: ArrayLike,
    generator: np.random.Generator,
    statistic: Callable[[np.ndarray], float] | None = None,
    *,
    method: Bootstrap = "percentile",
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """Bootstrap interval of `statistic` of whole runs: the seeds of `data` [seed, ...] are drawn with replacement.

    `percentile`: the quantiles (1 -+ level) / 2 of the statistic over resamples. `bca`: the quantiles

        Phi(z_0 + (z_0 + z) / (1 - a (z_0 + z))),   z = Phi^-1((1 -+ level) / 2)

    with z_0 = Phi^-1 of the share of resamples below the estimate, ties half, and the acceleration a of the
    jackknife (Efron 1987, Better Bootstrap Confidence Intervals). What a seed shares stays together, its tasks
    and the runs of a pair: pass differences, or [seed, method, ...]. `statistic` maps [seed, ...] to a number, in
    its unit; without one it is the mean of everything. A seed with a NaN is left out; below three seeds there is no
    interval. Both are too narrow for few seeds. Raises ValueError for an unknown method.
    """
    data = np.asarray(data, dtype=float)
    if method not in get_args(Bootstrap):
        raise ValueError(f"`method` should be one of {', '.join(get_args(Bootstrap))}. Found `{method}`.")
    known = data[np.isfinite(data).reshape(len(data), -1).all(axis=1)]
    n = len(known)
    if n == 0:
        return Interval(math.nan, None, None, 0)
    estimate = float(known.mean() if statistic is None else statistic(known))
    if n < LEAST_SEEDS:
        return Interval(estimate, None, None, n)
    drawn = _estimates(known, resample(n, generator, resamples), statistic)
    ends = np.array([1 - level, 1 + level]) / 2
    if method == "bca":
        left_out = np.array([np.delete(np.arange(n), seed) for seed in range(n)])
        ends = _bca(ends, drawn, estimate, _estimates(known, left_out, statistic))
    low, high = np.quantile(drawn, ends)
    return Interval(estimate, float(low), float(high), n)


def resample(n: int, generator: np.random.Generator, resamples: int = RESAMPLES) -> np.ndarray:
    """[resample, n] positions of seeds, drawn with replacement."""
    return generator.integers(0, n, (resamples, n))


def _estimates(data: np.ndarray, positions: np.ndarray, statistic: Callable[[np.ndarray], float] | None) -> np.ndarray:
    """The statistic of the seeds at each row of `positions`."""
    if statistic is not None:
        return np.array([float(statistic(data[row])) for row in positions])
    means: np.ndarray = data.reshape(len(data), -1).mean(axis=1)[positions].mean(axis=1)
    return means


def _bca(ends: np.ndarray, drawn: np.ndarray, estimate: float, jackknife: np.ndarray) -> np.ndarray:
    """Quantiles of a bias-corrected and accelerated bootstrap: which ones stand for `ends`.

    Efron (1987), Better Bootstrap Confidence Intervals, with the acceleration from the jackknife.
    """
    from scipy.special import ndtr, ndtri

    below = ((drawn < estimate).mean() + (drawn <= estimate).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))  # finite where all lie on one side
    deviation = jackknife.mean() - jackknife
    spread = (deviation**2).sum() ** 1.5
    acceleration = (deviation**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = bias + ndtri(ends)
    corrected: np.ndarray = ndtr(bias + z / (1 - acceleration * z))
    return corrected


def sign_flip_interval(
    sample: ArrayLike,
    generator: np.random.Generator | None = None,
    level: float = LEVEL,
    replicates: int = REPLICATES,
) -> Interval:
    """Mean of [seed] and every centre that the sign-flip test does not reject at 1 - level, NaNs left out.

    The ends are order statistics of the means of the 2^n - 1 subsets of the sample (Hartigan 1969, Using
    Subsample Values as Typical Values):

        [m_(k), m_(2^n - k)],   k = floor((1 - level) 2^(n - 1))

    It covers the centre of any symmetric distribution with at least `level`. With k = 0 it is the whole line, at
    95 % below 6 seeds: None. More than 20 seeds take `replicates` random flips and a `generator`.
    """
    sample = np.asarray(sample, dtype=float)
    known = sample[np.isfinite(sample)]
    n = known.size
    if n == 0:
        return Interval(math.nan, None, None, 0)
    mean = float(known.mean())
    counted = np.stack([known, np.ones(n)])
    total, size = counted.sum(axis=1)
    flipped, plus = np.concatenate(list(flipped_sums(counted, generator, replicates))).T
    rank = math.floor((1 - level) * len(plus) + 1e-9)
    if rank == 0:
        return Interval(mean, None, None, n)
    proper = np.abs(plus) < size - 0.5  # splits the seeds into two subsets, neither of them empty
    flipped, plus = flipped[proper], plus[proper]
    means = np.sort(np.concatenate([(total - flipped) / (size - plus), (total + flipped) / (size + plus)]))
    return Interval(mean, float(means[rank - 1]), float(means[-rank]), n)
