"""Strengths that mean the same everywhere: half-lives of squares, holds of norms."""

import math

import pytest
import torch
from torch import Tensor

from bench.catalogue.registry import choose, list_entries
from bench.core.constraint import Constraint, Coupled
from bench.core.strength import NormConstraint
from bench.errors import UsageError
from bench.records import parse_call
from tests.bench.linear.problems import family, problem
from tests.conftest import make_run, train_run

ENTRIES = list_entries("constraint")
HALVING = [name for name, entry in ENTRIES.items() if "halflife" in entry.options]
HOLDING = [name for name, entry in ENTRIES.items() if "hold" in entry.options]
RATE, SHAPE = 0.1, (4, 5)


def make(text: str, tasks: int = 3, lr: float = RATE) -> Constraint:
    """The constraint `text` on deviations of a matrix."""
    coupled = Coupled(SHAPE, tasks, lr, deviations=True)
    constraint: Constraint = choose("constraint", parse_call(text)).build(coupled).double()
    return constraint


def deviations(constraint: Constraint, seed: int = 0) -> Tensor:
    """W of the constraint's shape, whose copies sum to 0."""
    shape = (*[constraint.parts] * (constraint.parts > 1), *SHAPE, constraint.coupled.tasks)
    W = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return W - W.mean(dim=-1, keepdim=True)


def test_every_constraint_has_one_of_the_two() -> None:
    assert sorted({*HALVING, *HOLDING, "orthogonal"}) == sorted(ENTRIES)
    assert not set(HALVING) & set(HOLDING)


@pytest.mark.parametrize("lr", [1e-3, 0.1])
@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("name", HALVING)
def test_deviations_left_alone_halve_in_a_half_life(name: str, tasks: int, lr: float) -> None:
    """At any rate and number of tasks; to a half for large k, and for any k to the power of one prox."""
    constraint = make(f"{name}:halflife=200", tasks, lr)
    V = W = deviations(constraint)
    for _ in range(200):
        V = constraint.prox(V, lr)
    assert torch.allclose(V, W * (1 + math.log(2) / 200) ** -200, rtol=1e-6)  # buffers begin in float32
    assert torch.allclose(V, W / 2, rtol=2e-3)


def test_a_chain_halves_on_average() -> None:
    """Its eigenvalues are 1 and 3, so the half-life is that of a mean of 2."""
    chain = make("graph:edges=chain,halflife=20")
    assert chain.strength == pytest.approx(math.log(2) / (2 * 20 * RATE * 2))  # type: ignore[attr-defined]
    assert make("graph:halflife=20,weights=0/0/0").prox(torch.ones(*SHAPE, 3).double(), 1.0).eq(1).all()


@pytest.mark.parametrize("name", HOLDING)
def test_a_hold_of_one_is_where_no_copy_moves_in_the_first_update(name: str) -> None:
    V = deviations(make(name))
    for hold, moves in ((1.0 + 1e-9, False), (1.0 - 1e-6, True)):
        constraint = make(f"{name}:hold={hold!r}")
        assert not constraint.calibrated
        assert torch.equal(constraint.prox(V, RATE), V)  # nothing is held before it is measured
        constraint.calibrate(V, RATE)
        assert constraint.calibrated
        assert bool(constraint.prox(V, RATE).any()) == moves


# `tgl` has a norm and squares under one strength, so that its hold depends on the scale of what it holds.
@pytest.mark.parametrize("name", [name for name in HOLDING if name != "tgl"])
def test_a_hold_depends_on_neither_rate_nor_scale_nor_what_copies_have_in_common(name: str) -> None:
    V = deviations(make(name))
    plain, faster, moved = (make(f"{name}:hold=0.2") for _ in range(3))
    plain.calibrate(V, RATE)
    faster.calibrate(3 * V, 3 * RATE)
    moved.calibrate(V + 7, RATE)
    W = deviations(plain, seed=1)
    assert torch.allclose(3 * plain.prox(W, RATE), faster.prox(3 * W, 3 * RATE))
    assert torch.allclose(plain.prox(W, RATE), moved.prox(W, RATE))


