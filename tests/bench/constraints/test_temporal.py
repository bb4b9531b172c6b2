"""Constraints on tasks in an order: their proxes, duals and published definitions, by independent means."""

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear, minimize
from torch import Tensor

from bench.catalogue.registry import choose
from bench.core.constraint import Constraint, Coupled
from bench.records import parse_call
from bench.toolbox.chains import fuse_neighbours

FORMS = ["cfsgl", "cfsgl:fuse=3,sparse=0", "cfsgl:gaps=1/3,group=0.5", "cfsgl:nonnegative=true", "tgl", "tgl:gaps=1/3"]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(text: str, shape: tuple[int, ...] = (1, 4), tasks: int = 3, strength: float = 0.4) -> Constraint:
    joined = f"{text}{',' if ':' in text else ':'}strength={strength!r}"
    constraint: Constraint = choose("constraint", parse_call(joined)).build(Coupled(shape, tasks, 0.1)).double()
    return constraint


@pytest.mark.parametrize("length", [2, 3, 6, 11])
def test_neighbours_fuse_as_in_the_dual_problem(length: int) -> None:
    """W less D^T z, z in the box of the thresholds and nearest to W, by scipy; infinite thresholds leave the mean."""
    rng, D = np.random.default_rng(length), np.diff(np.eye(length), axis=0)
    chains = rng.normal(size=(12, length))
    chains[0], chains[1] = 0, 5  # flat ones
    for scale in (1e-6, 0.1, 1.0, 20.0):
        t = scale * rng.uniform(0.5, 2, size=length - 1)
        fused = fuse_neighbours(torch.from_numpy(chains), torch.from_numpy(t)).numpy()
        for w, found in zip(chains, fused, strict=True):
            z = lsq_linear(D.T, w, bounds=(-t, t), method="bvls", tol=1e-15).x
            assert np.allclose(found, w - D.T @ z, atol=1e-12)
    every = fuse_neighbours(torch.from_numpy(chains), torch.full((length - 1,), np.inf))
    assert np.allclose(every, chains.mean(axis=1, keepdims=True), atol=1e-12)
    none = fuse_neighbours(torch.from_numpy(chains), torch.zeros(length - 1))
    assert np.allclose(none, chains, atol=1e-12)
    tiny = fuse_neighbours(torch.from_numpy(1e-200 * chains), torch.full((length - 1,), 1e-200, dtype=torch.float64))
    assert np.allclose(1e200 * tiny, fuse_neighbours(torch.from_numpy(chains), torch.ones(length - 1)), rtol=1e-9)


def test_fused_neighbours_are_equal_to_the_last_digit() -> None:
    fused = fuse_neighbours(draw(200, 6), torch.full((5,), 0.7))
    jumps = fused.diff(dim=1)
    assert 0.3 < float((jumps == 0).double().mean()) < 0.9
    assert float(jumps[jumps != 0].abs().min()) > 1e-9
    assert fused.dtype == torch.float64
    half = fuse_neighbours(draw(200, 6).bfloat16(), torch.full((5,), 0.7))
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.double(), fused, atol=0.05)
    assert fuse_neighbours(draw(3, 1), torch.zeros(0)).shape == (3, 1)


def project(W: np.ndarray, fuse: float, sparse: float, group: float) -> np.ndarray:
    """The projection of a row on the ball dual to the norm of `cfsgl`: the sum of a box, a box of D^T z, and a ball."""
    T = len(W)
    D = np.diff(np.eye(T), axis=0)

    def point(v: np.ndarray) -> np.ndarray:
        return v[:T] + D.T @ v[T : 2 * T - 1] + v[2 * T - 1 :]

    best = minimize(
        lambda v: ((point(v) - W) ** 2).sum() / 2,
        np.zeros(3 * T - 1),
        jac=lambda v: np.concatenate([point(v) - W, D @ (point(v) - W), point(v) - W]),
        bounds=[(-sparse, sparse)] * T + [(-fuse, fuse)] * (T - 1) + [(None, None)] * T,
        constraints={"type": "ineq", "fun": lambda v: group**2 - (v[2 * T - 1 :] ** 2).sum()},
        options={"ftol": 1e-16, "maxiter": 1000},
        method="SLSQP",
    )
    return point(best.x)


