"""The linear solver against the clock: a path on School, and joint features on common inputs against celer.

Used by `mtlbench perf --linear`. Both parts say to which duality gap they solved, since time without accuracy means
nothing.
"""

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
from bench.linear.choose import follow_path
from bench.linear.family import PenaltyFamily
from bench.linear.minimise import minimise
from bench.linear.objective import TOLERANCE, Objective
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from bench.perf.harness import alternate
from bench.planning.plan import parse_suite
from bench.records import parse_call

CONSTRAINT = "l21"  # joint feature selection: the penalty that celer solves too
STRENGTHS = 50  # of a path
SPAN = 1e-3  # the smallest strength of a path, as a part of the critical one, above which all weights are zero
# The problem on common inputs: more inputs than rows, of which USED have a weight, so that the solution is sparse.
ROWS, INPUTS, TASKS, USED = 300, 1000, 20, 30
NOISE = 1.0  # standard deviation of the targets' noise; weights have 1
SHARE = 0.1  # strength as a part of the critical one


def measure_linear(data_dir: Path, rounds: int = 9) -> list[dict[str, Any]]:
    """Two rows, in the shape of `perf --linear --json`.

    1. A path of STRENGTHS strengths, from the critical one to SPAN of it, on the training part of School's first split
    (or, where its file is absent, on rows of its sizes), each certified to 1e-8.
    2. One strength on common inputs, certified to the gap that celer has reached there, both in turn.

    `rounds` repetitions, three at most for the path, which takes seconds.
    """
    torch.set_num_threads(1)
    return [_measure_path(data_dir, min(rounds, 3)), _compare_with_celer(rounds)]


def _measure_path(data_dir: Path, rounds: int) -> dict[str, Any]:
    """Time a whole path, each strength starting at the solution of the one before.

    Returns a row with the median seconds on the clock and of the processor, and the iterations and the largest
    certified gap over the path.
    """
    try:
        name, rows = "school", _read_school(data_dir)
    except DataMissing:
        name, rows = "rows of School's sizes", _make_like_school()
    loss = Squared(rows, 0.0)
    family = _build_family(rows)
    strengths = family.list_strengths(loss, {}, STRENGTHS, SPAN)
    times, worst, count = [], 0.0, 0
    for _ in range(rounds):
        wall, processor = time.perf_counter(), time.process_time()
        solutions = [solution for _, solution in follow_path(loss, family, {}, strengths)]
        times.append((time.perf_counter() - wall, time.process_time() - processor))
        worst, count = max(s.certificate.value for s in solutions), sum(s.iterations for s in solutions)
    return {
        "what": f"{CONSTRAINT}, a path of {STRENGTHS} strengths",
        "on": f"{name}: {len(rows.names)} tasks, {rows.features} inputs, {int(rows.counts.sum())} rows",
        "seconds": statistics.median(wall for wall, _ in times),
        "processor_seconds": statistics.median(processor for _, processor in times),
        "iterations": count,
        "gap": worst,
    }


