"""Scores as pure functions of sufficient statistics; numpy only, used by training and leaderboard alike.

A *kind* says what the statistics of a task are, which metrics they give, and which positive error
(lower is better) stands for the task in selection and in `delta_log`. All of it stands in one place,
`register_kind`; a plug-in registers a kind of its own beside its suite.
"""

import base64
import math
import zlib
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from bench.kinds import KINDS, Kind, Metric, State, kind, metrics_of, register_kind, unknown_kinds

__all__ = [
    "ANGLE_BIN",
    "ANGLE_BINS",
    "KINDS",
    "MAX_COUNT",
    "Kind",
    "Metric",
    "State",
    "kind",
    "metrics_of",
    "pack_histogram",
    "primary_error",
    "register_kind",
    "score",
    "score_tasks",
    "unknown_kinds",
    "unpack_histogram",
]

LARGEST = 1e100  # of a metric: beyond, squares of it run over
MAX_COUNT = 2.0**53  # rows or pixels of one task: every whole number up to here is a float
T = TypeVar("T")


def _confusion(state: State) -> np.ndarray:
    rows = state["confusion"]
    matrix = np.asarray(rows)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    # numpy takes true beside whole numbers for 1
    truth = square and isinstance(rows, list) and any(isinstance(count, bool) for row in rows for count in row)
    if not square or truth or matrix.dtype.kind not in "iu" or matrix.min(initial=0) < 0:
        raise ValueError("`confusion` should be a square matrix of counts, truth by prediction.")
    if not 1 <= matrix.sum(dtype=float) <= MAX_COUNT:  # as floats: a sum of large counts may run over and look small
        raise ValueError("`confusion` should count at least one row, and at most 2^53.")
    return matrix.astype(np.int64, copy=False)


def _count(state: State, name: str = "count") -> int:
    count = state[name]
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_COUNT:
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
    if counts is None or not inflate.eof or counts.sum(dtype=float) > MAX_COUNT:
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
    count, total, squares = _count(state), state["target_sum"], _sum(state, "target_squares")
    if not isinstance(total, int | float) or isinstance(total, bool):
        raise ValueError("`target_sum` should be a number.")
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


def _between_borders(state: State) -> list[str]:
    """A sum of angles is one of angles that lie in the bins of the histogram."""
    counts = unpack_histogram(state["histogram"])
    low = float(ANGLE_BIN * (counts * np.arange(ANGLE_BINS)).sum(dtype=float))
    slack = 1e-6 * low + 1e-3  # of sums in single precision
    holds = low - slack <= state["angle_sum"] <= low + ANGLE_BIN * float(counts.sum()) + slack
    return [] if holds else ["`angle_sum` should be that of angles in the bins of `histogram`"]


def _labels(state: State) -> list[int]:
    """How often each class occurs in the truth."""
    return [sum(row) for row in state["confusion"]]


