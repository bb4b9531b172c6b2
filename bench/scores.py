"""Scores as pure functions of sufficient statistics; numpy only, used by training and leaderboard alike.

A *kind* says what the statistics of a task are, which metrics they give, and which positive error
(lower is better) stands for the task in selection and in `delta_log`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

State = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One number of a table: its name, its direction and its unit."""

    name: str
    higher_is_better: bool
    unit: str = ""


@dataclass(frozen=True)
class Kind:
    """How the statistics of a task become metrics and one primary error."""

    metrics: tuple[Metric, ...]
    compute: Callable[[State], dict[str, float]]
    error: Callable[[State], float]


def _confusion(state: State) -> np.ndarray:
    matrix = np.asarray(state["confusion"])
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.dtype.kind not in "iu" or (matrix < 0).any():
        raise ValueError("`confusion` should be a square matrix of counts, truth by prediction.")
    if matrix.sum() == 0:
        raise ValueError("`confusion` should count at least one row.")
    return matrix.astype(np.int64)


def _accuracy(state: State) -> dict[str, float]:
    matrix = _confusion(state)
    return {"accuracy": 100.0 * float(np.trace(matrix)) / float(matrix.sum())}


def _error_rate(state: State) -> float:
    """Wrong rows over all rows, at least half a row so that its logarithm exists."""
    matrix = _confusion(state)
    total = int(matrix.sum())
    return max(total - int(np.trace(matrix)), 0.5) / total


def _rmse(state: State) -> float:
    count, squares = int(state["count"]), float(state["squared_error"])
    if count < 1 or not (squares >= 0 and math.isfinite(squares)):
        raise ValueError("`count` should be at least 1 and `squared_error` finite and non-negative.")
    return max(math.sqrt(squares / count), 1e-12)


KINDS: dict[str, Kind] = {
    # {"confusion": C x C counts, truth by prediction}; accuracy = trace / sum
    "classification": Kind((Metric("accuracy", True, "%"),), _accuracy, _error_rate),
    # {"count": n, "squared_error": sum (prediction - target)^2}; rmse = sqrt(squared_error / count)
    "regression": Kind((Metric("rmse", False),), lambda state: {"rmse": _rmse(state)}, _rmse),
}


def kind(name: str) -> Kind:
    """The kind called `name`. Raises KeyError with the known ones."""
    if name not in KINDS:
        raise KeyError(f"unknown kind of metric `{name}`; known: {', '.join(sorted(KINDS))}")
    return KINDS[name]


def score(name: str, state: State) -> dict[str, float]:
    """Metric -> value of the statistics `state` of kind `name`."""
    return kind(name).compute(state)


def primary_error(name: str, state: State) -> float:
    """The positive error, lower is better, that stands for the task in selection and in `delta_log`."""
    return kind(name).error(state)
