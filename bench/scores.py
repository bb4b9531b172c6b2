"""Scores as pure functions of sufficient statistics; numpy only, used by training and leaderboard alike.

A *kind* says what the statistics of a task are, which metrics they give, and which positive error
(lower is better) stands for the task in selection and in `delta_log`.
"""

import base64
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

State = Mapping[str, Any]
MOST = 2.0**53  # rows or pixels of one task: every whole number up to here is a float


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
    rows: Callable[[State], int] | None = None  # how many rows of the split were counted, where that can be told


def _confusion(state: State) -> np.ndarray:
    matrix = np.asarray(state["confusion"])
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    if not square or matrix.dtype.kind not in "iu" or matrix.min(initial=0) < 0:
        raise ValueError("`confusion` should be a square matrix of counts, truth by prediction.")
    if not 1 <= matrix.sum(dtype=float) <= MOST:  # as floats: a sum of large counts may run over and look small
        raise ValueError("`confusion` should count at least one row, and at most 2^53.")
    return matrix.astype(np.int64, copy=False)


def _count(state: State, name: str = "count") -> int:
    count = state[name]
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
        raise ValueError(f"`{name}` should be a whole number, at least 1 and at most 2^53.")
    return count


def _sum(state: State, name: str) -> float:
    total = state[name]
    if not isinstance(total, int | float) or isinstance(total, bool) or not 0 <= total <= 1e300:
        raise ValueError(f"`{name}` should be a finite number, at least 0.")
    return float(total)


def _accuracy(state: State) -> dict[str, float]:
    matrix = _confusion(state)
    return {"accuracy": 100.0 * float(matrix.trace()) / float(matrix.sum())}


def _error_rate(state: State) -> float:
    """Wrong rows over all rows, at least half a row so that its logarithm exists."""
    matrix = _confusion(state)
    total = int(matrix.sum())
    return max(total - int(np.trace(matrix)), 0.5) / total


def _rmse(state: State) -> float:
    return max(math.sqrt(_sum(state, "squared_error") / _count(state)), 1e-12)


def _overlap(matrix: np.ndarray) -> float:
    """Mean over the classes that occur in the truth of intersection / union, in [0, 1]."""
    hits = np.diag(matrix)
    truth, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    present = truth > 0
    return float((hits[present] / (truth + predicted - hits)[present]).mean())


def _segmentation(state: State) -> dict[str, float]:
    return {"miou": 100.0 * _overlap(_confusion(state)), "pixel_accuracy": _accuracy(state)["accuracy"]}


def _miss(state: State) -> float:
    """1 - mIoU, at least half a pixel's share so that its logarithm exists."""
    matrix = _confusion(state)
    return max(1.0 - _overlap(matrix), 0.5 / float(matrix.sum()))


def _depth(state: State) -> dict[str, float]:
    count = _count(state)
    return {"abs_err": _sum(state, "absolute_error") / count, "rel_err": _sum(state, "relative_error") / count}


ANGLE_BIN = 0.05  # degrees; 11.25, 22.5 and 30 lie on borders of bins
ANGLE_BINS = 3600
WITHIN = (11.25, 22.5, 30.0)


def pack_histogram(counts: np.ndarray) -> str:
    """Counts of the ANGLE_BINS bins as text: base64 of zlib of little-endian uint64."""
    return base64.b64encode(zlib.compress(np.asarray(counts, dtype="<u8").tobytes(), 9)).decode("ascii")


def unpack_histogram(text: str) -> np.ndarray:
    """The counts, int64 (ANGLE_BINS,). Raises ValueError where the text holds anything else."""
    size = ANGLE_BINS * 8
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), size + 1)
    except (TypeError, zlib.error) as error:
        raise ValueError(f"`histogram` cannot be unpacked ({error}).") from error
    counts = np.frombuffer(data, dtype="<u8") if len(data) == size else None
    if counts is None or not inflate.eof or counts.sum(dtype=float) > MOST:
        raise ValueError(f"`histogram` should hold {ANGLE_BINS} counts.")
    return counts.astype(np.int64)