def _compare_with_celer(rounds: int) -> dict[str, Any]:
    """Ours and celer in turn, solved to one gap; without celer, ours alone to TOLERANCE.

    Minimises |Y - X W|^2 / 2 + s sum_j |w_j| over W (d, T), w_j its rows; celer's alpha is s / n.
    """
    rows = _make_common_rows()
    loss = Squared(rows)
    family = _build_family(rows)
    strength = SHARE * family.list_strengths(loss, {}, 1, SPAN)[0]
    X, Y = np.asfortranarray(rows.inputs[0].numpy()), np.asfortranarray(torch.stack(list(rows.targets), dim=1).numpy())

    def ours(tolerance: float) -> float:
        return _time(lambda: minimise(Objective(Squared(rows), family.build_penalty({}, strength)), None, tolerance))

    row: dict[str, Any] = {
        "what": f"{CONSTRAINT} at {SHARE:g} of the critical strength",
        "on": f"common inputs: {TASKS} tasks, {INPUTS} inputs, {ROWS} rows",
    }
    try:
        from celer.homotopy import mtl_path
    except ImportError:
        return row | {"ours_ms": statistics.median(ours(TOLERANCE) for _ in range(rounds)), "celer_ms": None}
    theirs = _Celer(mtl_path, X, Y, strength / ROWS)
    objective = Objective(loss, family.build_penalty({}, strength))
    # Our certificate of celer's solution, so that both are held to one yardstick.
    gap = objective.certificate(torch.from_numpy(theirs.weights().T.copy())[None]).value
    celer_ms, ours_ms, ratio, low, high = alternate(lambda: _time(theirs.weights), lambda: ours(gap), rounds)
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
    """The same problem by celer: |Y - X W|^2 / (2 n) + alpha sum_j |w_j|, to its own tolerance of 1e-8."""

    def __init__(self, solve: Callable[..., Any], X: np.ndarray, Y: np.ndarray, alpha: float) -> None:
        """Holds the problem; nothing is solved yet.

        Args:
            solve: celer's `mtl_path`.
            X: Inputs (n, d), in Fortran order, which celer would otherwise make itself inside the measured time.
            Y: Targets (n, T), in Fortran order.
            alpha: celer's strength, ours divided by n.
        """
        self.solve, self.X, self.Y, self.alpha = solve, X, Y, alpha

    def weights(self) -> np.ndarray:
        """Solve anew; weights (T, d)."""
        weights: np.ndarray = self.solve(self.X, self.Y, alphas=[self.alpha], tol=1e-8)[1][..., 0]
        return weights


def _time(call: Callable[[], Any]) -> float:
    """Milliseconds on the clock of one call."""
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def _build_family(rows: TaskRows) -> PenaltyFamily:
    """The penalties of CONSTRAINT at every strength, for tasks of one output."""
    return PenaltyFamily(
        choose("constraint", parse_call(CONSTRAINT)), Coupled((1, rows.features), len(rows.names), 1.0)
    )


def _read_school(data_dir: Path) -> TaskRows:
    """Training rows of School's first split. Raises DataMissing where its file is absent."""
    _, suite = parse_suite("school", data_dir)
    data = suite.dataset("train", 0)
    names = [task.name for task in suite.tasks]
    return TaskRows(
        [data.inputs[t].double() for t in names], [data.targets[t].double().flatten() for t in names], names
    )


def _make_like_school() -> TaskRows:
    """139 tasks with 17 to 188 random rows of 27 inputs, about the sizes of School's.

    All tasks have one vector of weights, and noise of standard deviation 10. The seed is fixed.
    """
    generator = np.random.default_rng(0)
    inputs = [torch.from_numpy(generator.standard_normal((int(n), 27))) for n in generator.integers(17, 189, 139)]
    weights = torch.from_numpy(generator.standard_normal(27))
    targets = [X @ weights + 10 * torch.from_numpy(generator.standard_normal(len(X))) for X in inputs]
    return TaskRows(inputs, targets, [str(t) for t in range(139)])


def _make_common_rows() -> TaskRows:
    """Random inputs (ROWS, INPUTS) that all tasks have in common, and their targets.

    Y = X W + noise, where USED rows of W (INPUTS, TASKS) are normal and the others zero. The seed is fixed.
    """
    generator = np.random.default_rng(0)
    X = generator.standard_normal((ROWS, INPUTS))
    W = np.zeros((INPUTS, TASKS))
    W[generator.permutation(INPUTS)[:USED]] = generator.standard_normal((USED, TASKS))
    Y = X @ W + NOISE * generator.standard_normal((ROWS, TASKS))
    inputs = torch.from_numpy(X)
    return TaskRows([inputs] * TASKS, list(torch.from_numpy(Y.T.copy())), [str(t) for t in range(TASKS)])
