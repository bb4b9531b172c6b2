"""Features that give a target away."""

from collections.abc import Sequence

import numpy as np

from bench.errors import make_printable
from suites._own.column_types import TableColumn

SAMPLE = 100_000  # rows that copies are looked for in


def find_leaks(inputs: Sequence[TableColumn], targets: Sequence[TableColumn]) -> list[str]:
    """Warnings on features that are a target, or a monotone or one-to-one copy of it, where both are there."""
    warnings = []
    for target in targets:
        for feature in inputs:
            if how := _compare(feature, target):
                warnings.append(
                    f"The feature `{make_printable(feature.name)}` {how} the target `{make_printable(target.name)}`: "
                    "it gives the answer away; leave it out with `--drop` unless it is known beforehand."
                )
    return warnings


def _compare(feature: TableColumn, target: TableColumn) -> str:
    """How a feature gives a target away; empty where it does not."""
    x, y = feature.values[:SAMPLE], target.values[:SAMPLE]
    both = ~(np.isnan(x) | np.isnan(y))
    if both.sum() < 3:
        return ""
    x, y = x[both], y[both]
    if np.array_equal(x, y) and feature.levels == target.levels:
        return "equals"
    ordered = feature.form != "category" and target.form != "category"
    # Different numbers of values exclude both kinds of copies, at the cost of no sort; values without a label beside
    # them may be a few more.
    apart = abs(feature.distinct - target.distinct)
    if min(feature.distinct, target.distinct) < 2 or apart > feature.missing + target.missing:
        return ""
    a, b = (np.unique(each, return_inverse=True)[1] for each in (x, y))
    if ordered:
        return "is a monotone copy of" if np.array_equal(a, b) or np.array_equal(a, b.max() - b) else ""
    pairs = len(np.unique(a.astype(np.int64) * (int(b.max()) + 1) + b))
    return "is a copy of" if pairs == a.max() + 1 == b.max() + 1 else ""
