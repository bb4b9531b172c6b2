"""The solver of linear models against other libraries, closed forms and identities."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, LogisticRegression, MultiTaskLasso
from torch import Tensor

from bench.core.constraint import Constraint
from bench.linear.descend import descend
from bench.linear.logistic import Logistic
from bench.linear.loss import Loss, Tied
from bench.linear.minimise import minimise
from bench.linear.objective import Objective
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from tests.bench.linear.problems import COUNTS, NORMS, OTHERS, at, largest, penalty, problem, solve, weights

# --- other libraries -------------------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [False, True])
def test_joint_features_on_common_inputs_are_those_of_scikit_learn(intercept: bool) -> None:
    rows = problem((30, 30, 30, 30), 8, common=True)
    X, Y, n = rows.inputs[0].numpy(), torch.stack(list(rows.targets), dim=1).numpy(), 30
    loss = Squared(rows, 0.0 if intercept else None)
    for strength in (0.02, 0.3, 0.8):
        strength *= largest(rows, loss, "l21")
        theirs = MultiTaskLasso(alpha=strength / n, fit_intercept=intercept, tol=1e-15, max_iter=100_000).fit(X, Y)
        found = solve(at("l21", strength), rows, loss)
        assert np.abs(weights(found).numpy() - theirs.coef_.T).max() < 1e-8
        assert np.abs(loss.model(weights(found))[1].numpy() - theirs.intercept_).max() < 1e-8


def wide() -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Common inputs with more columns than rows: X, Y, the alpha of other libraries, and our weights (T, d)."""
    rows = problem((40, 40, 40), 60, common=True)
    loss = Squared(rows)
    strength = 0.3 * largest(rows, loss, "l21")
    ours = weights(solve(at("l21", strength), rows, loss)).T.numpy()
    assert 0 < (np.abs(ours).sum(axis=0) > 0).sum() < 60
    X, Y = rows.inputs[0].numpy(), torch.stack(list(rows.targets), dim=1).numpy()
    return np.asfortranarray(X), np.asfortranarray(Y), strength / 40, ours


@pytest.mark.parametrize("kind", [Squared, Logistic])
@pytest.mark.parametrize("name", ["l1", "l21", "l1inf", "dirty"])
def test_the_inputs_in_use_are_all_that_matter(name: str, kind: type[Loss]) -> None:
    """With many inputs the solver looks at few of them, and ends where steps of all inputs do."""
    rows = problem((25, 30, 28), 80, classes=kind is Logistic)
    loss = kind(rows, 0.0)  # type: ignore[call-arg]
    objective = Objective(loss, penalty(at(name, 0.4 * largest(rows, loss, name)), rows))
    assert objective.penalty.by_input
    few, all_ = minimise(objective, None, 1e-10), descend(objective, objective.zeros(), 1e-10, 20_000)
    assert few.certificate.met
    assert few.objective == pytest.approx(all_.objective, rel=1e-9)
    assert torch.allclose(weights(few), weights(all_), atol=1e-4)
    used = weights(few).abs().sum(dim=1) > 1e-9
    assert 0 < int(used.sum()) < 64


def test_joint_features_are_those_of_celer() -> None:
    from celer.homotopy import mtl_path

    X, Y, alpha, ours = wide()
    assert np.abs(mtl_path(X, Y, alphas=[alpha], tol=1e-12)[1][..., 0] - ours).max() < 1e-8


@pytest.mark.slow
def test_joint_features_are_those_of_skglm() -> None:
    from skglm import MultiTaskLasso as TheirLasso

    X, Y, alpha, ours = wide()  # its first fit compiles for most of a minute
    assert np.abs(TheirLasso(alpha=alpha, fit_intercept=False, tol=1e-12).fit(X, Y).coef_ - ours).max() < 1e-8


def test_tasks_apart_are_those_of_scikit_learn() -> None:
    rows = problem()
    loss = Squared(rows, 0.0)
    W = weights(solve("l1:strength=1.5", rows, loss))
    for t, (X, y) in enumerate(zip(rows.inputs, rows.targets, strict=True)):
        theirs = Lasso(alpha=1.5 / len(X), tol=1e-14, max_iter=100_000).fit(X.numpy(), y.numpy())
        assert np.abs(W[:, t].numpy() - theirs.coef_).max() < 1e-7
    classes = problem(classes=True)
    logistic = Logistic(classes, 0.0)
    W = weights(solve("ridge:strength=0.5", classes, logistic))
    for t, (X, y) in enumerate(zip(classes.inputs, classes.targets, strict=True)):
        theirs = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000).fit(X.numpy(), y.numpy())
        assert np.abs(W[:, t].numpy() - theirs.coef_[0]).max() < 1e-5
        assert float(logistic.model(W)[1][t]) == pytest.approx(theirs.intercept_[0], abs=1e-5)