@pytest.mark.parametrize("mode", ["tucker", "tt"])
def test_modes_without_a_dual_norm_are_held_by_a_bound_of_it(mode: str) -> None:
    """<G, W> <= N*(G) N(W) for any pair."""
    constraint = make(f"trace_norm:mode={mode},strength=1,smooth=0")
    assert isinstance(constraint, NormConstraint)
    for seed in range(20):
        G, W = deviations(constraint, seed), deviations(constraint, seed + 100)
        assert float((G * W).sum()) <= float(constraint.dual(G) * constraint.norm(W))
    assert constraint.dual_norm(G) is None


@pytest.mark.parametrize("coordinates", ["mean", "copies"])
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_it_is_measured_once_after_the_first_update(optimiser: str, coordinates: str) -> None:
    settings = {"optimiser": optimiser, "coordinates": coordinates, "lr": "0.002", "epochs": "1"}
    free = train_run(make_run("soft+l1:hold=0", steps_per_epoch="1", **settings))
    held = train_run(make_run("soft+l1:hold=0.1", steps_per_epoch="9", **settings))
    for name, copies in free.copies().items():
        constraint = held.constraints[name.replace(".", "/")]
        assert constraint.critical == pytest.approx(float((copies - copies.mean(dim=0)).abs().max()) / 0.002)
        assert constraint.strength == 0.1 * constraint.critical  # type: ignore[operator]


def test_where_copies_do_not_part_it_waits() -> None:
    """Three tasks that are one: no copy moves on its own, so that nothing is to be held, at any hold."""
    run = make_run("soft+l1:hold=0.5", epochs="1", steps_per_epoch="3", coordinates="mean")
    for held in run.model.held:
        held.calibrate(0.1)
        assert not held.constraint.calibrated
        with torch.no_grad():
            held.copies[0].add_(1.0)
            held.copies[1].sub_(1.0)
        held.calibrate(0.0)  # a rate of 0, as a warm-up begins with, tells nothing
        assert not held.constraint.calibrated
        held.calibrate(0.1)
        assert held.constraint.strength == pytest.approx(0.5 * 1 / 0.1)


@pytest.mark.parametrize("name", HALVING + HOLDING)
def test_an_untouched_dial_is_open_to_a_solver_and_any_other_is_not(name: str) -> None:
    rows = problem()
    dial = "hold" if name in HOLDING else "halflife"
    assert family(name, rows).open
    assert not family(f"{name}:strength=3", rows).open
    assert not family(f"{name}:{dial}=0.77", rows).open
    assert family(name, rows).build_penalty({}, 2.5).prox(torch.ones(1, 6, 4).double(), 0.0).eq(1).all()
    assert family(f"{name}:strength=3", rows).fix_strength(2.5).build_penalty({}).value is not None


@pytest.mark.parametrize("name", HOLDING)
def test_a_solver_has_no_first_update(name: str) -> None:
    with pytest.raises(UsageError, match=rf"`hold` is measured at; give `strength`, .* Found `{name}:hold=0.5`\.$"):
        family(f"{name}:hold=0.5", problem()).build_penalty({})


def test_neither_is_refused() -> None:
    for name in HALVING:
        with pytest.raises(UsageError, match=rf"^`{name}` should be given a `halflife` or a `strength`. Found neither"):
            choose("constraint", parse_call(f"{name}:halflife=none")).build(Coupled(SHAPE, 3, RATE))
    for name in HOLDING:
        with pytest.raises(UsageError, match=r"^A constraint should be given a `hold` or a `strength`. Found neither"):
            choose("constraint", parse_call(f"{name}:hold=none")).build(Coupled(SHAPE, 3, RATE))
    with pytest.raises(UsageError, match="Found both"):
        choose("constraint", parse_call("l1:hold=0.5,strength=2"))


@pytest.mark.parametrize("name", ["mtrl", "cluster", "caso"])
def test_the_least_over_the_buffers_ends_at_zero_too(name: str) -> None:
    """As a solver takes it."""
    whole = make(f"{name}:strength=inf")
    constraint, W = whole.marginal(), deviations(whole)
    assert constraint is not None
    assert torch.equal(constraint.prox(W, 0.1), torch.zeros_like(W))
