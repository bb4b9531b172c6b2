"""The certificates of the solver of linear models, and its paths."""

import itertools

import pytest
import torch

from bench.linear.logistic import Logistic
from bench.linear.loss import Loss
from bench.linear.minimise import minimise
from bench.linear.objective import Objective
from bench.linear.squared import Squared
from tests.bench.linear.problems import NORMS, OTHERS, at, family, largest, penalty, problem, solve, weights


@pytest.mark.parametrize("rho", [0.0, 2.0])
@pytest.mark.parametrize("kind", [Squared, Logistic])
@pytest.mark.parametrize("name", NORMS)
def test_the_gap_bounds_the_distance_to_the_minimum(name: str, kind: type[Loss], rho: float | None) -> None:
    """At any weights the gap is at least what is left; at the minimum it is 0."""
    rows = problem((9, 14, 12), 4, classes=kind is Logistic)
    loss = kind(rows, rho)  # type: ignore[call-arg]
    text = at(name, 0.3 * largest(rows, loss, name))
    best = solve(text, rows, loss)
    objective = Objective(loss, penalty(text, rows))
    for scale in (0.0, 0.01, 1.0):
        W = best.W + scale * torch.randn(best.W.shape, generator=torch.Generator().manual_seed(3)).double()
        found = objective.certificate(W)
        assert found.kind == "gap"
        left = objective.value(W) - best.objective
        assert left <= found.value * objective.value(W) + 1e-9 * best.objective
        assert left >= -1e-9 * best.objective


@pytest.mark.parametrize("kind", [Squared, Logistic])
@pytest.mark.parametrize("name", OTHERS)
def test_the_residual_is_zero_at_the_minimum_only(name: str, kind: type[Loss]) -> None:
    rows = problem((9, 14, 12, 10), 4, classes=kind is Logistic)
    loss = kind(rows, 0.0)  # type: ignore[call-arg]
    best = solve(at(name, 2.0), rows, loss)
    objective = Objective(loss, penalty(at(name, 2.0), rows))
    noise = torch.randn(best.W.shape, generator=torch.Generator().manual_seed(3)).double()
    residuals = [objective.certificate(best.W + size * noise).value for size in (0.0, 1e-3, 1e-1)]
    assert residuals[0] < 1e-11 < 1e-5 < residuals[1] < residuals[2]
    for size in (1e-3, 1e-1, 1.0):
        assert objective.value(best.W + size * noise) > best.objective


@pytest.mark.parametrize("kind", [Squared, Logistic])
@pytest.mark.parametrize("name", NORMS)
def test_everything_is_dropped_at_the_critical_strength(name: str, kind: type[Loss]) -> None:
    rows = problem(classes=kind is Logistic)
    loss = kind(rows, 0.0)  # type: ignore[call-arg]
    critical = largest(rows, loss, name)
    above = minimise(Objective(loss, penalty(at(name, critical * (1 + 1e-7)), rows)))
    below = minimise(Objective(loss, penalty(at(name, critical * 0.999), rows)))
    assert above.certificate.met
    assert not above.W.any()
    assert below.W.any()


def test_the_conditions_of_optimality() -> None:
    """Row by row for `l21`, in singular vectors for the trace norm."""
    rows = problem()
    loss = Squared(rows, 0.0)
    for share in (0.05, 0.3, 0.7):
        strength = share * largest(rows, loss, "l21")
        W = weights(solve(at("l21", strength), rows, loss))
        G, norms = -loss.gradient(W), W.norm(dim=1)
        live = norms > 0
        assert torch.allclose(G[live], strength * W[live] / norms[live, None], atol=1e-6 * strength)
        assert float(G[~live].norm(dim=1).max() if (~live).any() else 0.0) <= strength * (1 + 1e-9)
        strength = share * largest(rows, loss, "trace_norm")
        W = weights(solve(at("trace_norm", strength), rows, loss))
        G = -loss.gradient(W)
        U, s, V = torch.linalg.svd(W, full_matrices=False)
        rank = int((s > 1e-9 * s[0]).sum())
        assert float(torch.linalg.matrix_norm(G, 2)) <= strength * (1 + 1e-8)
        inner = U[:, :rank].T @ G @ V[:rank].T
        assert torch.allclose(inner, strength * torch.eye(rank, dtype=torch.float64), atol=1e-5 * strength)


def test_a_path_from_the_critical_strength_down() -> None:
    """Warm or cold starts end at one objective, which falls with the strength."""
    rows = problem()
    loss = Squared(rows, 0.0)
    strengths = family("l21", rows).list_strengths(loss, {}, 10, 1e-3)
    ratios = [b / a for a, b in itertools.pairwise(strengths)]
    assert ratios == pytest.approx([1e-3 ** (1 / 9)] * 9)
    W, seen = None, []
    for strength in strengths:
        objective = Objective(loss, penalty(at("l21", strength), rows))
        warm, cold = minimise(objective, W, 1e-10), minimise(objective, None, 1e-10)
        assert warm.objective == pytest.approx(cold.objective, rel=1e-9)
        W, seen = warm.W, [*seen, warm.objective]
    assert all(b < a for a, b in itertools.pairwise(seen))