@pytest.mark.parametrize("tasks", [2, 5])
def test_the_fused_prox_and_its_dual_ball_add_up(tasks: int) -> None:
    """Moreau: prox_{s R}(W) + the projection of W on the dual ball of radius s v = W, the ball by scipy."""
    W = draw(1, 5, tasks)
    for step in (0.2, 1.0):
        P = make("cfsgl:fuse=0.8,sparse=0.2", (1, 5), tasks).prox(W, step)
        for w, p in zip(W[0], P[0], strict=True):
            level = 0.4 * step
            assert np.allclose(p.numpy() + project(w.numpy(), 0.8 * level, 0.2 * level, level), w.numpy(), atol=2e-5)


@pytest.mark.parametrize("shape", [(1, 4), (4, 5), (2, 3, 2, 2)])
@pytest.mark.parametrize("text", FORMS)
def test_moreau(text: str, shape: tuple[int, ...]) -> None:
    """With G = (W - P) / s at P = prox_{s R}(W): <G, P> = R(P) + R*(G), R* being 0 in the ball of a norm."""
    constraint = make(text, shape)
    for step in (0.1, 2.0):
        W = 3 * draw(*shape, 3, seed=7)
        P = constraint.prox(W, step)
        assert P.any()
        G = (W - P) / step
        dual, conjugate = constraint.dual_norm(G), constraint.conjugate(G)
        if dual is not None:
            assert conjugate is None
            assert float(dual) == pytest.approx(1, rel=1e-9)
        beyond = 0.0 if conjugate is None else float(conjugate)
        assert float((G * P).sum()) == pytest.approx(float(constraint.value(P)) + beyond, rel=1e-9)


def test_the_conjugate_is_the_largest_difference() -> None:
    """Of <G, W> - R(W), by a general optimiser; no other W has more."""
    constraint = make("tgl:ridge=0.3,smooth=2", (1, 2), 4)
    G = 2 * draw(1, 2, 4)

    def cost(w: np.ndarray) -> tuple[float, np.ndarray]:
        W = torch.from_numpy(w).reshape(1, 2, 4).requires_grad_()
        value = constraint.value(W) - (G * W).sum()
        value.backward()
        assert W.grad is not None
        return float(value.detach()), W.grad.numpy().ravel()

    best = minimize(cost, G.numpy().ravel(), jac=True, method="BFGS", options={"gtol": 1e-10})
    conjugate = constraint.conjugate(G)
    assert conjugate is not None
    assert float(conjugate) == pytest.approx(-best.fun, rel=1e-8)
    assert float(constraint.conjugate(0.05 * G) or 0.0) == 0.0  # shorter than v: W = 0 is best
    assert float(make("tgl", (1, 2), 4, strength=np.inf).conjugate(G) or 0.0) == 0.0
    assert make("tgl", (1, 2), 4, strength=0.0).conjugate(G) is None


@pytest.mark.parametrize("text", ["cfsgl", "cfsgl:nonnegative=true", "cfsgl:fuse=3,group=0"])
@pytest.mark.parametrize("shape", [(1, 6), (2, 3, 2, 2)])
def test_the_dual_of_the_fused_norm(text: str, shape: tuple[int, ...]) -> None:
    """<G, W> <= N*(G) N(W) for the W that count, with equality at what the prox leaves just below the level."""
    constraint = make(text, shape, strength=1.0)
    for seed in range(20):
        G, W = draw(*shape, 3, seed=2 * seed), draw(*shape, 3, seed=2 * seed + 1)
        W = W.abs() if "nonnegative" in text else W
        dual = constraint.dual_norm(G)
        assert dual is not None
        assert float((G * W).sum()) <= float(dual * constraint.value(W)) * (1 + 1e-12)
        for strength in (1e-3, 1.0, 0.99 * float(dual), 1e3):  # where the search begins is no part of the answer
            again = make(text, shape, strength=strength).dual_norm(G)
            assert strength * float(again or 0.0) == pytest.approx(float(dual), rel=1e-12)
    below = make(text, shape, strength=float(dual) * (1 - 1e-6)).prox(G, 1.0)
    assert below.any()
    assert float((G * below).sum()) == pytest.approx(float(dual * constraint.value(below)), rel=1e-5)
    assert not make(text, shape, strength=float(dual) * (1 + 1e-12)).prox(G, 1.0).any()


