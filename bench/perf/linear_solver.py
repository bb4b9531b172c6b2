"""The linear solver against the clock: a path on School, and joint features on common inputs beside celer."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.catalogue.registry import choose
from bench.core.constraint import Coupled
from bench.errors import DataMissing
from bench.linear.choose import path
from bench.linear.family import PenaltyFamily
from bench.linear.minimise import minimise
from bench.linear.objective import TOLERANCE, Objective
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from bench.perf.harness import alternate
from bench.planning.plan import parse_suite
from bench.records import parse_call

CONSTRAINT, STRENGTHS, SPAN = "l21", 50, 1e-3
ROWS, INPUTS, TASKS, USED, NOISE, SHARE = 300, 1000, 20, 30, 1.0, 0.1  # of the problem on common inputs


def measure_linear(data_dir: Path, rounds: int = 9) -> list[dict[str, Any]]:
    """Two rows, in the shape of `perf --linear --json`.

    A path of 50 strengths, from the critical one to a thousandth of it, on the training part of School's first split
    (or, where its file is not there, on rows of its sizes), each certified to 1e-8; and one strength on common inputs,
    certified to the gap that celer has reached there, both in turn.
    """
    torch.set_num_threads(1)
    return [_path(data_dir, min(rounds, 3)), _common(rounds)]


def _path(data_dir: Path, rounds: int) -> dict[str, Any]:
    try:
        name, rows = "school", _school(data_dir)
    except DataMissing:
        name, rows = "rows of School's sizes", _like_school()
    loss = Squared(rows, 0.0)
    family = _family(rows)
    strengths = family.strengths(loss, {}, STRENGTHS, SPAN)
    times, worst, count = [], 0.0, 0
    for _ in range(rounds):
        wall, processor = time.perf_counter(), time.process_time()
        found = [solution for _, solution in path(loss, family, {}, strengths)]
        times.append((time.perf_counter() - wall, time.process_time() - processor))
        worst, count = max(s.certificate.value for s in found), sum(s.iterations for s in found)
    return {
        "what": f"{CONSTRAINT}, a path of {STRENGTHS} strengths",
        "on": f"{name}: {len(rows.names)} tasks, {rows.features} inputs, {int(rows.counts.sum())} rows",
        "seconds": statistics.median(wall for wall, _ in times),
        "processor_seconds": statistics.median(processor for _, processor in times),
        "iterations": count,
        "gap": worst,
    }


def _common(rounds: int) -> dict[str, Any]:
    """Ours beside celer's, to one gap; without celer, ours alone to 1e-8."""
    rows = _common_rows()
    loss = Squared(rows)
    family = _family(rows)
    strength = SHARE * family.strengths(loss, {}, 1, SPAN)[0]
    X, Y = np.asfortranarray(rows.inputs[0].numpy()), np.asfortranarray(torch.stack(list(rows.targets), dim=1).numpy())

    def ours(tolerance: float) -> float:
        return _timed(lambda: minimise(Objective(Squared(rows), family.penalty({}, strength)), None, tolerance))

    row: dict[str, Any] = {
        "what": f"{CONSTRAINT} at {SHARE:g} of the critical strength",
        "on": f"common inputs: {TASKS} tasks, {INPUTS} inputs, {ROWS} rows",
    }
    try:
        from celer.homotopy import mtl_path
    except ImportError:
        return row | {"ours_ms": statistics.median(ours(TOLERANCE) for _ in range(rounds)), "celer_ms": None}
    theirs = _Celer(mtl_path, X, Y, strength / ROWS)
    objective = Objective(loss, family.penalty({}, strength))
    gap = objective.certificate(torch.from_numpy(theirs.weights().T.copy())[None]).value
    celer_ms, ours_ms, ratio, low, high = alternate(lambda: _timed(theirs.weights), lambda: ours(gap), rounds)
    reached = minimise(objective, None, gap).certificate.value
    return row | {
        "ours_ms": ours_ms,
        "celer_ms": celer_ms,
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
        "gap": reached,
        "celer_gap": gap,
    }


class _Celer:
    """The same problem by celer: |Y - X W|^2 / (2 n) + alpha sum_j |w_j|, to its own tolerance."""

    def __init__(self, solve: Callable[..., Any], X: np.ndarray, Y: np.ndarray, alpha: float) -> None:
        self.solve, self.X, self.Y, self.alpha = solve, X, Y, alpha

    def weights(self) -> np.ndarray:
        """Weights (T, d)."""
        found: np.ndarray = self.solve(self.X, self.Y, alphas=[self.alpha], tol=1e-8)[1][..., 0]
        return found


def _timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def _family(rows: TaskRows) -> PenaltyFamily:
    return PenaltyFamily(
        choose("constraint", parse_call(CONSTRAINT)), Coupled((1, rows.features), len(rows.names), 1.0)
    )


def _school(data_dir: Path) -> TaskRows:
    _, suite = parse_suite("school", data_dir)
    data = suite.dataset("train", 0)
    names = [task.name for task in suite.tasks]
    return TaskRows(
        [data.inputs[t].double() for t in names], [data.targets[t].double().flatten() for t in names], names
    )


def _like_school() -> TaskRows:
    generator = np.random.default_rng(0)
    inputs = [torch.from_numpy(generator.standard_normal((int(n), 27))) for n in generator.integers(17, 189, 139)]
    weights = torch.from_numpy(generator.standard_normal(27))
    targets = [X @ weights + 10 * torch.from_numpy(generator.standard_normal(len(X))) for X in inputs]
    return TaskRows(inputs, targets, [str(t) for t in range(139)])


def _common_rows() -> TaskRows:
    generator = np.random.default_rng(0)
    X = generator.standard_normal((ROWS, INPUTS))
    W = np.zeros((INPUTS, TASKS))
    W[generator.permutation(INPUTS)[:USED]] = generator.standard_normal((USED, TASKS))
    Y = X @ W + NOISE * generator.standard_normal((ROWS, TASKS))
    inputs = torch.from_numpy(X)
    return TaskRows([inputs] * TASKS, list(torch.from_numpy(Y.T.copy())), [str(t) for t in range(TASKS)])
