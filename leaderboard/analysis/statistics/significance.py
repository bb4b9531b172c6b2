"""Tests of paired differences, and what holds over a family of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.analysis.statistics.cells import Cells
from leaderboard.analysis.statistics.changes import change_matrix, replace_reference
from leaderboard.analysis.statistics.flips import REPLICATES, flipped_sums
from leaderboard.analysis.statistics.intervals import LEVEL, Interval, interval

REFERENCES = ("single_task", "hard")  # the two ends between which every method stands
TIE = 1e-8  # of t^2; the same numbers summed in another order are the same sum

Correction = Literal["holm", "max_t"]


@dataclass(frozen=True)
class Comparison:
    """The change of `method` against `reference`: mean and interval by itself, p, and p adjusted for the family.

    `p` and `adjusted` are NaN where fewer than two seeds pair.
    """

    method: str
    reference: str
    estimate: Interval
    p: float
    adjusted: float


def paired_t(sample: ArrayLike, overlap: float = 0.0) -> float:
    """Two-sided p of the paired t test on paired differences [seed], NaNs left out; NaN below two seeds.

    t = mean / (s / sqrt(n)) with n - 1 degrees of freedom, s with ddof 1. Differences that are all alike
    have p = 0, or 1 where they are zero. For seeds that are splits of the same rows, 1/n + `overlap`, the test
    rows per training row, stands for 1/n (Nadeau and Bengio 2003).
    """
    sample = np.asarray(sample, dtype=float)
    return float(paired_t_rows(sample[None], overlap)[0])


def paired_t_rows(differences: np.ndarray, overlap: float = 0.0) -> np.ndarray:
    """p [comparison] of `paired_t` on each row of [comparison, seed]."""
    found = np.full(len(differences), math.nan)
    patterns, which = np.unique(np.isfinite(differences), axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):  # of missing seeds; there are few
        n, rows = int(pattern.sum()), which.reshape(-1) == number
        if n >= 2:
            found[rows] = _t_test(np.ascontiguousarray(differences[np.ix_(rows, pattern)]), n, overlap)
    return found


def _t_test(known: np.ndarray, n: int, overlap: float) -> np.ndarray:
    """Two-sided p [comparison] of [comparison, seed] without NaNs; see `paired_t`."""
    from scipy.special import stdtr  # takes longer to import than everything else here

    mean, error = known.mean(axis=1), known.std(axis=1, ddof=1) * math.sqrt(1 / n + overlap)
    t = np.divide(-np.abs(mean), error, out=np.zeros(len(known)), where=error > 0)
    p: np.ndarray = np.where(error > 0, 2 * stdtr(n - 1, t), mean == 0)
    return p


def sign_flip(sample: ArrayLike, generator: np.random.Generator | None = None, replicates: int = REPLICATES) -> float:
    """Two-sided p of the sign-flip test on paired differences [seed], NaNs left out; NaN below two seeds.

    The share of the 2^n flips s in {-1, +1}^n with |sum_i s_i x_i| >= |sum_i x_i|: exact where differences are
    symmetric around zero under the null hypothesis, and never below 2 / 2^n, which is 0.0625 at 5 seeds.
    Beyond 20 seeds `replicates` drawn flips give (1 + b) / (1 + replicates), b of them as extreme, and a
    `generator` is needed; without it this raises ValueError. Fisher (1935), The Design of Experiments.
    """
    sample = np.asarray(sample, dtype=float)
    return float(_flip_tests(sample[None], generator, replicates)[0][0])


def max_t(
    differences: np.ndarray, generator: np.random.Generator | None = None, replicates: int = REPLICATES
) -> np.ndarray:
    """Adjusted two-sided p [comparison] of paired differences [comparison, seed], by step-down max-t under sign flips.

    With |t| in falling order, and one flip of each seed for all comparisons, which keeps their correlation:

        p_(j) = max_{i <= j} share of flips with max_{l >= i} |t*_(l)| >= |t_(i)|

    (Westfall and Young 1993, Resampling-Based Multiple Testing). The family-wise error rate is controlled where
    the differences of a seed are jointly symmetric around zero; no p is below 2 / 2^n, so that nothing can
    reach 0.05 with 5 seeds. NaNs take no part; a comparison of fewer than two seeds is NaN. Beyond 20 seeds as
    `sign_flip`.
    """
    return _flip_tests(differences, generator, replicates)[1]


def _flip_tests(
    differences: np.ndarray, generator: np.random.Generator | None, replicates: int = REPLICATES
) -> tuple[np.ndarray, np.ndarray]:
    """p of each comparison by itself and adjusted, from the same flips."""
    known = np.isfinite(differences)
    found = np.full((2, len(differences)), math.nan)
    tested = np.flatnonzero(known.sum(axis=1) >= 2)
    values = np.where(known, differences, 0.0)[tested]
    n, squares = known[tested].sum(axis=1), (values**2).sum(axis=1)
    order = np.argsort(-_t_squared(values.sum(axis=1), n, squares), kind="stable")
    values, n, squares = values[order], n[order], squares[order]
    threshold = _t_squared(values.sum(axis=1), n, squares) * (1 - TIE) - TIE**3
    extreme, flips = np.zeros((2, len(tested))), 0
    for sums in flipped_sums(values[:, known[tested].any(axis=0)], generator, replicates):
        alone = _t_squared(sums, n, squares)
        largest = np.maximum.accumulate(alone[:, ::-1], axis=1)[:, ::-1]  # of this and all weaker comparisons
        extreme += (alone >= threshold).sum(axis=0), (largest >= threshold).sum(axis=0)
        flips += len(sums)
    found[:, tested[order]] = extreme / flips
    found[1, tested[order]] = np.maximum.accumulate(found[1, tested[order]])
    return found[0], found[1]


def _t_squared(sums: np.ndarray, n: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """t^2 from sums over seeds; a flip changes only those, not the sums of squares."""
    share = sums**2
    share /= np.where(squares > 0, n * squares, np.inf)
    np.minimum(share, 1 - 1e-6, out=share)  # differences that are all alike: t large, not infinite
    found: np.ndarray = (n - 1) * share
    found /= np.subtract(1, share, out=share)
    return found


def holm(p: ArrayLike) -> np.ndarray:
    """Adjusted p [comparison] after Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure.

    p_(j) = max_{i <= j} min(1, (m - i + 1) p_i), p in rising order: the family-wise error rate is at
    most the level, however the m tests depend on each other. A NaN stays NaN and does not count.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(len(p), math.nan)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]  # NaNs sort last
    weights = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(weights * p[order]))
    return adjusted


