"""Three definitions of the change against the reference, computed inside each seed."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench.scores import LARGEST
from leaderboard.analysis.statistics.cells import Cells, Column


def delta_flat(values: np.ndarray, reference: np.ndarray, columns: list[Column]) -> np.ndarray:
    """Change against the reference as the mean over all M metrics, percent, higher is better; one number per seed.

        delta_flat = 100/M * sum_m s_m (v_m - r_m) / r_m,   s_m = +1 where higher is better, else -1

    `values` and `reference` are [seed, column]. A task with more metrics weighs more. This is the
    negative of the delta_m of CAGrad, Nash-MTL and FAMO, after Maninis et al. (2019), eq. 4.
    """
    change: np.ndarray = _relative(values, reference, columns).mean(axis=1)
    return change


def delta_task(values: np.ndarray, reference: np.ndarray, columns: list[Column]) -> np.ndarray:
    """Change against the reference as the mean inside each task, then over the T tasks, percent, higher is better.

        delta_task = 100/T * sum_t 1/M_t * sum_{m in t} s_m (v_tm - r_tm) / r_tm

    `values` and `reference` are [seed, column]. Every task weighs the same: Maninis et al. (2019),
    as MTAN's later surveys and LibMTL compute it.
    """
    change = _relative(values, reference, columns)
    tasks = list(dict.fromkeys(column.task for column in columns))
    inside = [change[:, [column.task == task for column in columns]].mean(axis=1) for task in tasks]
    mean: np.ndarray = np.mean(inside, axis=0)
    return mean


def delta_log(errors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mean over tasks of log(error of the reference / error), natural logarithm, higher is better; one number per seed.

    `errors` and `reference` are [seed, task] primary errors, positive. 0.1 is about 10 % less error.
    """
    change: np.ndarray = np.log(reference / errors).mean(axis=1)
    return change


def percent_less(change: float) -> float:
    """A change in log error as per cent less error: 100 (1 - e^-change)."""
    return -100 * math.expm1(-change)


CHANGES: dict[str, Callable[[Cells, str], np.ndarray]] = {
    "delta_flat": lambda data, method: delta_flat(
        data.values_of(method), data.values_of(data.board.reference), data.columns
    ),
    "delta_task": lambda data, method: delta_task(
        data.values_of(method), data.values_of(data.board.reference), data.columns
    ),
    "delta_log": lambda data, method: delta_log(data.errors_of(method), data.errors_of(data.board.reference)),
}


def changes(data: Cells, method: str) -> dict[str, np.ndarray]:
    """The three changes of `method` per seed; NaN where either run of the pair is missing."""
    return {name: _change(data, method, name) for name in CHANGES}


def change_matrix(data: Cells, name: str = "delta_log") -> np.ndarray:
    """[method, seed] of the change `name`, in the order of the board. Raises ValueError for an unknown name."""
    if name not in CHANGES:
        raise ValueError(f"`change` should be one of {', '.join(CHANGES)}. Found `{name}`.")
    shape = len(data.board.methods), len(data.board.seed_list)
    return np.array([_change(data, method, name) for method in data.board.methods]).reshape(shape)


def replace_reference(data: Cells, reference: str) -> Cells:
    """The same cells, with changes measured against `reference`."""
    return replace(data, board=data.board.model_copy(update={"reference": reference}))


def log_gains(data: Cells) -> np.ndarray:
    """[method, seed] of minus the mean over tasks of the log error: their differences are Δ log of any two methods.

        g_ms = -1/T sum_t log e_mst

    Unlike a change against a reference it is there on seeds that only the reference lacks.
    """
    found: np.ndarray = -np.log(data.errors).mean(axis=2)
    return found


def gains(data: Cells) -> np.ndarray:
    """[method, seed, task]: log(error of the reference / error), natural logarithm, higher is better.

    The terms of `delta_log`, which is their mean over tasks: a scale on which tasks can be pooled.
    """
    if data.board.reference not in data.board.methods:
        return np.full_like(data.errors, np.nan)
    found: np.ndarray = np.log(data.errors_of(data.board.reference) / data.errors)
    return found


def _change(data: Cells, method: str, name: str) -> np.ndarray:
    """[seed] of the change `name`; NaN where nothing is stored of the reference."""
    if data.board.reference not in data.board.methods or not data.columns:
        return np.full(len(data.board.seed_list), np.nan)
    return CHANGES[name](data, method)


def _relative(values: np.ndarray, reference: np.ndarray, columns: list[Column]) -> np.ndarray:
    """Signed relative change in percent; no ratio is taken of a reference that is zero, negative, or next to zero."""
    sign = np.array([1.0 if column.metric.higher_is_better else -1.0 for column in columns])
    safe = np.where(reference > 0, reference, np.nan)
    with np.errstate(over="ignore"):
        change: np.ndarray = 100.0 * sign * (values - safe) / safe
    change[np.abs(change) > LARGEST] = np.nan
    return change
