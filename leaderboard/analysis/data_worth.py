"""The worth of a method in data: how many more rows the reference needs for the same error, in each task.

    worth = n(error of the method) / n,   n(.) the rows at which the reference reaches an error

Boards with a `series` have the reference trained on several numbers of rows; between these its curve is linear in log
error and log rows, and outside them nothing is extrapolated.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from leaderboard.analysis.statistics import LEAST_SEEDS, LEVEL, Cells, Interval


@dataclass(frozen=True)
class DataCurve:
    """The reference's error against the number of training rows, run by run.

    `rows` [size] is ascending, `errors` [size, seed, task] has the natural log of the primary errors, NaN where a run
    is missing.
    """

    rows: np.ndarray
    errors: np.ndarray


def read_errors(series: Iterable[Cells], method: str) -> dict[int, np.ndarray]:
    """Training rows, ascending -> [seed, task] log errors of `method`.

    series: the cells of each suite, with the same seeds; a suite without a run of the method has no entry.
    """
    errors: dict[int, np.ndarray] = {}
    for cells in series:
        # The size is the suite's own split, not its name: a series may name its suites as it likes.
        if method in cells.board.methods and cells.protocol and np.isfinite(own := cells.errors_of(method)).any():
            errors[cells.protocol.splits["train"]] = np.log(own)
    return dict(sorted(errors.items()))


def fit_curve(series: Iterable[Cells], reference: str) -> DataCurve | None:
    """The curve of `reference` over the suites of a series; None below two sizes, which make no curve."""
    errors = read_errors(series, reference)
    return DataCurve(np.array(list(errors), float), np.stack(list(errors.values()))) if len(errors) > 1 else None


@dataclass(frozen=True)
class Worth:
    """A multiplier of training rows with its interval.

    The estimate or an end may be 0 or infinite: it lies beyond `least` or `most`, the multipliers that were run.
    `tasks` has the same of each task by itself, where there are several.
    """

    estimate: Interval
    least: float
    most: float
    tasks: Mapping[str, "Worth"] = field(default_factory=dict)

    @property
    def order(self) -> float:
        """A finite number that tables sort by; what lies beyond the largest size is put at twice that."""
        return min(self.estimate.mean, 2 * self.most)

    @property
    def bounds(self) -> Interval:
        """What is known in finite numbers: no mean beyond the sizes that were run, and ends that are such a size.

        `[most, None]` for an interval behind the largest size, `[None, least]` for one before the smallest.
        """
        mean, low, high = self.estimate.mean, self.estimate.low, self.estimate.high
        if low is not None and high is not None:
            low, high = (min(low, self.most) or None), (max(high, self.least) if math.isfinite(high) else None)
        return Interval(mean if 0 < mean < math.inf else math.nan, low, high, self.estimate.n)

    @property
    def disagrees(self) -> bool:
        """Whether it is worth more rows than it was given in one task, and fewer in another, by whole intervals."""
        alone = [each.estimate for each in self.tasks.values()]
        more = any(each.low is not None and each.low > 1 for each in alone)
        return more and any(each.high is not None and each.high < 1 for each in alone)


def estimate_worth(data: Cells, size: int, known: DataCurve) -> dict[str, Worth]:
    """The worth of every method but the reference: of its mean log error over tasks, and of that of each task.

    With e_s the log error of the method in seed s and r_s(n) that of the reference, on its curve at n rows, the rows
    are those at which the mean of d_s(n) = r_s(n) - e_s is 0. The interval has every n at which the paired t test does
    not tell d(n) from 0:

        |mean d(n)| <= t_{(1 + level) / 2, S - 1} sd(d(n)) sqrt(1 / S),   S the number of seeds

    so that it has the error of the curve as well as that of the method, and what they have in common. On a straight
    curve it is the interval of a ratio of two means (Fieller 1954, Some Problems in Interval Estimation, eq. 9). Seeds
    that are random splits of the same rows have 1 / S + overlap in the place of 1 / S.

    Args:
        data: the cells of the board.
        size: the rows that its methods are trained on; one of the sizes of the curve.
        known: the curve of the board's reference, with the seeds and tasks of the board.

    Returns:
        method -> its worth; a method without a seed that has all of its tasks and the whole curve is left out.
    """
    worths = {}
    for method in data.board.methods:
        # A method on its own curve: mean over tasks first, then each task.
        errors = np.log(data.errors_of(method))
        if method != data.board.reference and (worth := _read_worth(known, size, errors, data.overlap)) is not None:
            alone = {
                task: each
                for at, task in enumerate(data.tasks if len(data.tasks) > 1 else [])
                if (each := _read_worth(_cut_task(known, at), size, errors[:, [at]], data.overlap)) is not None
            }
            worths[method] = Worth(worth.estimate, worth.least, worth.most, alone)
    return worths


def _cut_task(known: DataCurve, at: int) -> DataCurve:
    """The curve of one task."""
    return DataCurve(known.rows, known.errors[:, :, [at]])


def _read_worth(known: DataCurve, size: int, errors: np.ndarray, overlap: float) -> Worth | None:
    """The worth of a method of [seed, task] log errors, all of whose tasks count alike; None without a common seed."""
    curve, own = known.errors.mean(axis=2), errors.mean(axis=1)
    complete = np.isfinite(curve).all(axis=0) & np.isfinite(own)
    if not complete.any():
        return None
    flat = _flatten_rises(curve[:, complete])
    here = int(np.searchsorted(known.rows, size))
    # Against the reference of this size, whatever stands in its place on the curve: no gain is worth exactly 1.
    gain = curve[here, complete] - own[complete]
    rows = invert_curve(np.log(known.rows), flat - flat[here] + gain, overlap)
    low, high = (None if end is None else _scale(end, size) for end in (rows.low, rows.high))
    least, most = float(known.rows[0]) / size, float(known.rows[-1]) / size
    return Worth(Interval(_scale(rows.mean, size), low, high, rows.n), least, most)


def _scale(place: float, size: int) -> float:
    """Log rows as a multiple of `size`, exactly 1 there: 0 and infinity stay."""
    return math.exp(place - math.log(size))


def _flatten_rises(curve: np.ndarray) -> np.ndarray:
    """[size, seed] whose means never rise: a size with more error than a smaller one has the runs of that in its place.

    More data are not worth less.
    """
    means = curve.mean(axis=1)
    flat: np.ndarray = curve[[int(np.argmin(means[: at + 1])) for at in range(len(means))]]
    return flat


def invert_curve(places: np.ndarray, gaps: np.ndarray, overlap: float = 0.0) -> Interval:
    """Where a piecewise linear curve is 0 on average, and every place where a paired t test does not say that it isn't.

    Args:
        places: [size] ascending, as log rows.
        gaps: [size, seed] of what falls to 0, as the reference's log error less the method's; means never rise.
        overlap: as of `interval`.

    Returns:
        A place and its interval. Minus infinity lies before the first place and infinity behind the last, where nothing
        is known: an end is there if the test does not reject the curve's own. No interval below three seeds.
    """
    means = gaps.mean(axis=1)
    # `np.interp` wants ascending values, and these fall.
    mean = -math.inf if means[0] < 0 else math.inf if means[-1] > 0 else float(np.interp(0.0, -means, places))
    n = gaps.shape[1]
    if n < LEAST_SEEDS:
        return Interval(mean, None, None, n)
    from scipy.special import stdtrit  # takes longer to import than everything else here

    limit = float(stdtrit(n - 1, (1 + LEVEL) / 2)) ** 2 * (1 / n + overlap)
    held = [mean, *(place for place, gap in zip(places, gaps, strict=True) if _keeps_zero(gap, limit))]
    for at in range(len(places) - 1):
        shares = _solve_segment(gaps[at], gaps[at + 1], limit)
        held += [places[at] + share * (places[at + 1] - places[at]) for share in shares]
    low = -math.inf if _keeps_zero(gaps[0], limit) else min(held)
    high = math.inf if _keeps_zero(gaps[-1], limit) else max(held)
    return Interval(mean, float(low), float(high), n)


def _keeps_zero(gaps: np.ndarray, limit: float) -> bool:
    """Whether (mean of [seed])^2 <= `limit` times the variance: the t test does not tell it from 0."""
    return bool(gaps.mean() ** 2 <= limit * gaps.var(ddof=1))


def _solve_segment(first: np.ndarray, last: np.ndarray, limit: float) -> Sequence[float]:
    """The shares a of a segment between the gaps [seed] of its ends where the t test turns.

    (mean d)^2 = `limit` var(d) for d = first + a (last - first) is a quadratic in a; roots outside [0, 1] lie on no
    segment that was run.
    """
    step = last - first
    (first_var, both), (_, step_var) = np.cov(first, step)
    square = step.mean() ** 2 - limit * step_var
    linear = 2 * (first.mean() * step.mean() - limit * both)
    roots = np.roots([square, linear, first.mean() ** 2 - limit * first_var])
    return [float(root.real) for root in roots if abs(root.imag) < 1e-12 and 0 <= root.real <= 1]
