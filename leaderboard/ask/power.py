"""What it would take to decide: how many seeds, or rows, an undecided relation needs if things stay as they look."""

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.statistics import LEAST_SEEDS
from leaderboard.analysis.statistics.power import POWER, noncentrality

MOST_SEEDS = 10_000  # beyond, another design is needed


@dataclass(frozen=True)
class Needed:
    """What an undecided contrast needs for an answer four times of five, if mean and spread are what they look.

    seeds: in all; None where no number of seeds up to 10,000 is enough, as where seeds are splits of the same rows.
    rows: as a multiple of those that there are, with as many seeds as there are: changes spread by 1 / sqrt(rows), the
        change itself taken as it is. Rough.
    to_show: whether the answer would be that there is a `difference`, or `sameness` within the margin.
    """

    seeds: int | None
    rows: float
    to_show: str


def estimate_needed(sample: np.ndarray, tests: int, level: float, margin: float, overlap: float = 0.0) -> Needed | None:
    """What a contrast of paired differences [seed] needs; None below three seeds, or where none differs.

    Difference: the least n with delta(n - 1, level / tests) s sqrt(1/n + overlap) <= |mean|, delta as in
    `detectable_effect`. Sameness: the same with margin - |mean| in the place of |mean|, and the one-sided level.

    Args:
        sample: paired differences, NaNs left out.
        tests: of the family; the relation is taken to be the first of Holm's steps.
        level: of the last look.
        margin: of sameness, in log error.
        overlap: test rows per training row where seeds are splits of the same rows.
    """
    known = sample[np.isfinite(sample)]
    spread = float(known.std(ddof=1)) if known.size >= LEAST_SEEDS else 0.0
    if spread == 0:
        return None
    mean = abs(float(known.mean()))
    different = mean >= margin - mean
    wanted, alpha = (mean, level / tests) if different else (margin - mean, 2 * level / tests)
    seeds = _least_seeds(wanted / spread, alpha, overlap)
    now = noncentrality(known.size - 1, alpha, POWER) * spread * math.sqrt(1 / known.size + overlap)
    return Needed(seeds, (now / wanted) ** 2 if wanted > 0 else math.inf, "difference" if different else "sameness")


def _least_seeds(effect: float, alpha: float, overlap: float) -> int | None:
    """The least n at which a change of `effect` standard deviations is found; None beyond MOST_SEEDS."""

    def finds(n: int) -> bool:
        return noncentrality(n - 1, alpha, POWER) * math.sqrt(1 / n + overlap) <= effect

    least = bisect_left(range(MOST_SEEDS + 1), True, lo=LEAST_SEEDS, key=finds)
    return least if least <= MOST_SEEDS else None
