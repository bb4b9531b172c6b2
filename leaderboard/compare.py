"""Is a reproduced table the committed one, up to seed noise?"""

import math
from dataclasses import dataclass
from pathlib import Path

from scipy.special import stdtrit

from leaderboard.table import Row, Table

COMMITTED = Path(__file__).parent / "results"
LEVEL = 0.05


@dataclass(frozen=True)
class Differences:
    """How many means were compared, how many were outside, and a sentence for each of those."""

    compared: int
    outside: int
    sentences: list[str]


def compare(fresh: Table, committed: Table) -> Differences:
    """Hold every mean of `fresh` against the one of `committed`.

    Two means over n and n' seeds may differ by t * s * sqrt(1/n + 1/n'), with s the pooled standard
    deviation, t the two-sided Student quantile with n + n' - 2 degrees of freedom at level 0.05 over the
    number of means compared (Bonferroni). Means of one seed on either side are compared only for equality.
    """
    known = {_key(row): row for row in committed.rows if row.task != "*" and row.mean is not None}
    pairs = [(row, known[_key(row)]) for row in fresh.rows if row.mean is not None and _key(row) in known]
    sentences = []
    for row, other in pairs:
        assert row.mean is not None
        assert other.mean is not None
        allowed = tolerance(row, other, len(pairs))
        if abs(row.mean - other.mean) > allowed + 1e-9:
            sentences.append(
                f"{row.method}, {row.task} {row.metric}: {row.mean:.4g} here, {other.mean:.4g} committed, "
                f"seed noise allows a difference of {allowed:.2g}."
            )
    return Differences(len(pairs), len(sentences), sentences)


def tolerance(a: Row, b: Row, compared: int) -> float:
    """The largest difference of the two means that seed noise explains."""
    if a.seeds < 2 or b.seeds < 2 or a.ci_high is None or b.ci_high is None or a.mean is None or b.mean is None:
        return 0.0
    variances = [_variance(row.ci_high - row.mean, row.seeds) for row in (a, b) if row.ci_high and row.mean is not None]
    freedom = a.seeds + b.seeds - 2
    pooled = sum(v * (row.seeds - 1) for v, row in zip(variances, (a, b), strict=True)) / freedom
    quantile = float(stdtrit(freedom, 1 - LEVEL / (2 * compared)))
    return quantile * math.sqrt(pooled * (1 / a.seeds + 1 / b.seeds))


def _variance(half_width: float, seeds: int) -> float:
    """The variance over seeds behind a 95 % t interval of the mean."""
    return float((half_width / stdtrit(seeds - 1, 0.975)) ** 2 * seeds)


def _key(row: Row) -> tuple[str, str, str]:
    return row.method, row.task, row.metric
