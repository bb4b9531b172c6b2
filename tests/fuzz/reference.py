"""Scores and tables once more, from the text of records alone: plain Python that shares no line with the project.

Stricter than it need be about types, so that whatever a table shows rests on numbers that a reader of the file sees.
"""

import base64
import math
import struct
import zlib
from statistics import fmean
from typing import Any

State = dict[str, Any]


def whole(value: Any, least: int = 0) -> int:
    """A count."""
    assert type(value) is int, f"{value!r} should be a whole number"
    assert least <= value <= 2**53
    return value


def number(value: Any) -> float:
    """A finite number."""
    assert type(value) in (int, float), f"{value!r} should be a number"
    assert math.isfinite(value)
    return float(value)


def confusion(state: State) -> list[list[int]]:
    """A square matrix of counts."""
    rows = [[whole(count) for count in row] for row in state["confusion"]]
    assert all(len(row) == len(rows) for row in rows)
    assert sum(map(sum, rows)) >= 1
    return rows


def histogram(state: State) -> list[int]:
    """Counts of 3600 bins."""
    return list(struct.unpack("<3600Q", zlib.decompress(base64.b64decode(state["histogram"], validate=True))))


def accuracy(state: State) -> float:
    rows = confusion(state)
    return 100 * sum(rows[i][i] for i in range(len(rows))) / sum(map(sum, rows))


def overlap(state: State) -> float:
    rows = confusion(state)
    columns = [sum(column) for column in zip(*rows, strict=True)]
    shares = [rows[i][i] / (sum(rows[i]) + columns[i] - rows[i][i]) for i in range(len(rows)) if sum(rows[i])]
    return fmean(shares)


def rmse(state: State) -> float:
    assert number(state["squared_error"]) >= 0
    return max(math.sqrt(state["squared_error"] / whole(state["count"], 1)), 1e-12)


def auc(state: State) -> float:
    pairs = whole(state["positives"], 1) * whole(state["negatives"], 1)
    assert 0 <= number(state["wins"]) <= pairs
    return state["wins"] / pairs


def angles(state: State) -> dict[str, float]:
    counts, n = histogram(state), whole(state["count"], 1)
    assert sum(counts) == n
    assert 0 <= number(state["angle_sum"]) <= 180 * n * (1 + 1e-9)

    def bin_of(rank: int) -> int:
        below = 0
        for place, count in enumerate(counts):
            below += count
            if below > rank:
                return place
        raise AssertionError

    middle = (bin_of((n - 1) // 2) + bin_of(n // 2)) / 2 + 0.5
    within = {
        f"within_{name}": 100 * sum(counts[:end]) / n for name, end in [("11.25", 225), ("22.5", 450), ("30", 600)]
    }
    return {"mean_angle": state["angle_sum"] / n, "median_angle": middle * 0.05, **within}


def explained(state: State) -> float:
    total, squares, count = number(state["target_sum"]), number(state["target_squares"]), whole(state["count"], 2)
    return 100 * (1 - state["squared_error"] / (squares - total**2 / count))


def mean_error(state: State, name: str) -> float:
    assert number(state[name]) >= 0
    return float(state[name] / whole(state["count"], 1))


def scores(kind: str, state: State) -> dict[str, float]:
    """Metric -> value, in the order of a table."""
    match kind:
        case "classification":
            return {"accuracy": accuracy(state)}
        case "regression":
            return {"rmse": rmse(state)}
        case "explained":
            return {"explained_variance": explained(state), "rmse": rmse(state)}
        case "ranking":
            return {"auc": 100 * auc(state)}
        case "segmentation":
            return {"miou": 100 * overlap(state), "pixel_accuracy": accuracy(state)}
        case "depth":
            return {"abs_err": mean_error(state, "absolute_error"), "rel_err": mean_error(state, "relative_error")}
        case "normals":
            return angles(state)
    raise AssertionError(kind)


def error(kind: str, state: State) -> float:
    """The one error that stands for a task, above 0."""
    match kind:
        case "classification":
            total = sum(map(sum, confusion(state)))
            return max(1 - accuracy(state) / 100, 0.5 / total)
        case "segmentation":
            return max(1 - overlap(state), 0.5 / sum(map(sum, confusion(state))))
        case "ranking":
            return max(1 - auc(state), 0.5 / (state["positives"] * state["negatives"]))
        case "depth":
            return max(scores(kind, state)["abs_err"], 1e-12)
        case "normals":
            return max(scores(kind, state)["mean_angle"], 1e-9)
    return rmse(state)


def table(
    runs: dict[tuple[str, int], dict[str, Any]], reference: str, rule: str
) -> dict[tuple[str, str, str], tuple[float, int]]:
    """(method, task, metric) -> mean and number of runs, of (method, seed) -> record as its file has it.

    Task `*` has `delta_log`, against the reference at the same seed.
    """
    found: dict[tuple[str, str, str], list[float]] = {}
    errors: dict[tuple[str, int], dict[str, float]] = {}
    for (method, seed), run in runs.items():
        kinds = run["spec"]["protocol"]["metrics"]
        states = run["statistics"].get(rule, {})
        for task, state in states.items():
            for metric, value in scores(kinds[task], state).items():
                found.setdefault((method, task, metric), []).append(value)
        errors[method, seed] = {task: error(kinds[task], state) for task, state in states.items()}
    for (method, seed), own in errors.items():
        if (other := errors.get((reference, seed))) and own:
            gain = fmean(math.log(other[task] / own[task]) for task in own)
            found.setdefault((method, "", "delta_log"), []).append(gain)
    return {key: (fmean(values), len(values)) for key, values in found.items()}
