"""Losses of linear models: intercepts, curvature, the ways to hold rows, and rows that cannot be fitted."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.errors import UsageError
from bench.linear.logistic import Logistic
from bench.linear.loss import Loss, Tied, solve_intercepts
from bench.linear.minimise import minimise
from bench.linear.objective import Objective
from bench.linear.rows import TaskRows
from bench.linear.squared import Offsets, Squared
from tests.bench.linear.problems import COUNTS, penalty, problem


@pytest.mark.parametrize("rho", [None, 0.0, 3.0, math.inf])
@pytest.mark.parametrize("kind", [Squared, Logistic])
def test_intercepts_are_at_their_best(kind: type[Loss], rho: float | None) -> None:
    """f(W) is the least over intercepts, found here by a general optimiser, and its gradient that of autograd."""
    rows = problem(classes=kind is Logistic)
    loss, W = kind(rows, rho), torch.randn(6, 4, generator=torch.Generator().manual_seed(1)).double()  # type: ignore[call-arg]

    def total(W: Tensor, b: Tensor) -> Tensor:
        found = b.new_zeros(())
        for t, (X, y) in enumerate(zip(rows.inputs, rows.targets, strict=True)):
            z = X @ W[:, t] + b[t]
            each = torch.nn.functional.softplus(z) - y * z if kind is Logistic else (y - z).square() / 2
            found = found + each.sum()
        return found + ((rho or 0.0) * (b - b.mean()).square().sum() if rho != math.inf else 0.0)

    free = torch.zeros(4 if rho != math.inf else 1, dtype=torch.float64, requires_grad=rho is not None)
    if rho is not None:
        optimiser = torch.optim.LBFGS([free], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16)

        def closure() -> Tensor:
            optimiser.zero_grad()
            value = total(W, free.expand(4))
            torch.autograd.backward(value)
            return value

        optimiser.step(closure)  # type: ignore[no-untyped-call]
    best = free.detach().expand(4)
    slope = W.clone().requires_grad_()
    [gradient] = torch.autograd.grad(total(slope, best), slope)
    assert torch.allclose(loss.model(W)[1], best, atol=1e-7)
    assert loss.value(W) == pytest.approx(float(total(W, best)), rel=1e-10)
    assert torch.allclose(loss.gradient(W), gradient, atol=1e-6)


@pytest.mark.parametrize("kind", [Squared, Logistic])
@pytest.mark.parametrize("tied", [False, True])
def test_no_step_is_steeper_than_the_curvature(kind: type[Loss], tied: bool) -> None:
    rows = problem(classes=kind is Logistic)
    base = kind(rows, 0.0)  # type: ignore[call-arg]
    loss = Tied(base) if tied else base
    generator = torch.Generator().manual_seed(0)
    for scale in (1e-3, 1.0):
        for _ in range(20):
            V, W = (scale * torch.randn(loss.shape, generator=generator, dtype=torch.float64) for _ in range(2))
            slope = (loss.gradient(V) - loss.gradient(W)).norm() / (V - W).norm()
            assert float(slope) <= loss.steepest * (1 + 1e-9)
    assert Tied(base).steepest <= sum(kind(one, 0.0).steepest for one in each(rows)) * (1 + 1e-9)  # type: ignore[call-arg]


def each(rows: TaskRows) -> list[TaskRows]:
    return [TaskRows([X], [y], ["t"]) for X, y in zip(rows.inputs, rows.targets, strict=True)]


@pytest.mark.parametrize("rho", [None, 0.0, 2.0, math.inf])
def test_the_ways_to_hold_rows_agree(rho: float | None) -> None:
    """Sums of products or rows, inputs in common or of their own: one function."""
    W = torch.randn(40, 3, generator=torch.Generator().manual_seed(1)).double()
    for features in (3, 40):
        rows = problem((10, 10, 10), features, common=True)
        apart = TaskRows([X.clone() for X in rows.inputs], rows.targets, rows.names)
        assert (rows.common, apart.common) == (True, False)
        one, two = Squared(rows, rho), Squared(apart, rho)
        assert (one.A is None) == (two.A is None) == (features == 40)
        assert torch.allclose(one.gradient(W[:features]), two.gradient(W[:features]), atol=1e-10)
        assert one.value(W[:features]) == pytest.approx(two.value(W[:features]), rel=1e-12)
        assert one.steepest == pytest.approx(two.steepest, rel=1e-9)
        assert one.curvature(tied=True) == pytest.approx(two.curvature(tied=True), rel=1e-9)


def test_slopes_in_common_are_at_their_best() -> None:
    """`Offsets` against least squares with one dummy per task."""
    rows = problem()
    found = solve_offsets(rows, 0.0)
    dummies = torch.block_diag(*[torch.ones(len(X), 1, dtype=torch.float64) for X in rows.inputs])
    best = np.linalg.lstsq(
        np.hstack([torch.cat(list(rows.inputs)), dummies]), torch.cat(list(rows.targets)), rcond=None
    )
    assert np.allclose(torch.cat([found[0][:, 0], found[1]]), best[0], atol=1e-8)
    tied = solve_offsets(rows, 1e9)
    ones = np.hstack([torch.cat(list(rows.inputs)), np.ones((sum(COUNTS), 1))])
    pooled = np.linalg.lstsq(ones, torch.cat(list(rows.targets)).numpy(), rcond=None)[0]
    assert np.allclose(tied[0][:, 0], pooled[:-1], atol=1e-6)
    assert np.allclose(tied[1], pooled[-1], atol=1e-6)


def solve_offsets(rows: TaskRows, strength: float) -> tuple[Tensor, Tensor]:
    from bench.catalogue.registry import choose
    from bench.core.constraint import Coupled
    from bench.linear.family import PenaltyFamily
    from bench.records import parse_call

    held = PenaltyFamily(
        choose("constraint", parse_call(f"l2:strength={strength}")), Coupled((1,), 4, 1.0)
    ).build_penalty({})
    loss = Offsets(rows)
    objective = Objective(loss, held)
    found = minimise(objective, None, 1e-12, 100_000)
    assert found.certificate.met
    return loss.model(objective.sum_parts(found.W))


def test_intercepts_shrink_to_a_common_one() -> None:
    sums, counts = torch.tensor([3.0, -8.0, 40.0]).double(), torch.tensor([3.0, 8.0, 10.0]).double()
    free, pooled = solve_intercepts(sums, counts, 0.0), solve_intercepts(sums, counts, math.inf)
    assert free.tolist() == [1.0, -1.0, 4.0]
    assert pooled.tolist() == pytest.approx([35 / 21] * 3)
    assert torch.allclose(solve_intercepts(sums, counts, 1e-9), free, atol=1e-8)
    assert torch.allclose(solve_intercepts(sums, counts, 1e9), pooled, atol=1e-6)


# --- bad input -------------------------------------------------------------------------------------


def broken(**changes: object) -> TaskRows:
    rows = problem((5, 6), 3)
    inputs, targets = list(rows.inputs), list(rows.targets)
    if "columns" in changes:
        inputs[1] = inputs[1][:, :2]
    if "targets" in changes:
        targets[1] = targets[1][:4]
    if "empty" in changes:
        inputs[1], targets[1] = inputs[1][:0], targets[1][:0]
    if "nan" in changes:
        inputs[1] = inputs[1].clone()
        inputs[1][0, 0] = math.nan
    if "none" in changes:
        inputs, targets = [], []
    return TaskRows(inputs, targets, [] if "none" in changes else ["a", "b"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("columns", "The inputs of `b` should be rows of 3 columns, as those of `a`. Found shape (6, 2)."),
        ("targets", "`b` should have a target per row, 6. Found shape (4,)."),
        ("empty", "`b` should have rows. Found none."),
        ("nan", "Inputs and targets of `b` should be finite. Found NaN or infinity."),
        ("none", "Every task should have inputs and targets. Found 0 and 0 for 0 tasks."),
    ],
)
def test_rows_that_cannot_be_fitted_are_refused_in_a_sentence(change: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        broken(**{change: True})
    assert str(caught.value) == words


def test_classes_that_cannot_be_fitted_are_refused_in_a_sentence() -> None:
    rows = problem((5, 6), 3)
    with pytest.raises(UsageError, match=r"^The targets of `t0` should be 0 or 1\. Found \["):
        Logistic(rows)
    one = TaskRows(rows.inputs, [torch.ones(5).double(), torch.zeros(6).double()], rows.names)
    with pytest.raises(UsageError, match=r"^`t0` should have rows of both classes\. Found class 1 only\.$"):
        Logistic(one)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("orthogonal", "A solver needs a constraint with a prox on the copies themselves. Found `orthogonal`."),
        ("l2:form=offset", "A solver needs a constraint with a prox on the copies themselves. Found `l2:form=offset`."),
        ("l1:schedule=warmup", "A solver has no moments to schedule a constraint by. Found `l1:schedule=warmup`."),
        ("l1:strength=-1", "`strength` of `l1` should be a number in [0, inf]. Found `strength = -1`."),
    ],
)
def test_constraints_that_a_solver_cannot_use_are_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        penalty(text, problem())
    assert str(caught.value) == words


def test_nothing_to_fit_is_fitted() -> None:
    rows = TaskRows([torch.ones(3, 2).double()] * 2, [torch.zeros(3).double()] * 2, ["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = minimise(Objective(Squared(rows, 0.0), penalty("l21:strength=1", rows)))
    assert not found.W.any()
    assert found.certificate.met