def test_definitions() -> None:
    """As MALSAR's manual has them: rho1 |W|_1 + rho2 |W R|_1 + rho3 |W|_21, and with squares of the first two."""
    W = draw(1, 7, 5)
    w, R = W[0].numpy(), -np.diff(np.eye(5), axis=0).T
    groups = np.linalg.norm(w, axis=1).sum()
    fused = make("cfsgl:fuse=0.7,sparse=0.2,group=1.5", (1, 7), 5, strength=2.0)
    rho = 2 * np.array([0.2, 0.7, 1.5])
    assert float(fused.value(W)) == pytest.approx(rho @ [np.abs(w).sum(), np.abs(w @ R).sum(), groups])
    temporal = make("tgl:ridge=0.2,smooth=0.7", (1, 7), 5, strength=2.0)
    assert float(temporal.value(W)) == pytest.approx(2 * (0.2 * (w**2).sum() + 0.7 * ((w @ R) ** 2).sum() + groups))
    spread = make("cfsgl:fuse=1,sparse=0,group=1,gaps=6/6/12/24", (1, 7), 5, strength=1.0)
    steps = np.abs(np.diff(w, axis=1)).sum(axis=0)
    assert float(spread.value(W)) == pytest.approx(groups + steps @ (12 / np.array([6, 6, 12, 24])))


@pytest.mark.parametrize(("ours", "other"), [("cfsgl:fuse=0,sparse=0", "l21"), ("cfsgl:fuse=0,group=0,sparse=1", "l1")])
def test_special_cases(ours: str, other: str) -> None:
    W = draw(1, 6, 3)
    first, second = make(ours, (1, 6)), make(other, (1, 6))
    assert torch.allclose(first.prox(W, 1.3), second.prox(W, 1.3), atol=1e-14)
    assert float(first.dual_norm(W) or 0) == pytest.approx(float(second.dual_norm(W) or 1), rel=1e-12)


def test_a_chain_of_squares_is_the_chain_of_the_graph() -> None:
    W = draw(1, 6, 4)
    steep, flat = make("tgl:smooth=3", (1, 6), 4), make("tgl:smooth=0", (1, 6), 4)
    chain = make("graph:edges=chain", (1, 6), 4, strength=0.4 * 3)
    assert float(steep.value(W) - flat.value(W)) == pytest.approx(float(chain.value(W)))


def test_a_strong_fusion_leaves_one_weight_for_all_tasks() -> None:
    W = draw(1, 6, 4)
    P = make("cfsgl:fuse=1e9,sparse=0.5,group=0", (1, 6), 4).prox(W, 1.0)
    mean = W.mean(dim=-1, keepdim=True)
    shrunk = mean.sign() * (mean.abs() - 0.2).clamp(min=0)
    assert torch.allclose(P, shrunk.expand_as(W), atol=1e-12)


def test_weights_stay_at_0_and_above_without_a_penalty() -> None:
    W = draw(1, 6, 3)
    free = make("cfsgl:nonnegative=true", (1, 6), strength=0.0)
    assert torch.equal(free.prox(W, 0.5), W.clamp(min=0))
    assert torch.equal(free.prox(W, 0.0), W)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`gaps` of `tgl` should hold 2 numbers for 3 tasks\. Found 1\."):
        make("tgl:gaps=6")
    with pytest.raises(ValueError, match="`sparse` or `group` above 0"):
        make("cfsgl:group=0,sparse=0")
    with pytest.raises(ValueError, match="coordinates=copies"):
        choose("constraint", parse_call("cfsgl:nonnegative=true")).build(Coupled((1, 4), 3, 0.1, deviations=True))
