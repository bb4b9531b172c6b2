"""Intervals where two things are random and every one of the first meets every one of the second: seeds and test rows.

A seed is what a run draws, a test row is what the world draws. An interval over seeds holds for the same test rows;
one over both says what would be seen with other rows as well.
"""

import math

import numpy as np

from leaderboard.analysis.statistics.intervals import LEAST_SEEDS, LEVEL, Interval


def crossed_interval(values: np.ndarray, level: float = LEVEL) -> Interval:
    """Mean and interval of values [seed, unit], seeds with a NaN left out, with seeds and units both random.

        y_su = mu + a_s + b_u + e_su,   V = (MS_a + MS_b - MS_e) / (S N),   mean +- t_{(1 + level) / 2, df} sqrt(V)
        MS_a = N sum_s (y_s. - y_..)^2 / (S - 1)          MS_b = S sum_u (y_.u - y_..)^2 / (N - 1)
        MS_e = sum_su (y_su - y_s. - y_.u + y_..)^2 / ((S - 1) (N - 1))
        df = V^2 / sum_k (MS_k / (S N))^2 / df_k          (Satterthwaite 1946)

    V is the unbiased estimate of the variance of the mean in the balanced two-way layout of random effects (Searle,
    Casella and McCulloch 1992, Variance Components, ch. 4); it needs neither normal nor additive effects, only that
    seeds and units are drawn independently (Owen 2007, The Pigeonhole Bootstrap), so that zeros and ones will do. It is
    never below MS_a / (S N), the variance over seeds alone, nor below MS_b / (S N), which it exceeds in expectation,
    and the interval is never narrower than that of the seeds' means (`interval`): df can be more than S - 1. Below
    three seeds or two units there is no interval.
    """
    known = values[np.isfinite(values).all(axis=1)]
    seeds, units = known.shape
    if seeds == 0 or units == 0:
        return Interval(math.nan, None, None, 0)
    mean = float(known.mean())
    if seeds < LEAST_SEEDS or units < 2:
        return Interval(mean, None, None, seeds)
    from scipy.special import stdtrit

    of_seeds, of_units = known.mean(axis=1) - mean, known.mean(axis=0) - mean
    rest = known - mean - of_seeds[:, None] - of_units
    squares = np.array([units * (of_seeds**2).sum(), seeds * (of_units**2).sum(), (rest**2).sum()])
    freedoms = np.array([seeds - 1, units - 1, (seeds - 1) * (units - 1)])
    parts = squares / freedoms / (seeds * units)
    variance = max(parts[0] + parts[1] - parts[2], parts[0], parts[1])
    if variance == 0:
        return Interval(mean, mean, mean, seeds)
    freedom = variance**2 / float((parts**2 / freedoms).sum())
    halves = stdtrit([max(freedom, 1.0), seeds - 1], (1 + level) / 2) * np.sqrt([variance, parts[0]])
    half = float(halves.max())
    return Interval(mean, mean - half, mean + half, seeds)


def gather_units(values: np.ndarray, units: np.ndarray | None, count: int) -> np.ndarray:
    """Shares of a mean over rows by what the rows show: [seed, unit], whose mean over units is that over rows.

        z_su = m_s + count / N sum_{i of u} (y_si - m_s),   m_s = mean_i y_si

    The sum of deviations: a unit of many rows has no more than its rows' say (Liang and Zeger 1986). Rows that show one
    thing, as pairs with one scan in common, are not independent of one another; units are taken to be.

    Args:
        values: [seed, row].
        units: number in [0, count) of what each row shows; None where every row is its own.
        count: how many units there are.
    """
    if units is None:
        return values
    mean = values.mean(axis=1, keepdims=True)
    sums = np.zeros((count, len(values)))
    np.add.at(sums, units, (values - mean).T)
    gathered: np.ndarray = mean + sums.T * (count / values.shape[1])
    return gathered
