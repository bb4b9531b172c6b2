"""The size of inputs and targets is a unit: models follow it, to all digits, or are refused in a sentence."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from bench.catalogue.registry import list_entries
from bench.errors import UsageError
from bench.linear.estimators import MultiTaskRegressor, MultiTaskRegressorCV
from bench.linear.objective import Objective
from bench.linear.rows import TaskRows
from bench.linear.scale import scale
from bench.linear.squared import Squared
from tests.bench.linear.problems import NORMS, OTHERS, family, problem

SIZES = (1e-150, 1e20, 1e150)
SQUARES = [*OTHERS, "aso:h=2"]
REAL = np.longdouble  # its exponents reach far enough to check float64 from outside


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    made = problem((12, 20, 9), 4)
    return (
        torch.cat(list(made.inputs)).numpy(),
        torch.cat(list(made.targets)).numpy(),
        np.repeat([0, 1, 2], (12, 20, 9)),
    )


def unit(name: str, x: float, y: float) -> float:
    """What a strength is multiplied by where inputs are multiplied by x and targets by y."""
    return x * y if name in NORMS else x * x


def find_differences(model: Any, reference: Any, x: float, y: float) -> list[str]:
    """In what `model`, of inputs times x and targets times y, is not `reference` in other units."""
    same = {
        "coef_": np.allclose(model.coef_ * (x / y), reference.coef_, rtol=1e-8, atol=1e-8),
        "intercept_": np.allclose(model.intercept_ / y, reference.intercept_, rtol=1e-8, atol=1e-8),
        "objective_": model.objective_ / y / y == pytest.approx(reference.objective_, rel=1e-8),
        "certificate_.objective": model.certificate_.objective == model.objective_,
        "certificate_.met": model.certificate_.met,
    }
    for name, matrix in model.matrices_.items():
        same[f"matrices_[{name}]"] = np.allclose(matrix, reference.matrices_[name], atol=1e-8)
    return [name for name, holds in same.items() if not holds]


@pytest.mark.parametrize("name", [*NORMS, *SQUARES])
def test_models_follow_the_units_of_their_rows(name: str) -> None:
    X, y, task = rows()
    reference = MultiTaskRegressor(name, 1.5, tol=1e-11).fit(X, y, task)
    for a, b in itertools.product(SIZES, SIZES):
        model = MultiTaskRegressor(name, 1.5 * unit(name, a, b), tol=1e-11).fit(a * X, b * y, task)
        assert find_differences(model, reference, a, b) == []


@pytest.mark.parametrize(("a", "b"), [(1e-150, 1e150), (1e150, 1e150)])
def test_a_penalty_that_alternates_follows_too(a: float, b: float) -> None:
    X, y, task = rows()
    reference = MultiTaskRegressor("mrn", 1.5).fit(X, y, task)
    model = MultiTaskRegressor("mrn", 1.5 * a * a).fit(a * X, b * y, task)
    assert find_differences(model, reference, a, b) == []


@pytest.mark.parametrize("kind", ["pooled", "shrunk", "none"])
@pytest.mark.parametrize("name", ["l21", "ridge"])
def test_treatments_of_the_intercept_follow(name: str, kind: str) -> None:
    X, y, task = rows()
    options: dict[str, Any] = {"intercept": kind, "intercept_strength": 3.0, "tol": 1e-11}
    reference = MultiTaskRegressor(name, 1.5, **options).fit(X, y, task)
    for a, b in ((1e-150, 1e150), (1e150, 1e-150), (1.0, 1e-150)):
        model = MultiTaskRegressor(name, 1.5 * unit(name, a, b), **options).fit(a * X, b * y, task)
        assert find_differences(model, reference, a, b) == []


@pytest.mark.parametrize("name", ["l21", "trace_norm", "dirty:balance=0.5", "l2", "cluster:k=2"])
def test_what_cross_validation_chooses_follows(name: str) -> None:
    X, y, task = rows()
    reference = MultiTaskRegressorCV(name, n_strengths=5, cv=3, tol=1e-11).fit(X, y, task)
    for a, b in ((1e-150, 1e150), (1e150, 1e150), (1e-150, 1e-150), (1.0, 1e-120)):
        model = MultiTaskRegressorCV(name, n_strengths=5, cv=3, tol=1e-11).fit(a * X, b * y, task)
        assert find_differences(model, reference, a, b) == []
        factor = unit(name.partition(":")[0], a, b)
        assert model.strength_ / factor == pytest.approx(reference.strength_, rel=1e-9)
        for curve, other in zip(model.curves_, reference.curves_, strict=True):
            assert [v / factor for v in curve.strengths] == pytest.approx(other.strengths, rel=1e-9)
            assert [e / b / b for e in curve.errors] == pytest.approx(other.errors, rel=1e-6)


@pytest.mark.parametrize("name", ["l1", "l21", "l1inf", "l2", "ridge"])
@pytest.mark.parametrize(("a", "b"), list(itertools.product((1e-150, 1.0, 1e150), repeat=2)))
def test_certificates_hold_in_numbers_of_a_longer_range(name: str, a: float, b: float) -> None:
    """The gap to a dual objective, or the gradient, computed from the rows and `coef_` alone, in their own unit."""
    X, y, task = rows()
    strength = 1.5 * unit(name, a, b)
    model = MultiTaskRegressor(name, strength).fit(a * X, b * y, task)
    X, y, v, W = (np.asarray(each, dtype=REAL) for each in (a * X, b * y, strength, model.coef_.T))
    parts = [(X[task == t] - X[task == t].mean(axis=0), y[task == t] - y[task == t].mean()) for t in range(3)]
    left = [target - inputs @ W[:, t] for t, (inputs, target) in enumerate(parts)]
    G = np.stack([inputs.T @ r for (inputs, _), r in zip(parts, left, strict=True)], axis=1)
    squares = sum((r * r).sum() for r in left) / 2
    if name not in NORMS:
        centre = W.mean(axis=1, keepdims=True) if name == "l2" else REAL(0)
        start = np.stack([inputs.T @ target for inputs, target in parts], axis=1)
        slope = 2 * v * (W - centre) - G
        assert np.sqrt((slope**2).sum() / (start**2).sum()) < 1e-7
        return
    norm, dual = {
        "l1": (np.abs(W).sum(), np.abs(G).max()),
        "l21": (np.sqrt((W**2).sum(axis=1)).sum(), np.sqrt((G**2).sum(axis=1)).max()),
        "l1inf": (np.abs(W).max(axis=1).sum(), np.abs(G).sum(axis=1).max()),
    }[name]
    share = min(REAL(1), v / dual)
    below = share * sum((r * target).sum() for r, (_, target) in zip(left, parts, strict=True)) - share**2 * squares
    whole = squares + v * norm
    assert (whole - below) / whole < 1e-7
    assert float(whole / REAL(b) / REAL(b)) == pytest.approx(model.objective_ / b / b, rel=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1e-200, 1.0), (1.0, 1e-200), (1e200, 1.0), (1.0, 1e200), (1e-200, 1e200)])
@pytest.mark.parametrize("kind", [MultiTaskRegressor, MultiTaskRegressorCV])
def test_sizes_without_squares_are_refused(kind: Any, a: float, b: float) -> None:
    X, y, task = rows()
    what = "Inputs" if a != 1 else "Targets"
    with pytest.raises(UsageError, match=rf"^{what} should be 0, or of a size between 1e-151 and 1e151, so that their"):
        kind("l21").fit(a * X, b * y, task)


@pytest.mark.parametrize("name", [*NORMS, *SQUARES, "mrn"])
def test_nothing_in_the_rows_is_nothing_in_the_weights(name: str) -> None:
    X, y, task = rows()
    for inputs, targets in ((0 * X, y), (X, 0 * y), (0 * X, 0 * y)):
        model = MultiTaskRegressor(name).fit(inputs, targets, task)
        assert not model.coef_.any()
        assert model.certificate_.met


def test_ordinary_rows_are_left_as_they_are() -> None:
    """Digit for digit: the same tensors, and nothing added to what comes back."""
    made = problem()
    scaled = scale(made, own=True, common=False)
    assert all(one is two for one, two in zip(scaled.rows.inputs, made.inputs, strict=True))
    assert all(one is two for one, two in zip(scaled.rows.targets, made.targets, strict=True))
    W, b = torch.randn(6, 4).double(), torch.randn(4).double()
    back = scaled.model_back(W, b)
    assert torch.equal(back[0], W)
    assert torch.equal(back[1], b)
    assert scaled.scale_strength(0.3, 1) == scaled.scale_strength(0.3, 2) == scaled.strength_back(0.3, 2) == 0.3
    common = scale(problem((12, 12), common=True), own=True, common=False)
    assert common.rows.common


def test_degrees_are_those_of_norms_and_squares() -> None:
    made = problem()
    for name in set(list_entries("constraint")) - {"orthogonal", "tgl"}:
        assert family(name, made).degree() == (1 if name in (*NORMS, "cfsgl") else 2), name
    assert family("tgl", made).degree() is None  # a norm and squares


def test_a_penalty_of_no_degree_is_fitted_at_ordinary_sizes_only() -> None:
    made = problem()
    assert scale(made, own=True, common=False).scale_strength(0.3, None) == 0.3
    far = TaskRows([1e50 * X for X in made.inputs], made.targets, made.names)
    with pytest.raises(UsageError, match=r"^A penalty that is neither a norm nor of squares does not scale with its"):
        scale(far, own=True, common=False).scale_strength(0.3, None)


# --- strengths -------------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.0, 1e-300, 1e-9, 1.0, 1e6, 1e9])
def test_stiff_and_slack_are_ridge_by_hand(strength: float) -> None:
    """Where a penalty is stiff every step is short beside the gradient: that is no sign of an answer."""
    X, y, task = rows()
    model = MultiTaskRegressor("ridge", strength, tol=1e-9).fit(X, y, task)
    for t in range(3):
        inputs, targets = X[task == t] - X[task == t].mean(axis=0), y[task == t] - y[task == t].mean()
        best = np.linalg.solve(inputs.T @ inputs + 2 * strength * np.eye(4), inputs.T @ targets)
        assert np.abs(model.coef_[t] - best).max() < 1e-6 * np.abs(best).max()
    assert model.certificate_.met


def test_a_model_of_zeros_is_not_certified_by_a_stiff_penalty() -> None:
    made = problem()
    objective = Objective(Squared(made, 0.0), family("ridge:strength=1e12", made).build_penalty({}))
    certificate = objective.certificate(objective.zeros())
    assert (certificate.kind, certificate.value, certificate.met) == ("residual", 1.0, False)


@pytest.mark.parametrize("name", SQUARES)
def test_strengths_that_leave_no_digits_are_refused(name: str) -> None:
    X, y, task = rows()
    for a, strength in ((1.0, 1e14), (1e-20, 1.0), (1e-150, 1.0)):
        with pytest.raises(
            UsageError, match=r"^`strength` should be at most .* 1e\+08 times the sum of squares of the "
        ):
            MultiTaskRegressor(name, strength).fit(a * X, y, task)


def test_a_norm_above_its_critical_strength_has_no_weights() -> None:
    X, y, task = rows()
    for name, strength in itertools.product(NORMS, (1e14, 1e300, math.inf)):
        model = MultiTaskRegressor(name, strength).fit(1e-150 * X, y, task)
        assert not model.coef_.any()
        assert model.certificate_.met
        assert model.objective_ == pytest.approx(
            sum(((y[task == t] - y[task == t].mean()) ** 2).sum() for t in range(3)) / 2
        )


@pytest.mark.parametrize("name", ["l2", "l2_pairwise", "graph"])
def test_an_infinite_strength_ties(name: str) -> None:
    """Common weights and an intercept of each task, by least squares; the penalty is 0, not 0 times infinity."""
    X, y, task = rows()
    model = MultiTaskRegressor(name, math.inf, tol=1e-11).fit(1e90 * X, y, task)
    parts = [(X[task == t] - X[task == t].mean(axis=0), y[task == t] - y[task == t].mean()) for t in range(3)]
    inputs, targets = np.vstack([x for x, _ in parts]), np.concatenate([v for _, v in parts])
    best = np.linalg.lstsq(inputs, targets, rcond=None)[0]
    assert np.allclose(model.coef_ * 1e90, np.tile(best, (3, 1)), atol=1e-8)
    assert model.objective_ == pytest.approx(((targets - inputs @ best) ** 2).sum() / 2)
