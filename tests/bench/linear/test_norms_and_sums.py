"""Norms, their duals and their sums: what a solver's certificates rest on."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from bench.catalogue.registry import choose
from bench.core.constraint import Constraint, Coupled
from bench.records import parse_call
from bench.toolbox.proxes import clip_to_ball, shrink_singular
from tests.conftest import make_run, train_run

NORMS = ["l1", "l21", "l1inf", "trace_norm"]
SUMS = ["dirty", "robust", "rmtfl"]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(text: str, shape: tuple[int, ...] = (4, 5), tasks: int = 3) -> Constraint:
    constraint: Constraint = choose("constraint", parse_call(text)).build(Coupled(shape, tasks, 0.1)).double()
    return constraint


@pytest.mark.parametrize("shape", [(4, 5), (1, 6), (2, 3, 2, 2)])
@pytest.mark.parametrize("name", NORMS + SUMS)
def test_dual_norms(name: str, shape: tuple[int, ...]) -> None:
    """<G, W> <= N*(G) N(W) for any pair, with equality at what the prox leaves just below the critical strength."""
    constraint = make(f"{name}:strength=1", shape)
    whole = (*[constraint.parts] * (constraint.parts > 1), *shape, 3)
    for seed in range(20):
        G, W = draw(*shape, 3, seed=2 * seed).expand(whole), draw(*whole, seed=2 * seed + 1)
        dual = constraint.dual_norm(G)
        assert dual is not None
        assert float((G * W).sum()) <= float(dual * constraint.value(W)) * (1 + 1e-12)
    below = make(f"{name}:strength={float(dual) * (1 - 1e-6)!r}", shape).prox(G.clone(), 1.0)
    assert float((G * below).sum()) == pytest.approx(float(dual * constraint.value(below)), rel=1e-4)
    assert below.any()
    assert not make(f"{name}:strength={float(dual) * (1 + 1e-7)!r}", shape).prox(G.clone(), 1.0).any()


def test_the_largest_entry_has_the_prox_of_moreau() -> None:
    """W less its projection on the l1 ball, which a general optimiser finds too."""
    for w in draw(5, 4):
        for t in (0.3, 1.0, 9.0):
            start = w.numpy() * min(1, t / float(w.abs().sum()))
            best = minimize(
                lambda pq, w=w: ((pq[:4] - pq[4:] - w.numpy()) ** 2).sum(),
                np.concatenate([start.clip(0), -start.clip(None, 0)]),
                bounds=[(0, None)] * 8,
                constraints={"type": "ineq", "fun": lambda pq, t=t: t - pq.sum()},
                options={"ftol": 1e-15, "maxiter": 500},
            )
            projection = torch.from_numpy(best.x[:4] - best.x[4:])
            assert torch.allclose(clip_to_ball(w, t), w - projection, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_singular_values_shrink_through_either_side(shape: tuple[int, int]) -> None:
    W = draw(*shape)
    U, s, V = np.linalg.svd(W.numpy(), full_matrices=False)
    assert np.allclose(shrink_singular(W, 1.2).numpy(), (U * np.maximum(s - 1.2, 0)) @ V, atol=1e-10)


def test_the_shared_space_of_aso() -> None:
    """After a refresh R is v times the tail of squared singular values; no other space has a shorter one."""
    W = draw(4, 5, 3)
    squares = torch.linalg.svdvals(W.reshape(-1, 3)).square()
    for h in (1, 2, 3, 7):
        constraint = make(f"aso:h={h},strength=0.7")
        assert float(constraint.value(W)) == pytest.approx(0.7 * float(squares.sum()))
        constraint.refresh(W)
        assert float(constraint.value(W)) == pytest.approx(0.7 * float(squares[h:].sum()), abs=1e-12)
    for seed in range(50):
        Q = torch.linalg.qr(draw(20, 1, seed=seed))[0]
        rest = W.reshape(-1, 3) - Q @ (Q.T @ W.reshape(-1, 3))
        assert float(rest.square().sum()) >= float(squares[1:].sum()) * (1 - 1e-12)


@pytest.mark.parametrize(("near", "end"), [("0.0001", "l1inf"), ("0.9999", "l1")])
def test_a_dirty_model_lies_between_its_two_norms(near: str, end: str) -> None:
    """At the ends of `balance` the least R(P, Q) over all P + Q = W is one of the norms of W."""
    D, step = draw(1, 6, 3), 0.4
    constraint = make(f"dirty:balance={near},strength=1", (1, 6))
    W = torch.zeros(2, 1, 6, 3, dtype=torch.float64)
    for _ in range(2000):  # min |P + Q - D|^2 / 2 + step R(P, Q), by gradient steps of 1/2 and the prox
        W = constraint.prox(W - 0.5 * (W.sum(dim=0) - D), 0.5 * step)
    strength = {"l1inf": 1.0, "l1": 3**-0.9999}[end]
    alone = make(f"{end}:strength={strength!r}", (1, 6)).prox(D, step)
    assert torch.allclose(W.sum(dim=0), alone, atol=1e-3)


@pytest.mark.parametrize("name", SUMS)
def test_copies_that_are_sums_move_through_both_parts(name: str) -> None:
    """Without a constraint every copy goes by twice the gradient; with an infinite one both parts stay 0."""
    settings = {"epochs": "1", "steps_per_epoch": "5"}
    free = train_run(make_run(f"soft+{name}:strength=0", **settings))
    matrices = [name for name, W in free.copies().items() if W.dim() > 2]
    run = make_run("single_task", **settings)
    twice = [p for name, p in run.model.sharing.named_parameters() if p.dim() > 1]
    for parameter in twice:
        parameter.register_hook(lambda gradient: 2 * gradient)
    train_run(run)
    for key in matrices:
        assert torch.allclose(free.copies()[key], run.model.copies()[key], atol=1e-12)
    tied = train_run(make_run(f"soft+{name}:strength=inf", **settings)).copies()
    assert all(not tied[key].any() for key in matrices)
    assert math.isfinite(float(next(iter(tied.values())).sum()))