def _angles(state: State) -> dict[str, float]:
    """Mean from the sum; shares from the borders of bins; the median in the middle of its bin."""
    counts, total = unpack_histogram(state["histogram"]), _sum(state, "angle_sum")
    count = int(counts.sum())
    if count != _count(state) or total > 180.0 * count * (1 + 1e-9):
        raise ValueError("`count` should be that of `histogram`, at least 1, and `angle_sum` between 0 and 180 each.")
    below = np.cumsum(counts)
    # The median of an even count is the mean of the two middle angles, each known to half a bin.
    middle = [int(np.searchsorted(below, rank, side="right")) for rank in ((count - 1) // 2, count // 2)]
    within = {f"within_{angle:g}": 100.0 * float(below[round(angle / ANGLE_BIN) - 1]) / count for angle in WITHIN}
    return {
        "mean_angle": total / count,
        "median_angle": (sum(middle) / 2 + 0.5) * ANGLE_BIN,
        **within,
    }


def _explained(state: State) -> dict[str, float]:
    """Explained variance 1 - squared errors / squared deviations of the targets from their mean, and rmse."""
    count, total, squares = _count(state), float(state["target_sum"]), _sum(state, "target_squares")
    spread = squares - total**2 / count
    if count < 2 or not (math.isfinite(spread) and spread > 0):
        raise ValueError("`count` should be at least 2, and the targets not all the same.")
    return {"explained_variance": 100.0 * (1.0 - _sum(state, "squared_error") / spread), "rmse": _rmse(state)}


def _ranking(state: State) -> dict[str, float]:
    positives, negatives, wins = _count(state, "positives"), _count(state, "negatives"), _sum(state, "wins")
    if wins > positives * negatives:
        raise ValueError("`positives` and `negatives` should be at least 1, and `wins` at most their product.")
    return {"auc": 100.0 * wins / (positives * negatives)}


def _ranking_error(state: State) -> float:
    """1 - AUC, at least half a pair so that its logarithm exists."""
    pairs = int(state["positives"]) * int(state["negatives"])
    return max(1.0 - _ranking(state)["auc"] / 100.0, 0.5 / pairs)


KINDS: dict[str, Kind] = {
    # {"confusion": C x C counts, truth by prediction}; accuracy = trace / sum
    "classification": Kind(
        (Metric("accuracy", True, "%"),), _accuracy, _error_rate, lambda state: sum(map(sum, state["confusion"]))
    ),
    # {"count": n, "squared_error": sum (prediction - target)^2}; rmse = sqrt(squared_error / count)
    "regression": Kind((Metric("rmse", False),), lambda state: {"rmse": _rmse(state)}, _rmse),
    # {"count": n, "squared_error": sum (prediction - target)^2, "target_sum": sum target, "target_squares": sum
    # target^2}, added up over tasks where they are scored together; error rmse
    "explained": Kind(
        (Metric("explained_variance", True, "%"), Metric("rmse", False)),
        _explained,
        _rmse,
        lambda state: int(state["count"]),
    ),
    # {"positives": P, "negatives": N, "wins": pairs in which the positive row is ranked higher, ties half}; auc =
    # wins / (P N); error 1 - auc
    "ranking": Kind(
        (Metric("auc", True, "%"),),
        _ranking,
        _ranking_error,
        lambda state: int(state["positives"]) + int(state["negatives"]),
    ),
    # {"confusion": C x C counts of pixels, truth by prediction}; miou = mean over the classes that occur in the
    # truth of tp / (tp + fp + fn), pixel_accuracy = trace / sum; error 1 - miou
    "segmentation": Kind((Metric("miou", True, "%"), Metric("pixel_accuracy", True, "%")), _segmentation, _miss),
    # {"count": valid pixels, "absolute_error": sum |d^ - d|, "relative_error": sum |d^ - d| / d}
    "depth": Kind(
        (Metric("abs_err", False, "m"), Metric("rel_err", False)),
        _depth,
        lambda state: max(_depth(state)["abs_err"], 1e-12),
    ),
    # {"count": valid pixels, "angle_sum": sum of angles in degrees, "histogram": packed counts of 0.05 degree bins}
    "normals": Kind(
        (
            Metric("mean_angle", False, "°"),
            Metric("median_angle", False, "°"),
            *(Metric(f"within_{angle:g}", True, "%") for angle in WITHIN),
        ),
        _angles,
        lambda state: max(_angles(state)["mean_angle"], 1e-9),
    ),
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
