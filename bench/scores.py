"""Scores as pure functions of sufficient statistics; numpy only, used by training and leaderboard alike.

A *kind* says what the statistics of a task are, which metrics they give, and which positive error
(lower is better) stands for the task in selection and in `delta_log`. All of it stands in one place,
`register_kind`; a plug-in registers a kind of its own beside its suite.

Statistics may come from a record that somebody else wrote, so every number is checked before use.
Errors from counts are at least half a row, pixel or pair: the logarithm of a perfect score exists,
and lies below that of one mistake.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from bench.joint_kinds import MULTILABEL
from bench.kinds import KINDS, Kind, Metric, State, explain_unknown_kinds, find_kind, list_metrics, register_kind
from bench.level_kinds import COUNTS, ORDINAL
from bench.stored_statistics import (
    ANGLE_BIN,
    ANGLE_BINS,
    MAX_COUNT,
    pack_histogram,
    read_confusion,
    read_count,
    read_sum,
    unpack_histogram,
)
from bench.tag_kinds import SPANS, TOKENS

__all__ = [
    "ANGLE_BIN",
    "ANGLE_BINS",
    "KINDS",
    "MAX_COUNT",
    "Kind",
    "Metric",
    "State",
    "explain_unknown_kinds",
    "find_kind",
    "list_metrics",
    "pack_histogram",
    "primary_error",
    "register_kind",
    "score",
    "score_tasks",
    "unpack_histogram",
]

WITHIN = (11.25, 22.5, 30.0)  # degrees: the thresholds that papers on surface normals report
LARGEST = 1e100  # of a metric: beyond, statistics of the leaderboard that square it overflow
T = TypeVar("T")


def _accuracy(state: State) -> dict[str, float]:
    """100 trace / sum, in per cent."""
    matrix = read_confusion(state)
    return {"accuracy": 100.0 * float(matrix.trace()) / float(matrix.sum())}


def _error_rate(state: State) -> float:
    """Wrong rows over all rows, at least half a row so that its logarithm exists.

    1 - accuracy, as a share and not in per cent.
    """
    matrix = read_confusion(state)
    total = int(matrix.sum())
    return max(total - int(np.trace(matrix)), 0.5) / total


def _rmse(state: State) -> float:
    """sqrt(squared_error / count), at least 1e-12 so that its logarithm exists.

    In the unit of the targets.
    """
    return max(math.sqrt(read_sum(state, "squared_error") / read_count(state)), 1e-12)


def _mean_iou(matrix: np.ndarray) -> float:
    """Mean over the classes that occur in the truth of intersection / union, in [0, 1].

    A class that occurs in predictions only has no term; its pixels are misses of the true classes.
    """
    hits = np.diag(matrix)
    truth, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    present = truth > 0
    return float((hits[present] / (truth + predicted - hits)[present]).mean())


def _segmentation(state: State) -> dict[str, float]:
    """mIoU and accuracy over pixels, both in per cent."""
    return {"miou": 100.0 * _mean_iou(read_confusion(state)), "pixel_accuracy": _accuracy(state)["accuracy"]}


def _miou_error(state: State) -> float:
    """1 - mIoU, at least half a pixel's share so that its logarithm exists.

    In [0.5 / pixels, 1].
    """
    matrix = read_confusion(state)
    return max(1.0 - _mean_iou(matrix), 0.5 / float(matrix.sum()))


def _depth(state: State) -> dict[str, float]:
    """Mean absolute error in metres, and mean error as a share of the true depth.

    Over valid pixels: those with a depth in the truth.
    """
    count = read_count(state)
    return {
        "abs_err": read_sum(state, "absolute_error") / count,
        "rel_err": read_sum(state, "relative_error") / count,
    }


def _angles(state: State) -> dict[str, float]:
    """Mean from the sum; shares from the borders of bins; the median in the middle of its bin.

    The median is known to half a bin, 0.025 degrees; mean and shares are exact.
    """
    counts, total = unpack_histogram(state["histogram"]), read_sum(state, "angle_sum")
    count = int(counts.sum())
    if count != read_count(state) or total > 180.0 * count * (1 + 1e-9):
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


def _explained_variance(state: State) -> dict[str, float]:
    """Explained variance 1 - squared errors / squared deviations of the targets from their mean, and rmse.

    In per cent; negative where the model does worse than the mean of the targets.
    """
    count, total, squares = read_count(state), state["target_sum"], read_sum(state, "target_squares")
    if not isinstance(total, int | float) or isinstance(total, bool):
        raise ValueError("`target_sum` should be a number.")
    spread = squares - total**2 / count
    if count < 2 or not (math.isfinite(spread) and spread > 0):
        raise ValueError("`count` should be at least 2, and the targets not all the same.")
    return {"explained_variance": 100.0 * (1.0 - read_sum(state, "squared_error") / spread), "rmse": _rmse(state)}


def _ranking(state: State) -> dict[str, float]:
    """Area under the ROC curve, in per cent: the share of pairs that are ranked right, ties counting half.

    auc = 100 wins / (positives negatives); 50 is chance.
    """
    positives, negatives, wins = (
        read_count(state, "positives"),
        read_count(state, "negatives"),
        read_sum(state, "wins"),
    )
    if wins > positives * negatives:
        raise ValueError("`positives` and `negatives` should be at least 1, and `wins` at most their product.")
    return {"auc": 100.0 * wins / (positives * negatives)}


def _ranking_error(state: State) -> float:
    """1 - AUC, at least half a pair so that its logarithm exists."""
    pairs = int(state["positives"]) * int(state["negatives"])
    return max(1.0 - _ranking(state)["auc"] / 100.0, 0.5 / pairs)


def _check_angle_sum(state: State) -> list[str]:
    """A sentence where `angle_sum` cannot be a sum of angles that lie in the bins of the histogram.

    The sum lies between that of all lower borders and that of all upper ones.
    """
    counts = unpack_histogram(state["histogram"])
    low = float(ANGLE_BIN * (counts * np.arange(ANGLE_BINS)).sum(dtype=float))
    slack = 1e-6 * low + 1e-3  # of sums in single precision
    holds = low - slack <= state["angle_sum"] <= low + ANGLE_BIN * float(counts.sum()) + slack
    return [] if holds else ["`angle_sum` should be that of angles in the bins of `histogram`"]


def _count_labels(state: State) -> list[int]:
    """How often each class occurs in the truth, int (C,): the sums of the rows."""
    return [sum(row) for row in state["confusion"]]


# {"confusion": C x C counts, truth by prediction}; accuracy = trace / sum
register_kind(
    "classification",
    Kind(
        metrics=(Metric("accuracy", True, "%", high=100.0),),
        compute=_accuracy,
        error=_error_rate,
        rows=lambda state: sum(_count_labels(state)),
        right=lambda state: int(np.trace(read_confusion(state))),
        keys={"confusion"},
        truth=_count_labels,
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
        compute=_explained_variance,
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
        error=_miou_error,
        keys={"confusion"},
        truth=_count_labels,
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
        contradictions=_check_angle_sum,
    ),
)
register_kind("ordinal", ORDINAL)
register_kind("counts", COUNTS)
register_kind("tokens", TOKENS)
register_kind("spans", SPANS)
register_kind("multilabel", MULTILABEL)
# of one class for each binary task: the confusion matrix of the class whose task scores highest. Rows are judged by all
# tasks at once, so that none says by itself which rows are right
register_kind("one_against_rest", replace(find_kind("classification"), right=None))


def score(name: str, state: State) -> dict[str, float]:
    """Metric -> value of the statistics `state` of kind `name`.

    Raises:
        ValueError: the kind is unknown, the statistics are not of this kind, or a value is not finite
            or above 1e100.
    """
    values = _call(name, find_kind(name).compute, state)
    if values.keys() != (names := {metric.name for metric in find_kind(name).metrics}):
        raise ValueError(f"The kind of metric `{name}` should compute {sorted(names)}. Found {sorted(values)}.")
    if large := [metric for metric, value in values.items() if not abs(value) <= LARGEST]:
        raise ValueError(f"`{large[0]}` should be finite, at most {LARGEST:g}. Found {values[large[0]]:g}.")
    return values


def primary_error(name: str, state: State) -> float:
    """The positive error, lower is better, that stands for the task in selection and in `delta_log`.

    name: of its kind.
    state: statistics of one task on one split.

    Raises ValueError as `score`.
    """
    return _call(name, find_kind(name).error, state)


def score_tasks(kinds: Mapping[str, str], states: Mapping[str, State], split: str) -> dict[str, dict[str, float]]:
    """task -> metric -> value of the statistics of several tasks.

    kinds: task -> name of its kind.
    states: task -> its statistics.
    split: where the statistics come from, for the sentence of an error.

    Raises ValueError that names task and split.
    """
    scores = {}
    for task, state in states.items():
        try:
            scores[task] = score(kinds[task], state)
        except ValueError as error:
            raise ValueError(f"What `{task}` has in `{split}` should give a score. Found: {error}") from error
    return scores


def _call(name: str, function: Callable[[State], T], state: State) -> T:
    """Call a function of a kind, which may be a plug-in's. Whatever it cannot take is a ValueError.

    name: of the kind, for the sentence and for the statistics that it wants.
    """
    if missing := sorted(set(find_kind(name).keys) - state.keys()):
        raise ValueError(f"The statistics of `{name}` should hold `{missing[0]}`.")
    try:
        return function(state)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"The statistics should be those of `{name}`. Found {reason}.") from error
