"""What each constraint is: its prox against its penalty and independent references, its penalty against formulas."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from bench.catalogue.registry import choose
from bench.core.constraint import Constraint, Coupled
from bench.errors import UsageError
from bench.records import parse_call
from bench.toolbox.spectra import gram_eigen, sqrt_psd, trace_norm, unfoldings, water_filling
from tests.conftest import make_run, train_run

SHAPES = [(4, 5), (3, 2, 2, 2)]
TYING = ("l2", "l2_pairwise", "graph")  # of the copies themselves; the others end at 0
QUADRATIC = [
    *("ridge:strength=0.7", "l2_pairwise:strength=0.7", "graph:strength=0.7", "graph:edges=ring,strength=0.7"),
    *("graph:strength=0.7,weights=1/0/2/0.5/0/1", "cluster:k=2,strength=0.7", "caso:h=2,strength=0.7"),
    *("mtrl:memory=0,strength=0.7", "mrn:strength=0.7"),
]
PENALTIES = [
    *QUADRATIC,
    *("l1:form=penalty,smooth=0.1,strength=0.7", "l21:form=penalty,smooth=0.1,strength=0.7"),
    *(f"trace_norm:form=penalty,mode={mode},smooth=0.1,strength=0.7" for mode in ("last", "tucker", "tt")),
    "orthogonal:strength=0.7",
]


def copies(shape: tuple[int, ...], tasks: int = 4, seed: int = 0) -> Tensor:
    """T copies of one parameter, tasks last, none alike."""
    return torch.randn(*shape, tasks, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(text: str, W: Tensor, refreshed: bool = False) -> Constraint:
    """The constraint on copies of this shape."""
    coupled = Coupled(tuple(W.shape[:-1]), W.shape[-1], 0.1)
    constraint: Constraint = choose("constraint", parse_call(text)).build(coupled).double()
    if refreshed:
        constraint.refresh(W)
    return constraint


# --- penalties -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", PENALTIES)
def test_the_gradient_of_the_penalty(text: str, shape: tuple[int, ...]) -> None:
    """At random copies, at zero, at equal copies, and where all singular values are one."""
    W = copies(shape)
    constraint = make(text, W, refreshed=True)
    orthonormal = torch.linalg.qr(W.flatten(0, -2))[0].reshape(W.shape)
    for at in (W, 0 * W, W[..., :1].expand_as(W), orthonormal):
        assert torch.autograd.gradcheck(constraint.value, (at.clone().requires_grad_(),), atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_trace_norms_are_sums_of_singular_values(shape: tuple[int, ...]) -> None:
    W = copies(shape)
    array = W.numpy()
    cuts = [array.reshape(math.prod(array.shape[:k]), -1) for k in range(1, array.ndim)]
    axes = [np.moveaxis(array, k, 0).reshape(array.shape[k], -1) for k in range(array.ndim)]
    for mode, matrices in {"last": cuts[-1:], "tucker": axes, "tt": cuts}.items():
        expected = np.mean([np.linalg.svd(matrix, compute_uv=False).sum() for matrix in matrices])
        exact = make(f"trace_norm:mode={mode},smooth=0,strength=2", W)
        assert float(exact.value(W)) == pytest.approx(2 * expected, rel=1e-10)
        assert len(list(unfoldings(W, mode))) == len(matrices)
        smooth = make(f"trace_norm:form=penalty,mode={mode},smooth=1e-6,strength=2", W)
        assert float(smooth.value(W)) == pytest.approx(2 * expected, rel=1e-4)


def test_equal_copies_have_the_least_trace_norm_at_their_length() -> None:
    w = copies((6,), 1)
    equal = w.expand(6, 4)
    assert float(trace_norm(equal)) == pytest.approx(2 * float(w.norm()))
    assert float(trace_norm(copies((6,), 4) * equal.norm() / copies((6,), 4).norm())) > float(trace_norm(equal))


def test_overlaps_of_filters() -> None:
    W = copies((3, 2, 2, 2), 3)
    filters = W.numpy().reshape(3, 8, 3)
    expected = sum(
        float(((filters[..., s] @ filters[..., t].T) ** 2).sum()) for s, t in itertools.combinations(range(3), 2)
    )
    assert float(make("orthogonal:strength=0.5", W).value(W)) == pytest.approx(0.5 * expected)
    apart = torch.zeros(2, 4, 2, dtype=torch.float64)
    apart[0, 0, 0] = apart[1, 1, 0] = apart[0, 2, 1] = apart[1, 3, 1] = 1.0
    assert float(make("orthogonal", apart).value(apart)) == 0.0


# --- proxes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("refreshed", [False, True])
@pytest.mark.parametrize("text", QUADRATIC)
@pytest.mark.parametrize("step", [0.1, 10.0])
def test_smooth_proxes_solve_their_equation(text: str, shape: tuple[int, ...], refreshed: bool, step: float) -> None:
    """(W - P) / step is the gradient of the penalty at P."""
    W = copies(shape)
    constraint = make(text, copies(shape, seed=1), refreshed)
    P = constraint.prox(W, step).requires_grad_()
    [gradient] = torch.autograd.grad(constraint.value(P), P)
    assert torch.allclose((W - P.detach()) / step, gradient, rtol=1e-7, atol=1e-9)


def balls(name: str, W: Tensor, radius: float) -> Tensor:
    """The projection of W on the dual ball of the norm behind a penalty, written with other means."""
    array = W.numpy()
    if name == "l1":
        return torch.from_numpy(np.clip(array, -radius, radius))
    if name == "l21":
        groups = np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)
        shrunk = groups * np.minimum(1, radius / np.linalg.norm(groups, axis=1))[:, None]
        moved = np.moveaxis(array, 1, 0).shape
        return torch.from_numpy(np.moveaxis(shrunk.reshape(moved), 0, 1).copy())
    U, s, V = np.linalg.svd(array.reshape(-1, array.shape[-1]), full_matrices=False)
    return torch.from_numpy(((U * np.minimum(s, radius)) @ V).reshape(array.shape))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["l1", "l21", "trace_norm"])
@pytest.mark.parametrize("step", [0.2, 1.0, 3.0])
def test_norm_proxes_and_dual_balls_add_up(name: str, shape: tuple[int, ...], step: float) -> None:
    """Moreau: prox_{s v |.|}(W) + projection of W on the dual ball of radius s v = W."""
    W = copies(shape)
    P = make(f"{name}:strength=0.8", W).prox(W, step)
    assert torch.allclose(P + balls(name, W, 0.8 * step), W, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["l1", "l21", "trace_norm"])
def test_everything_is_dropped_at_the_critical_strength(name: str, shape: tuple[int, ...]) -> None:
    W = copies(shape)
    flat = W.flatten(0, -2)
    critical = {
        "l1": float(W.abs().max()),
        "l21": float(W.movedim(1, 0).flatten(1).norm(dim=1).max()),
        "trace_norm": float(torch.linalg.matrix_norm(flat, 2)),
    }[name]
    assert not make(f"{name}:strength={critical * (1 + 1e-7)!r}", W).prox(W, 1.0).any()
    assert make(f"{name}:strength={critical * (1 - 1e-7)!r}", W).prox(W, 1.0).any()


def test_proxes_give_exact_zeros_by_entry_by_input_and_by_rank() -> None:
    W = copies((5, 6))
    sparse = make("l1:strength=1", W).prox(W, 1.0)
    assert 0 < int((sparse == 0).sum()) < W.numel()
    joint = make("l21:strength=5", W).prox(W, 1.0).movedim(1, 0).flatten(1)
    dropped = (joint == 0).all(dim=1)
    assert 0 < int(dropped.sum()) < 6
    assert (joint[~dropped] != 0).all()
    low = make("trace_norm:strength=5", W).prox(W, 1.0).flatten(0, -2)
    assert 0 < int(torch.linalg.matrix_rank(low, rtol=1e-6)) < 4


# --- relations -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_mean_pairs_and_the_complete_graph_are_one(shape: tuple[int, ...]) -> None:
    W = copies(shape)
    forms = [make(text, W) for text in ("l2:strength=2.8", "l2_pairwise:strength=0.7", "graph:strength=0.7")]
    first, *others = [(form.value(W), form.prox(W, 0.3)) for form in forms]
    for value, prox in others:
        assert torch.allclose(value, first[0], rtol=1e-12)
        assert torch.allclose(prox, first[1], atol=1e-12)


def test_a_graph_pulls_along_its_edges_only() -> None:
    W = copies((4, 5))
    tied = make("graph:strength=inf,weights=1/0/0/0/0/1", W).prox(W, 0.1)
    for pair in ((0, 1), (2, 3)):
        for t in pair:
            assert torch.allclose(tied[..., t], W[..., list(pair)].mean(dim=-1), atol=1e-12)
    A = np.zeros((4, 4))
    A[[0, 1, 2], [1, 2, 3]] = 1
    pairs = sum(A[s, t] * float((W[..., s] - W[..., t]).square().sum()) for s in range(4) for t in range(4))
    assert float(make("graph:edges=chain,strength=2", W).value(W)) == pytest.approx(2 * pairs)
    L = np.diag((A + A.T).sum(axis=1)) - A - A.T
    solved = W.numpy() @ np.linalg.inv(np.eye(4) + 2 * 0.3 * 2 * L)
    assert np.allclose(make("graph:edges=chain,strength=2", W).prox(W, 0.3).numpy(), solved, atol=1e-12)
    with pytest.raises(UsageError, match=r"6 numbers for 4 tasks\. Found 2"):
        make("graph:weights=1/1", W)


def test_water_filling_against_a_general_optimiser() -> None:
    s = np.array([3.0, 2.0, 1.0, 0.2, 0.0])
    for eta, total in itertools.product((0.05, 0.5), (0.5, 1, 2, 3, 4)):
        best = minimize(
            lambda m, eta=eta: (s**2 / (eta + m)).sum(),
            np.full(5, total / 5),
            bounds=[(0, 1)] * 5,
            constraints={"type": "eq", "fun": lambda m, total=total: m.sum() - total},
            options={"ftol": 1e-14, "maxiter": 500},
        )
        found = water_filling(torch.from_numpy(s), eta, total).numpy()
        assert found.sum() == pytest.approx(total)
        assert ((found >= 0) & (found <= 1 + 1e-12)).all()
        assert (s**2 / (eta + found)).sum() <= best.fun * (1 + 1e-9)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 7])
def test_clusters_and_shared_spaces_have_one_minimum(k: int) -> None:
    """Zhou, Chen, Ye 2011; with k at the rank or above it is ridge, and no feasible M does better."""
    W, v, eta = copies((3, 4)), 0.7, 0.2
    cluster = make(f"cluster:eta={eta},k={k},strength={v}", W, refreshed=True)
    caso = make(f"caso:eta={eta},h={k},strength={v}", W, refreshed=True)
    least = float(cluster.value(W))
    assert least == pytest.approx(float(caso.value(W)), rel=1e-9)
    ridge = v * eta * float(W.square().sum())
    assert least >= ridge * (1 - 1e-12)
    if k >= 4:
        assert least == pytest.approx(ridge, rel=1e-9)
    flat, generator = W.flatten(0, -2).numpy(), np.random.default_rng(0)
    for _ in range(50):
        Q = np.linalg.qr(generator.standard_normal((4, 4)))[0]
        m = np.minimum(1, generator.dirichlet(np.ones(4)) * k)
        M = (Q * m) @ Q.T  # of trace at most k
        assert least <= v * eta * (1 + eta) * np.trace(flat @ np.linalg.inv(eta * np.eye(4) + M) @ flat.T) * (1 + 1e-9)
    matrix = cluster.matrices()["cluster"]
    assert float(matrix.trace()) == pytest.approx(min(k, 4))


def test_the_task_covariance_at_its_minimum_is_the_squared_trace_norm() -> None:
    W = copies((5, 6))
    norm = float(trace_norm(W.flatten(0, -2)))
    start = make("mtrl:strength=2", W)
    assert float(start.value(W)) == pytest.approx(4 * float(W.square().sum()))  # Omega = I / T
    best = make("mtrl:memory=0,strength=2", W, refreshed=True)
    assert float(best.value(W)) == pytest.approx(norm**2, rel=1e-8)
    omega = best.matrices()["covariance"]
    assert float(omega.trace()) == pytest.approx(1)
    assert float(torch.linalg.eigvalsh(omega).min()) > 0
    generator = np.random.default_rng(0)
    for _ in range(200):
        root = generator.standard_normal((4, 4))
        other = root @ root.T
        other /= np.trace(other)
        flat = W.flatten(0, -2).numpy()
        assert np.trace(flat @ np.linalg.inv(other) @ flat.T) >= norm**2 * (1 - 1e-9)
    order = [2, 0, 3, 1]
    turned = make("mtrl:memory=0,strength=2", W[..., order], refreshed=True).matrices()["covariance"]
    assert torch.allclose(turned, omega[order][:, order], atol=1e-10)


def test_alternating_over_weights_and_covariance_descends() -> None:
    generator = torch.Generator().manual_seed(0)
    X, y = (torch.randn(4, *shape, generator=generator).double() for shape in ((20, 6), (20,)))
    W = torch.zeros(6, 1, 4, dtype=torch.float64)
    constraint = make("mtrl:memory=0,strength=3", W)
    rate, seen = 0.01, []

    def fit(W: Tensor) -> Tensor:
        return (torch.einsum("tnd,dt->tn", X, W[:, 0]) - y).square().sum() / 2

    for step in range(200):
        at = W.clone().requires_grad_()
        [slope] = torch.autograd.grad(fit(at), at)
        W = constraint.prox(W - rate * slope, rate)
        if step % 10 == 9:
            constraint.refresh(W)
        seen.append(float(fit(W) + constraint.value(W)))
    assert all(b <= a * (1 + 1e-4) for a, b in itertools.pairwise(seen))
    assert seen[-1] < seen[0]


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2, 2)])
def test_tensor_normal_prior_against_the_dense_kronecker_product(shape: tuple[int, ...]) -> None:
    W = copies(shape, 3)
    prior = make("mrn:strength=0.8", W)
    assert float(prior.value(W)) == pytest.approx(0.4 * float(W.square().sum()))  # all identities: ridge
    for seed in (1, 2):
        prior.refresh(copies(shape, 3, seed))
    dense = torch.ones(1, 1, dtype=torch.float64)
    for axis in range(len(prior.sizes)):  # type: ignore[arg-type]
        values, Q = getattr(prior, f"values{axis}"), getattr(prior, f"vectors{axis}")
        assert float(values.mean()) == pytest.approx(1)
        assert not torch.allclose(values, torch.ones_like(values))
        dense = torch.kron(dense, (Q * values) @ Q.T)
    w = W.reshape(-1)
    assert float(prior.value(W)) == pytest.approx(0.4 * float(w @ torch.linalg.solve(dense, w)), rel=1e-9)
    solved = torch.linalg.solve(torch.eye(len(w)).double() + 0.3 * 0.8 * torch.linalg.inv(dense), w)
    assert torch.allclose(prior.prox(W, 0.3).reshape(-1), solved, atol=1e-9)


def test_a_refresh_of_the_tensor_normal_prior_is_a_round_of_the_flip_flop() -> None:
    W, smooth = copies((3, 4), 2), 0.05
    prior = make(f"mrn:smooth={smooth}", W)
    prior.refresh(W)
    covariances = [torch.eye(size).double() for size in W.shape]
    for axis, size in enumerate(W.shape):
        others = torch.ones(1, 1).double()
        for k, S in enumerate(covariances):
            others = others if k == axis else torch.kron(others, S)
        unfolded = W.movedim(axis, 0).reshape(size, -1)
        C = unfolded @ torch.linalg.solve(others, unfolded.T)
        S = C / C.diagonal().mean() + smooth * torch.eye(size)
        covariances[axis] = S / (S.trace() / size)
        values, Q = getattr(prior, f"values{axis}"), getattr(prior, f"vectors{axis}")
        assert torch.allclose((Q * values) @ Q.T, covariances[axis], atol=1e-9)
    prior.refresh(W * 1e-200)  # too small to have a covariance: nothing is learned from it
    assert torch.allclose((Q * values) @ Q.T, covariances[-1], atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_is_no_rank(dtype: torch.dtype) -> None:
    for seed in range(50):
        w = torch.randn(50, 2, generator=torch.Generator().manual_seed(seed)).to(dtype)
        assert int((gram_eigen(w[:, :1].expand(50, 4))[0] > 0).sum()) == 1
        assert int((gram_eigen(w[:, [0, 1, 0, 1, 0]])[0] > 0).sum()) == 2


@pytest.mark.parametrize("text", [*("ridge", "l1", "l21", "trace_norm", "mtrl", "mrn", "cluster", "caso"), *TYING])
def test_an_infinite_strength_is_exact_or_refused(text: str) -> None:
    W = copies((5, 6))
    found = make(f"{text}:strength=inf", W).prox(W, 0.1)
    expected = W.mean(dim=-1, keepdim=True).expand_as(W) if text in TYING else torch.zeros_like(W)
    assert torch.allclose(found, expected, atol=1e-9)
    with pytest.raises(UsageError, match="should have a finite strength"):
        make(f"{text}:form=penalty,strength=inf", W)


@pytest.mark.parametrize(
    "text", ["mtrl:memory=inf", "cluster:eta=inf", "caso:eta=inf", "graph:weights=inf/1/1", "mrn:smooth=inf"]
)
def test_numbers_are_finite_unless_a_limit_is_meant(text: str) -> None:
    with pytest.raises(UsageError, match="inf"):
        make(text, copies((5, 6)))


def test_small_matrices_of_the_tasks() -> None:
    A = copies((9,), 4)
    s, V = gram_eigen(A)
    assert torch.allclose(s.sort(descending=True).values, torch.linalg.svdvals(A), atol=1e-10)
    assert torch.allclose((A @ V).norm(dim=0), s, atol=1e-10)
    root = sqrt_psd(A.T @ A)
    assert torch.allclose(root @ root, A.T @ A, atol=1e-10)


# --- in training -----------------------------------------------------------------------------------


def test_schedules_scale_prox_and_penalty() -> None:
    W = copies((4, 5))
    for schedule, factors in {"constant": [1, 1, 1], "warmup": [0, 0.5, 1], "anneal": [1, 0.95, 0.5]}.items():
        constraint = make(f"ridge:schedule={schedule}", W)
        assert [constraint.factor(p) for p in (0.0, 0.05, 0.5)] == pytest.approx(factors)
    for form in ("prox", "penalty"):
        run = make_run(f"soft+ridge:form={form},schedule=anneal,strength=3")
        held = run.model.held[0]
        plain = make_run(f"soft+ridge:form={form},strength=3").model.held[0]
        assert float(held.penalty(0.25).detach()) == pytest.approx(0.75 * float(plain.penalty().detach()))
        before = held.copies[0].detach().clone()
        held.apply_prox(0.1, 0.25)
        assert torch.allclose(held.copies[0], before / (1 + 2 * 0.1 * 0.75 * 3))


def test_a_warm_up_begins_without_the_constraint() -> None:
    one = {"epochs": "1", "steps_per_epoch": "1"}
    first = train_run(make_run("soft+l2_pairwise:schedule=warmup,strength=inf", **one))
    single = train_run(make_run("single_task", **one))
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), single.parameters(), strict=True))
    longer = train_run(make_run("soft+l2_pairwise:schedule=warmup,strength=inf", epochs="1", steps_per_epoch="2"))
    assert all(torch.allclose(W[0], W[1], atol=1e-12) for W in longer.copies().values())


@pytest.mark.parametrize(
    "text", ["trace_norm:strength=1e4", "l21:strength=1e4", "ridge:strength=inf", "mtrl:strength=1e9"]
)
def test_shrinking_constraints_end_at_zero_not_at_hard(text: str) -> None:
    model = train_run(make_run(f"soft+{text}", epochs="1", steps_per_epoch="3"))
    assert all(float(W.abs().max()) < 1e-6 for name, W in model.copies().items() if W.dim() > 2)


@pytest.mark.parametrize("name", ["cluster", "caso", "mtrl", "mrn"])
def test_learned_relations_reach_the_record(name: str) -> None:
    option = {"mrn": "smooth=0.1"}.get(name, "strength=0.1")
    run = make_run(f"soft+{name}:{option}", epochs="1", steps_per_epoch="100")
    train_run(run)
    found = dict(run.model.matrices())
    if name == "caso":
        assert found == {}
        held = run.model.held[0].constraint
        assert float(held.filled.sum()) > 0  # type: ignore[union-attr,operator]
    else:
        assert found
        assert all(matrix.shape == (3, 3) and torch.allclose(matrix, matrix.T, atol=1e-9) for matrix in found.values())
        assert any(float((matrix - torch.diag(matrix.diagonal())).abs().max()) > 1e-3 for matrix in found.values())
