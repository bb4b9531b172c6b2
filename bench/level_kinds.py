"""Kinds of metrics for levels in an order and for counts; numpy only, as `bench.scores`, which registers them.

Statistics add up over rows that have a label, so that tables with missing labels are scored on what they hold.
"""

import numpy as np

from bench.kinds import Kind, Metric, State
from bench.stored_statistics import read_confusion, read_count, read_sum


def _distances(levels: int) -> np.ndarray:
    """|i - j| of levels i and j, (K, K)."""
    distances: np.ndarray = np.abs(np.subtract.outer(np.arange(levels), np.arange(levels)))
    return distances


def _level_error(state: State) -> float:
    """sum c_ij |i - j| / sum c_ij: by how many levels predictions are off, on average."""
    matrix = read_confusion(state)
    return float((matrix * _distances(len(matrix))).sum(dtype=float)) / float(matrix.sum())


def _score_levels(state: State) -> dict[str, float]:
    """The mean distance in levels, and the share of rows that are exactly right, in per cent."""
    matrix = read_confusion(state)
    return {"level_error": _level_error(state), "accuracy": 100.0 * float(matrix.trace()) / float(matrix.sum())}


def _bounded_level_error(state: State) -> float:
    """The mean distance, at least half a level of one row so that its logarithm exists."""
    return max(_level_error(state), 0.5 / float(read_confusion(state).sum()))


def _score_counts(state: State) -> dict[str, float]:
    """2 sum (y log(y / mu) - y + mu) / n: the mean deviance of a Poisson model; 0 where every rate is its count."""
    return {"deviance": read_sum(state, "deviance") / read_count(state)}


# {"confusion": K x K counts of levels, truth by prediction}; level_error = sum c_ij |i - j| / sum c_ij
ORDINAL = Kind(
    metrics=(Metric("level_error", False), Metric("accuracy", True, "%", high=100.0)),
    compute=_score_levels,
    error=_bounded_level_error,
    keys={"confusion"},
    truth=lambda state: [sum(row) for row in state["confusion"]],
    error_of=lambda scores: scores["level_error"],
)
# {"count": n, "target_sum": sum y, "deviance": 2 sum (y log(y / mu) - y + mu)}; deviance / n
COUNTS = Kind(
    metrics=(Metric("deviance", False),),
    compute=_score_counts,
    error=lambda state: max(_score_counts(state)["deviance"], 1e-12),
    keys={"count", "target_sum", "deviance"},
    truth=lambda state: [state["count"], state["target_sum"]],
    error_of=lambda scores: scores["deviance"],
    trace=lambda state: [state["deviance"]],
)
