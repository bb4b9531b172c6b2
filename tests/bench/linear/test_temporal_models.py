"""Linear models of tasks in an order: minima and certificates, against scipy on the published objectives."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize as scipy_minimize

from bench.linear.choose import follow_path
from bench.linear.logistic import Logistic
from bench.linear.loss import Loss
from bench.linear.minimise import minimise
from bench.linear.objective import Objective
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from tests.bench.linear.problems import at, family, largest, penalty, problem, solve, weights

TEMPORAL = ["cfsgl", "cfsgl:nonnegative=true", "tgl"]


def solve_by_scipy(rows: TaskRows, l1: float, fuse: float, group: float, squares: float, signed: bool) -> float:
    """The least sum_t |y_t - X_t w_t|^2 / 2 + l1 |W|_1 + fuse |W R|_1 + group |W|_21 + squares |W R|^2, and a bit.

    Every |B w| is sqrt(|B w|^2 + e^2) for ever smaller e, which adds no more than e; by Newton's method in a trust
    region, or, where weights may not be below 0, by L-BFGS-B.
    """
    d, T = rows.features, len(rows.names)
    every = np.eye(d * T).reshape(d, T, d * T)  # w is W row by row
    jumps = np.diff(every, axis=1)
    terms = [(l1, each[None]) for row in every for each in row] if l1 else []
    terms += [(fuse, each[None]) for row in jumps for each in row] if fuse else []
    terms += [(group, row) for row in every] if group else []
    # The squares: |A w - b|^2 / 2, the rows of all tasks, then differences.
    A = np.concatenate([*(rows.inputs[t].numpy() @ every[:, t] for t in range(T)), *(np.sqrt(2 * squares) * jumps)])
    b = np.concatenate([*(y.numpy() for y in rows.targets), np.zeros(d * (T - 1))])

    def cost(w: np.ndarray, e: float) -> tuple[float, np.ndarray]:
        lengths = [np.sqrt(((B @ w) ** 2).sum() + e**2) for _, B in terms]
        value = ((A @ w - b) ** 2).sum() / 2 + sum(c * s for (c, _), s in zip(terms, lengths, strict=True))
        slope = A.T @ (A @ w - b)
        return value, slope + sum(c * B.T @ (B @ w) / s for (c, B), s in zip(terms, lengths, strict=True))

    def bend(w: np.ndarray, e: float) -> np.ndarray:
        matrix = A.T @ A
        for c, B in terms:
            s, z = np.sqrt(((B @ w) ** 2).sum() + e**2), B.T @ (B @ w)
            matrix = matrix + c * (B.T @ B / s - np.outer(z, z) / s**3)
        return matrix

    w = np.full(d * T, 0.5)
    for e in 10.0 ** np.arange(0, -8, -1):
        if signed:
            w = scipy_minimize(cost, w, (e,), "trust-exact", jac=True, hess=bend, options={"gtol": 1e-9}).x
        else:
            options = {"ftol": 1e-16, "gtol": 1e-10, "maxiter": 10_000, "maxcor": 50}
            w = scipy_minimize(cost, w, (e,), "L-BFGS-B", jac=True, bounds=[(0, None)] * (d * T), options=options).x
    return cost(w, 1e-30)[0]  # without a length of 0, which has no slope


@pytest.mark.parametrize(
    ("text", "l1", "fuse", "group", "squares"),
    [
        ("cfsgl:fuse=1.5,sparse=0.3", 0.3, 1.5, 1.0, 0.0),
        ("cfsgl:fuse=0.5,group=0,sparse=1", 1.0, 0.5, 0.0, 0.0),
        ("cfsgl:fuse=1.5,nonnegative=true,sparse=0.3", 0.3, 1.5, 1.0, 0.0),
        ("tgl:ridge=1e-9,smooth=2", 0.0, 0.0, 1.0, 2.0),
    ],
)
def test_the_minimum_is_that_of_the_published_objective(
    text: str, l1: float, fuse: float, group: float, squares: float
) -> None:
    """Tasks with rows of their own, by a solver that knows none of the proxes."""
    rows = problem((9, 14, 12), 3)
    loss = Squared(rows, None)
    for v in (1.0, 6.0):
        found = minimise(Objective(loss, penalty(at(text, v), rows)), None, 1e-10)
        assert found.certificate.met
        assert found.certificate.kind == "gap"
        least = solve_by_scipy(rows, v * l1, v * fuse, v * group, v * squares, "nonnegative" not in text)
        assert found.objective == pytest.approx(least, rel=1e-6)
        assert found.objective <= least * (1 + 1e-9)  # weights of scipy's, in the same objective
        assert "nonnegative" not in text or float(found.W.min()) >= 0


@pytest.mark.parametrize("rho", [None, 0.0, 2.0])
@pytest.mark.parametrize("kind", [Squared, Logistic])
@pytest.mark.parametrize("name", TEMPORAL)
def test_the_gap_bounds_the_distance_to_the_minimum(name: str, kind: type[Loss], rho: float | None) -> None:
    """At any weights the gap is at least what is left; at the minimum it is 0."""
    rows = problem((9, 14, 12), 4, classes=kind is Logistic)
    loss = kind(rows, rho)  # type: ignore[call-arg]
    text = at(name, 0.3 * largest(rows, loss, name))
    best = solve(text, rows, loss)
    objective = Objective(loss, penalty(text, rows))
    for scale in (0.0, 0.01, 1.0):
        W = best.W + scale * torch.randn(best.W.shape, generator=torch.Generator().manual_seed(3)).double()
        W = W.clamp(min=0) if objective.penalty.nonnegative else W
        found = objective.certificate(W)
        assert found.kind == "gap"
        left = objective.value(W) - best.objective
        assert left <= found.value * objective.value(W) + 1e-9 * best.objective
        assert left >= -1e-9 * best.objective


@pytest.mark.parametrize("kind", [Squared, Logistic])
@pytest.mark.parametrize("name", TEMPORAL)
def test_everything_is_dropped_at_the_critical_strength(name: str, kind: type[Loss]) -> None:
    rows = problem(classes=kind is Logistic)
    loss = kind(rows, 0.0)  # type: ignore[call-arg]
    critical = largest(rows, loss, name)
    above = minimise(Objective(loss, penalty(at(name, critical * (1 + 1e-7)), rows)))
    below = minimise(Objective(loss, penalty(at(name, critical * 0.999), rows)))
    assert above.certificate.met
    assert not above.W.any()
    assert below.W.any()


@pytest.mark.parametrize("name", TEMPORAL)
def test_a_path_of_many_inputs_is_certified_throughout(name: str) -> None:
    """Working sets, labels missing from some visit on, and 1e-8 at every strength; cold starts end at the same."""
    generator = torch.Generator().manual_seed(1)
    X = torch.randn(40, 80, generator=generator, dtype=torch.float64)
    W = torch.zeros(80, 4, dtype=torch.float64)
    W[:5] = torch.rand(5, 1, generator=generator, dtype=torch.float64)
    Y = X @ W + 0.3 * torch.randn(40, 4, generator=generator, dtype=torch.float64)
    leaves = torch.randint(1, 8, (40,), generator=generator)
    Y[torch.arange(4) >= leaves[:, None]] = torch.nan
    rows = TaskRows.keep_labelled([X] * 4, list(Y.T), ["m0", "m6", "m12", "m24"])
    loss, of = Squared(rows, 0.0), family(name, rows)
    strengths = of.list_strengths(loss, {}, 8, 1e-2)
    found = list(follow_path(loss, of, {}, strengths))
    assert all(each.certificate.met and each.certificate.kind == "gap" for _, each in found)
    cold = minimise(found[-1][0], None, 1e-9)
    assert cold.objective == pytest.approx(found[-1][1].objective, rel=1e-7)
    used = [int(weights(each).any(dim=1).sum()) for _, each in found]
    assert used[0] <= 1
    assert 5 <= used[-1] < 80