# --- identities ------------------------------------------------------------------------------------


def dense(rows: TaskRows, precision: np.ndarray, intercept: bool = True) -> np.ndarray:
    """argmin sum_t |y_t - X_t w_t|^2 / 2 + vec(W)^T precision vec(W) / 2, tasks one after the other: (d, T)."""
    X = [(x - x.mean(dim=0) if intercept else x).numpy() for x in rows.inputs]
    y = [(v - v.mean() if intercept else v).numpy() for v in rows.targets]
    blocks = torch.block_diag(*[torch.from_numpy(x.T @ x) for x in X]).numpy()
    right = np.concatenate([x.T @ v for x, v in zip(X, y, strict=True)])
    found: np.ndarray = np.linalg.solve(blocks + precision, right).reshape(len(X), -1).T
    return found


def test_mean_pairs_graph_and_common_weights_are_one() -> None:
    """rho sum |w_t - mean|^2, pairs at rho / T, the complete graph, |W (I - 11^T/T)|^2, and w_0 + v_t eliminated."""
    rows, rho, T, d = problem(), 3.0, 4, 6
    loss = Squared(rows, 0.0)
    centring = np.eye(T) - np.ones((T, T)) / T
    expected = dense(rows, np.kron(2 * rho * centring, np.eye(d)))
    for text in (f"l2:strength={rho}", f"l2_pairwise:strength={rho / T}", f"graph:strength={rho / T}"):
        assert np.abs(weights(solve(text, rows, loss)).numpy() - expected).max() < 1e-8
    # w_t = w_0 + v_t at (lambda_1 / T) sum |v_t|^2 + lambda_2 |w_0|^2, against rho_1 |W|^2 + rho_2 |W - mean|^2
    one, two = 5.0, 2.0
    first, second = one * two / (T * (one + two)), one**2 / (T * (one + two))
    eliminated = dense(rows, np.kron(2 * first * np.eye(T) + 2 * second * centring, np.eye(d)))
    X = [(x - x.mean(dim=0)).numpy() for x in rows.inputs]
    y = np.concatenate([(v - v.mean()).numpy() for v in rows.targets])
    design = np.hstack([np.vstack(X), torch.block_diag(*map(torch.from_numpy, X)).numpy()])
    shrink = np.diag([2 * two] * d + [2 * one / T] * (T * d))
    explicit = np.linalg.solve(design.T @ design + shrink, design.T @ y)
    assert np.abs(explicit[:d, None] + explicit[d:].reshape(T, d).T - eliminated).max() < 1e-10


def test_shared_spaces_and_clusters_have_one_minimum() -> None:
    """cASO = CMTL for every k, and with k at the largest rank or above it ridge, as a fit and not only as a penalty."""
    rows = problem()
    loss = Squared(rows, 0.0)
    ridge = solve("ridge:strength=0.4", rows, loss)  # v eta
    for k in (1, 3, 4):
        cluster = solve(f"cluster:eta=0.2,k={k},strength=2", rows, loss)
        caso = solve(f"caso:eta=0.2,h={k},strength=2", rows, loss)
        assert cluster.objective == pytest.approx(caso.objective, rel=1e-11)
        assert torch.allclose(cluster.W, caso.W, atol=1e-7)
        assert cluster.objective >= ridge.objective * (1 - 1e-12)
        if k >= 4:
            assert torch.allclose(cluster.W, ridge.W, atol=1e-8)


class Alternating(Constraint):
    """A constraint with its marginal hidden, so that the solver alternates."""

    def __init__(self, inner: Constraint) -> None:
        super().__init__(inner.coupled)
        self.inner = inner
        self.value, self.prox, self.refresh_to_optimum = inner.value, inner.prox, inner.refresh_to_optimum  # type: ignore[method-assign]

    refresh_every = 1

    def value(self, W: Tensor) -> Tensor:  # replaced in the constructor
        raise NotImplementedError


@pytest.mark.parametrize(("text", "close"), [("cluster:k=2", 1e-9), ("caso:h=2", 1e-9), ("mtrl", 2e-3)])
def test_alternating_closed_forms_end_where_one_prox_does(text: str, close: float) -> None:
    """Buffers in closed form, then weights: the objective falls to that of the marginal (mtrl: up to its smoothing)."""
    rows = problem()
    loss, text = Squared(rows, 0.0), at(text, 1.0)
    best = solve(text, rows, loss)
    objective = Objective(loss, Alternating(penalty(text, rows)))
    seen, W = [], None
    for iterations in (10, 30, 100, 1000, 5000):
        found = minimise(objective, W, 1e-8, iterations)
        W, seen = found.W, [*seen, found.objective]
    assert all(b <= a * (1 + 1e-4) for a, b in itertools.pairwise(seen))
    assert seen[-1] == pytest.approx(best.objective, rel=close)