# {"confusion": C x C counts, truth by prediction}; accuracy = trace / sum
register_kind(
    "classification",
    Kind(
        metrics=(Metric("accuracy", True, "%", high=100.0),),
        compute=_accuracy,
        error=_error_rate,
        rows=lambda state: sum(_labels(state)),
        keys={"confusion"},
        truth=_labels,
        error_of=lambda scores: 1 - scores["accuracy"] / 100,
    ),
)
# {"count": n, "squared_error": sum (prediction - target)^2}; rmse = sqrt(squared_error / count)
register_kind(
    "regression",
    Kind(
        metrics=(Metric("rmse", False),),
        compute=lambda state: {"rmse": _rmse(state)},
        error=_rmse,
        keys={"count", "squared_error"},
        truth=lambda state: [state["count"]],
        error_of=lambda scores: scores["rmse"],
        trace=lambda state: [state["squared_error"]],
    ),
)
# {"count": n, "squared_error": sum (prediction - target)^2, "target_sum": sum target, "target_squares": sum target^2},
# added up over tasks where they are scored together; error rmse
register_kind(
    "explained",
    Kind(
        metrics=(Metric("explained_variance", True, "%", low=-math.inf, high=100.0), Metric("rmse", False)),
        compute=_explained,
        error=_rmse,
        rows=lambda state: int(state["count"]),
        keys={"count", "squared_error", "target_sum", "target_squares"},
        truth=lambda state: [state["count"]],
        error_of=lambda scores: scores["rmse"],
        trace=lambda state: [state["squared_error"]],
    ),
)
# {"positives": P, "negatives": N, "wins": pairs in which the positive row is ranked higher, ties half}; auc = wins /
# (P N); error 1 - auc
register_kind(
    "ranking",
    Kind(
        metrics=(Metric("auc", True, "%", high=100.0),),
        compute=_ranking,
        error=_ranking_error,
        rows=lambda state: int(state["positives"]) + int(state["negatives"]),
        keys={"positives", "negatives", "wins"},
        truth=lambda state: [state["positives"], state["negatives"]],
        error_of=lambda scores: 1 - scores["auc"] / 100,
    ),
)
# {"confusion": C x C counts of pixels, truth by prediction}; miou = mean over the classes that occur in the truth of
# tp / (tp + fp + fn), pixel_accuracy = trace / sum; error 1 - miou
register_kind(
    "segmentation",
    Kind(
        metrics=(Metric("miou", True, "%", high=100.0), Metric("pixel_accuracy", True, "%", high=100.0)),
        compute=_segmentation,
        error=_miss,
        keys={"confusion"},
        truth=_labels,
        error_of=lambda scores: 1 - scores["miou"] / 100,
    ),
)
# {"count": valid pixels, "absolute_error": sum |d^ - d|, "relative_error": sum |d^ - d| / d}
register_kind(
    "depth",
    Kind(
        metrics=(Metric("abs_err", False, "m"), Metric("rel_err", False)),
        compute=_depth,
        error=lambda state: max(_depth(state)["abs_err"], 1e-12),
        keys={"count", "absolute_error", "relative_error"},
        truth=lambda state: [state["count"]],
        error_of=lambda scores: scores["abs_err"],
    ),
)
# {"count": valid pixels, "angle_sum": sum of angles in degrees, "histogram": packed counts of 0.05 degree bins}
register_kind(
    "normals",
    Kind(
        metrics=(
            Metric("mean_angle", False, "°"),
            Metric("median_angle", False, "°"),
            *(Metric(f"within_{angle:g}", True, "%", high=100.0) for angle in WITHIN),
        ),
        compute=_angles,
        error=lambda state: max(_angles(state)["mean_angle"], 1e-9),
        keys={"count", "angle_sum", "histogram"},
        truth=lambda state: [state["count"]],
        error_of=lambda scores: scores["mean_angle"],
        contradictions=_between_borders,
    ),
)


def score(name: str, state: State) -> dict[str, float]:
    """Metric -> value of the statistics `state` of kind `name`. Raises ValueError where they cannot be scored."""
    values = _call(name, kind(name).compute, state)
    if values.keys() != (names := {metric.name for metric in kind(name).metrics}):
        raise ValueError(f"The kind of metric `{name}` should compute {sorted(names)}. Found {sorted(values)}.")
    if large := [metric for metric, value in values.items() if not abs(value) <= LARGEST]:
        raise ValueError(f"`{large[0]}` should be finite, at most {LARGEST:g}. Found {values[large[0]]:g}.")
    return values


def primary_error(name: str, state: State) -> float:
    """The positive error, lower is better, that stands for the task in selection and in `delta_log`."""
    return _call(name, kind(name).error, state)


def score_tasks(kinds: Mapping[str, str], states: Mapping[str, State], split: str) -> dict[str, dict[str, float]]:
    """task -> metric -> value on a split, `kinds` being task -> kind. Raises ValueError that names task and split."""
    found = {}
    for task, state in states.items():
        try:
            found[task] = score(kinds[task], state)
        except ValueError as error:
            raise ValueError(f"What `{task}` has in `{split}` should give a score. Found: {error}") from error
    return found


def _call(name: str, function: Callable[[State], T], state: State) -> T:
    """A function of a kind, which may be a plug-in's: whatever it cannot take is a ValueError."""
    if missing := sorted(set(kind(name).keys) - state.keys()):
        raise ValueError(f"The statistics of `{name}` should hold `{missing[0]}`.")
    try:
        return function(state)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ValueError(f"The statistics should be those of `{name}`. Found {found}.") from error
