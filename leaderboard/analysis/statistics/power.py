"""What a board can find: the least change that its test detects, and tests of sameness within a margin.

A test that rejects nothing has not shown that nothing is there. The detectable effect says how large a change would
have been found; an equivalence test can show that a change lies inside a margin.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.analysis.statistics.intervals import LEAST_SEEDS, LEVEL

POWER = 0.8  # of a test that is to find a change: four times of five
MARGIN = math.log(1.05)  # in log error: methods within 5 % of each other's error are the same for most purposes
NODES = 400  # of the integral over a sample's deviations: eight digits and more
MOST_NONCENTRAL = 1e4  # three seeds in a family of thousands of tests need more: nothing is found there


def one_sided_t(differences: np.ndarray, bound: float = 0.0, overlap: float = 0.0) -> np.ndarray:
    """p [comparison] that the mean of paired differences [comparison, seed] is not above `bound`; NaNs left out.

        t = (mean - bound) / (s sqrt(1/n + overlap)),   p = P(T_{n-1} >= t),   s with ddof 1

    Small where the mean lies above `bound`, in the unit of the differences. Differences that are all alike have p = 0
    above the bound, else 1; below two seeds p is NaN. `overlap` is as in `paired_t` (Nadeau and Bengio 2003).
    """
    from scipy.special import stdtr  # takes longer to import than everything else here

    known = np.isfinite(differences)
    n = known.sum(axis=1)
    safe = np.maximum(n, 2)
    mean = np.where(known, differences, 0.0).sum(axis=1) / np.maximum(n, 1)
    squares = np.where(known, differences - mean[:, None], 0.0) ** 2
    error = np.sqrt(squares.sum(axis=1) / (safe - 1) * (1 / safe + overlap))
    # A sum of equal numbers differs from their multiple by rounding; that is no spread.
    alike = error <= 1e-14 * np.maximum(np.abs(mean), abs(bound))
    t = (mean - bound) / np.where(alike, 1.0, error)
    p = np.where(alike, np.where(mean > bound, 0.0, 1.0), stdtr(safe - 1, -t))
    found: np.ndarray = np.where(n >= 2, p, np.nan)
    return found


def equivalence_t(differences: np.ndarray, margin: float = MARGIN, overlap: float = 0.0) -> np.ndarray:
    """p [comparison] that the mean of paired differences [comparison, seed] lies outside (-margin, margin).

        p = max(p of mean <= -margin, p of mean >= margin),   both as in `one_sided_t`

    Small where the means are the same but for the margin: two one-sided tests (Schuirmann 1987, A Comparison of the Two
    One-Sided Tests Procedure). At level alpha it rejects where the interval of level 1 - 2 alpha lies inside the
    margin. The default, log 1.05 on Δ log, is 5 % of error. Raises ValueError for a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"`margin` should be positive. Found `margin = {margin}`.")
    p: np.ndarray = np.maximum(one_sided_t(differences, -margin, overlap), one_sided_t(-differences, -margin, overlap))
    return p


def detectable_effect(sample: ArrayLike, tests: int = 1, overlap: float = 0.0, *, power: float = POWER) -> float:
    """The least |mean| of paired differences that the two-sided t test would find, with the spread of `sample` [seed].

        d = delta s sqrt(1/n + overlap),   P(|T'_{n-1}(delta)| > t_{1 - alpha / (2 tests), n-1}) = power

    T' is the non-central t (Cohen 1988, Statistical Power Analysis, 2.3). alpha / tests is the level of the first step
    of Holm, so that a change of d is found with probability `power` at least, given that s is the true deviation.

    Args:
        sample: paired differences, NaNs left out; the result has their unit.
        tests: of the family that the test belongs to.
        overlap: test rows per training row where seeds are splits of the same rows, as in `paired_t`.
        power: wanted, in (0, 1).

    Returns:
        The effect; NaN below three seeds, infinite where no effect is found with so many tests on so few seeds.

    Raises:
        ValueError: `power` does not lie in (0, 1), or `tests` is below 1.
    """
    sample = np.asarray(sample, dtype=float)
    if not 0 < power < 1:
        raise ValueError(f"`power` should lie in (0, 1). Found `power = {power}`.")
    if tests < 1:
        raise ValueError(f"`tests` should be 1 or more. Found `tests = {tests}`.")
    known = sample[np.isfinite(sample)]
    if known.size < LEAST_SEEDS:
        return math.nan
    alpha = (1 - LEVEL) / tests
    return noncentrality(known.size - 1, alpha, power) * float(known.std(ddof=1)) * math.sqrt(1 / known.size + overlap)


@lru_cache(maxsize=256)  # one for each number of seeds on a board
def noncentrality(freedom: int, alpha: float, power: float = POWER) -> float:
    """The delta at which the two-sided t test of level `alpha` has this power, with `freedom` degrees of freedom.

    Solves P(|T'(delta)| > t_{1 - alpha/2}) = power for delta > 0; infinite beyond 10,000.
    """
    from scipy.optimize import brentq
    from scipy.special import chdtri, ndtr, stdtrit

    critical = float(stdtrit(freedom, 1 - alpha / 2))
    # Given the sample's deviation, the statistic is normal: its distribution is a mean over those deviations. scipy's
    # own non-central t is NaN in the far tail.
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    angles = (nodes + 1) * math.pi / 4  # share of deviations below = sin^2: nodes lie dense at both ends
    shares, weights = np.sin(angles) ** 2, weights * math.pi / 4 * np.sin(2 * angles)
    limits = critical * np.sqrt(chdtri(freedom, 1 - shares) / freedom)

    def missing(delta: float) -> float:
        """How much power is missing at `delta`."""
        return power - float(weights @ (ndtr(delta - limits) + ndtr(-delta - limits)))

    high = 4.0
    while missing(high) > 0:
        high *= 2
        if high > MOST_NONCENTRAL:
            return math.inf
    return float(brentq(missing, 0.0, high, xtol=1e-10)) if missing(0.0) > 0 else 0.0