def test_a_learned_covariance_is_the_squared_trace_norm() -> None:
    """Of all covariances with trace 1 none does better, and relabelling tasks relabels it."""
    rows = problem()
    loss = Squared(rows, 0.0)
    best = solve("mtrl:strength=1", rows, loss)
    held = penalty("mtrl:strength=1", rows)
    held.refresh_to_optimum(best.W)
    omega = held.matrices()["covariance"]
    assert float(omega.trace()) == pytest.approx(1)
    generator = np.random.default_rng(0)
    for share in (0.0, 0.5, 0.9):
        root = generator.standard_normal((4, 4))
        other = share * omega.numpy() + (1 - share) * root @ root.T / np.trace(root @ root.T)
        W = dense(rows, np.kron(np.linalg.inv(other), np.eye(6)))
        fixed = loss.value(torch.from_numpy(W)) + np.trace(W @ np.linalg.inv(other) @ W.T) / 2
        assert fixed >= best.objective * (1 - 1e-9)
    order = [2, 0, 3, 1]
    turned = TaskRows([rows.inputs[t] for t in order], [rows.targets[t] for t in order], rows.names)
    again = solve("mtrl:strength=1", turned, Squared(turned, 0.0))
    assert torch.allclose(again.W, best.W[..., order], atol=1e-7)


def test_a_gaussian_process_over_tasks_is_a_fixed_covariance() -> None:
    """The posterior mean under cov[f_s(x), f_t(x')] = B_st x.x' is W with prior MN(0, I, B): mtrl with Omega ~ B."""
    rows, noise = problem(), 0.7
    root = np.random.default_rng(0).standard_normal((4, 4))
    B = root @ root.T + 0.1 * np.eye(4)
    X, y = torch.cat(list(rows.inputs)).numpy(), torch.cat(list(rows.targets)).numpy()
    task = np.repeat(np.arange(4), COUNTS)
    kernel = B[task][:, task] * (X @ X.T)
    alpha = np.linalg.solve(kernel + noise**2 * np.eye(len(y)), y)
    W = np.stack([(B[t, task][:, None] * X * alpha[:, None]).sum(axis=0) for t in range(4)], axis=1)
    assert np.abs(W - dense(rows, noise**2 * np.kron(np.linalg.inv(B), np.eye(6)), intercept=False)).max() < 1e-8
    scale = np.trace(B)
    held = penalty(
        f"mtrl:strength={float(noise**2 / scale)!r}", rows
    )  # v/2 Omega^-1 = noise^2/2 B^-1 at Omega = B / tr B
    held.omega.copy_(torch.from_numpy(B / scale))  # type: ignore[operator,union-attr]
    frozen = Alternating(held)
    frozen.refresh_to_optimum = lambda W: None  # type: ignore[method-assign]
    found = minimise(Objective(Squared(rows), frozen), None, 1e-12)
    assert np.abs(weights(found).numpy() - W).max() < 1e-7


@pytest.mark.parametrize("name", [*NORMS, *OTHERS[:2], "ridge", "mtrl", "cluster:k=2"])
def test_relabelling_tasks_relabels_the_answer(name: str) -> None:
    rows, order = problem(), [3, 1, 0, 2]
    turned = TaskRows([rows.inputs[t] for t in order], [rows.targets[t] for t in order], rows.names)
    one = weights(solve(at(name, 1.3), rows, Squared(rows, 0.0)))
    two = weights(solve(at(name, 1.3), turned, Squared(turned, 0.0)))
    assert torch.allclose(one[:, order], two, atol=1e-6)


def test_one_column_for_all_is_least_squares_on_all_rows() -> None:
    rows = problem()
    X, y = torch.cat(list(rows.inputs)).numpy(), torch.cat(list(rows.targets)).numpy()
    tied = Tied(Squared(rows, math.inf))
    objective = Objective(tied, penalty("ridge:strength=2", problem((9,))))
    found = minimise(objective, None, 1e-12)
    centred = X - X.mean(axis=0)
    expected = np.linalg.solve(centred.T @ centred + 4 * np.eye(6), centred.T @ (y - y.mean()))
    W, b = tied.model(objective.sum_parts(found.W))
    assert np.allclose(W.numpy(), expected[:, None], atol=1e-9)
    assert np.allclose(b.numpy(), y.mean() - X.mean(axis=0) @ expected, atol=1e-9)
