"""Is a reproduced table the committed one, up to seed noise?"""

import math
from collections.abc import Sequence
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


def compare(fresh: Sequence[Table], committed: Sequence[Table]) -> Differences:
    """Hold every mean in the parts of `fresh` against the one in those of `committed`.

    Two means over n and n' seeds may differ by t * s * sqrt(1/n + 1/n'), with s the pooled standard
    deviation, t the two-sided Student quantile with n + n' - 2 degrees of freedom at level 0.05 over the
    number of means compared (Bonferroni). A mean of one seed has no deviation and is not compared.
    """
    known = {_key(row): row for part in committed for row in part.rows if row.task != "*" and row.seeds > 1}
    pairs = [(row, known[_key(row)]) for part in fresh for row in part.rows if row.seeds > 1 and _key(row) in known]
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
    variances = [
        _variance(row.ci_high - row.mean, row.seeds)
        for row in (a, b)
        if row.ci_high is not None and row.mean is not None
    ]
    freedom = a.seeds + b.seeds - 2
    pooled = sum(v * (row.seeds - 1) for v, row in zip(variances, (a, b), strict=True)) / freedom
    quantile = float(stdtrit(freedom, 1 - LEVEL / (2 * compared)))
    return quantile * math.sqrt(pooled * (1 / a.seeds + 1 / b.seeds))


def _variance(half_width: float, seeds: int) -> float:
    """The variance over seeds behind a 95 % t interval of the mean."""
    return float((half_width / stdtrit(seeds - 1, 0.975)) ** 2 * seeds)


def _key(row: Row) -> tuple[str, str, str, str]:
    return row.suite, row.method, row.task, row.metric
