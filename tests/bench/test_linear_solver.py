"""The solver of linear models against closed forms, other libraries, and its own certificates."""

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, LogisticRegression, MultiTaskLasso
from torch import Tensor

from bench.core.constraint import Constraint
from bench.errors import UsageError
from bench.linear.logistic import Logistic
from bench.linear.loss import Loss, Tied, best_intercepts
from bench.linear.minimise import Objective, minimise
from bench.linear.rows import Rows
from bench.linear.squared import Offsets, Squared
from tests.bench.linear import COUNTS, family, penalty, problem, solve, weights

NORMS = ["l1", "l21", "l1inf", "trace_norm", "dirty", "robust", "rmtfl"]
OTHERS = ["l2", "l2_pairwise", "graph", "graph:edges=ring", "ridge", "mtrl", "cluster:k=2", "caso:h=2"]


def at(name: str, strength: float) -> str:
    return f"{name}{',' if ':' in name else ':'}strength={strength!r}"


def largest(rows: Rows, loss: Loss, name: str) -> float:
    return family(name, rows).strengths(loss, {}, 2, 0.1)[0]


# --- losses ----------------------------------------------------------------------------------------


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


def each(rows: Rows) -> list[Rows]:
    return [Rows([X], [y], ["t"]) for X, y in zip(rows.inputs, rows.targets, strict=True)]


@pytest.mark.parametrize("rho", [None, 0.0, 2.0, math.inf])
def test_the_ways_to_hold_rows_agree(rho: float | None) -> None:
    """Sums of products or rows, inputs in common or of their own: one function."""
    W = torch.randn(40, 3, generator=torch.Generator().manual_seed(1)).double()
    for features in (3, 40):
        rows = problem((10, 10, 10), features, common=True)
        apart = Rows([X.clone() for X in rows.inputs], rows.targets, rows.names)
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


def solve_offsets(rows: Rows, strength: float) -> tuple[Tensor, Tensor]:
    from bench.core.constraint import Coupled
    from bench.linear.family import Family
    from bench.records import parse_call
    from bench.registry import choose

    held = Family(choose("constraint", parse_call(f"l2:strength={strength}")), Coupled((1,), 4, 1.0)).penalty({})
    loss = Offsets(rows)
    objective = Objective(loss, held)
    found = minimise(objective, None, 1e-12, 100_000)
    assert found.certificate.met
    return loss.model(objective.whole(found.W))


def test_intercepts_shrink_to_a_common_one() -> None:
    sums, counts = torch.tensor([3.0, -8.0, 40.0]).double(), torch.tensor([3.0, 8.0, 10.0]).double()
    free, pooled = best_intercepts(sums, counts, 0.0), best_intercepts(sums, counts, math.inf)
    assert free.tolist() == [1.0, -1.0, 4.0]
    assert pooled.tolist() == pytest.approx([35 / 21] * 3)
    assert torch.allclose(best_intercepts(sums, counts, 1e-9), free, atol=1e-8)
    assert torch.allclose(best_intercepts(sums, counts, 1e9), pooled, atol=1e-6)


# --- certificates ----------------------------------------------------------------------------------


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
    strengths = family("l21", rows).strengths(loss, {}, 10, 1e-3)
    ratios = [b / a for a, b in itertools.pairwise(strengths)]
    assert ratios == pytest.approx([1e-3 ** (1 / 9)] * 9)
    W, seen = None, []
    for strength in strengths:
        objective = Objective(loss, penalty(at("l21", strength), rows))
        warm, cold = minimise(objective, W, 1e-10), minimise(objective, None, 1e-10)
        assert warm.objective == pytest.approx(cold.objective, rel=1e-9)
        W, seen = warm.W, [*seen, warm.objective]
    assert all(b < a for a, b in itertools.pairwise(seen))


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


def dense(rows: Rows, precision: np.ndarray, intercept: bool = True) -> np.ndarray:
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
        self.value, self.prox, self.settle = inner.value, inner.prox, inner.settle  # type: ignore[method-assign]

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
    held.settle(best.W)
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
    turned = Rows([rows.inputs[t] for t in order], [rows.targets[t] for t in order], rows.names)
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
    frozen.settle = lambda W: None  # type: ignore[method-assign]
    found = minimise(Objective(Squared(rows), frozen), None, 1e-12)
    assert np.abs(weights(found).numpy() - W).max() < 1e-7


@pytest.mark.parametrize("name", [*NORMS, *OTHERS[:2], "ridge", "mtrl", "cluster:k=2"])
def test_relabelling_tasks_relabels_the_answer(name: str) -> None:
    rows, order = problem(), [3, 1, 0, 2]
    turned = Rows([rows.inputs[t] for t in order], [rows.targets[t] for t in order], rows.names)
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
    W, b = tied.model(objective.whole(found.W))
    assert np.allclose(W.numpy(), expected[:, None], atol=1e-9)
    assert np.allclose(b.numpy(), y.mean() - X.mean(axis=0) @ expected, atol=1e-9)


# --- bad input -------------------------------------------------------------------------------------


def broken(**changes: object) -> Rows:
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
    return Rows(inputs, targets, [] if "none" in changes else ["a", "b"])


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
    one = Rows(rows.inputs, [torch.ones(5).double(), torch.zeros(6).double()], rows.names)
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
    rows = Rows([torch.ones(3, 2).double()] * 2, [torch.zeros(3).double()] * 2, ["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = minimise(Objective(Squared(rows, 0.0), penalty("l21:strength=1", rows)))
    assert not found.W.any()
    assert found.certificate.met
    assert rows.constant_columns() == [0, 1]