def holm_levels(p: ArrayLike, adjusted: ArrayLike, level: float = LEVEL) -> np.ndarray:
    """Levels [comparison] of intervals that leave out 0 exactly where Holm's test at 1 - `level` rejects.

        1 - (1 - level) / k,   k = m - i + 1 for the i-th of r that are rejected, m - r for the others

    of m raw p in rising order, `adjusted` by `holm`: each comparison has the level of the step that decided it, never
    below `level`. A paired t interval of that level has 0 outside where p <= (1 - level) / k. A NaN does not count.
    """
    p, adjusted = np.asarray(p, dtype=float), np.asarray(adjusted, dtype=float)
    tests = int(np.isfinite(p).sum())
    order = np.argsort(p, kind="stable")[:tests]
    rejected = int((adjusted[order] <= 1 - level).sum())
    steps = np.full(len(p), max(1, tests - rejected))
    steps[order[:rejected]] = tests - np.arange(rejected)
    levels: np.ndarray = 1 - (1 - level) / steps
    return levels


def family(
    data: Cells,
    change: str = "delta_log",
    references: Sequence[str] = REFERENCES,
    *,
    correction: Correction = "holm",
    generator: np.random.Generator | None = None,
    level: float = LEVEL,
) -> list[Comparison]:
    """Every method of a board against each of `references`, as one family: the primary comparisons.

    `change`, one of the three, is taken per seed between runs that share it. Each pair of methods counts once. A
    reference that is not on the board has no comparison. Where seeds are splits of the same rows, t tests and intervals
    are corrected, and sign flips have no p. `holm`: paired t tests; `max_t`: sign-flip
    tests, with a `generator` beyond 20 seeds. Intervals are paired t intervals at `level`, each by itself.
    Raises ValueError for an unknown change or correction.
    """
    if correction not in get_args(Correction):
        raise ValueError(f"`correction` should be one of {', '.join(get_args(Correction))}. Found `{correction}`.")
    present = [reference for reference in references if reference in data.board.methods]
    pairs: list[tuple[str, str]] = []
    rows = [np.empty((0, len(data.board.seed_list)))]
    for place, reference in enumerate(present):
        methods = [method for method in data.board.methods if method not in present[: place + 1]]
        matrix = change_matrix(replace_reference(data, reference), change)
        pairs += [(method, reference) for method in methods]
        rows.append(matrix[[data.board.methods.index(method) for method in methods]])
    differences = np.concatenate(rows)
    if correction == "holm":
        p = paired_t_rows(differences, data.overlap)
        adjusted = holm(p)
    elif data.overlap:
        p = adjusted = np.full(len(differences), math.nan)
    else:
        p, adjusted = _flip_tests(differences, generator)
    return [
        Comparison(method, reference, interval(row, level, data.overlap), float(raw), float(corrected))
        for (method, reference), row, raw, corrected in zip(pairs, differences, p, adjusted, strict=True)
    ]
