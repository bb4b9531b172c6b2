"""Constraints: laws of a penalty and its prox, and when the harness calls them."""

import math
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.catalogue.registry import Choice, Entry
from bench.constraints.l2 import L2
from bench.core.constraint import Constraint, Coupled, write_as_offsets
from bench.errors import UsageError
from bench.planning.plan import parse_suite
from bench.training.fit import Run
from tests.conftest import make_run, train_run

SHAPES = [(3,), (4, 2), (2, 3, 2)]


def problem(shape: tuple[int, ...], tasks: int = 3) -> Tensor:
    """T copies of one parameter, tasks last, none alike."""
    return torch.randn(*shape, tasks, generator=torch.Generator().manual_seed(0)).double()


def l2(W: Tensor, strength: float = 0.7, form: str = "prox") -> L2:
    """The constraint on copies of this shape."""
    return L2(Coupled(tuple(W.shape[:-1]), W.shape[-1], 0.1), halflife=None, strength=strength, form=form)


@pytest.mark.parametrize("shape", SHAPES)
def test_value_is_the_mean_form_of_all_pairs(shape: tuple[int, ...]) -> None:
    """v sum_t |w_t - mean|^2 = (v / T) sum_{s<t} |w_s - w_t|^2: pairwise is T times the mean form."""
    W = problem(shape, 4)
    pairs = sum(float((W[..., s] - W[..., t]).square().sum()) for s in range(4) for t in range(s))
    assert float(l2(W).value(W)) == pytest.approx(0.7 * pairs / 4)
    equal = W[..., :1].expand_as(W)
    assert float(l2(W).value(equal)) == pytest.approx(0.0, abs=1e-28)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", ["prox", "penalty", "offset"])
def test_the_gradient_of_the_value(shape: tuple[int, ...], form: str) -> None:
    W = problem(shape).requires_grad_()
    assert torch.autograd.gradcheck(l2(W, form=form).value, (W,))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", ["prox", "offset"])
@pytest.mark.parametrize(("strength", "step"), [(0.7, 0.1), (1e-6, 1.0), (1e4, 0.3)])
def test_the_prox_is_the_minimiser(shape: tuple[int, ...], form: str, strength: float, step: float) -> None:
    """Moreau: (W - P) / step is the gradient of the value at P, so P minimises step R(V) + |V - W|^2 / 2."""
    W = problem(shape)
    constraint = l2(W, strength, form)
    P = constraint.prox(W, step).requires_grad_()
    [gradient] = torch.autograd.grad(constraint.value(P), P)
    assert torch.allclose((W - P.detach()) / step, gradient, rtol=1e-7, atol=1e-9)


def test_the_prox_against_a_linear_solve() -> None:
    """For one number per task the minimiser solves (I + 2 s v (I - 11'/T)) V = W."""
    W = problem((1,), 5)
    centring = torch.eye(5).double() - 1 / 5
    solved = torch.linalg.solve(torch.eye(5).double() + 2 * 0.3 * 0.7 * centring, W[0])
    assert torch.allclose(l2(W).prox(W, 0.3)[0], solved, rtol=1e-12)


def test_limits_of_the_prox() -> None:
    W = problem((4, 2))
    mean = W.mean(dim=-1, keepdim=True).expand_as(W)
    assert torch.equal(l2(W, 0.0).prox(W, 0.5), W)
    assert torch.equal(l2(W, math.inf).prox(W, 0.0), W)  # no step, no prox: not 0 times infinity
    assert torch.allclose(l2(W, math.inf).prox(W, 1e-9), mean, rtol=0, atol=1e-15)
    assert torch.equal(l2(W, math.inf, "offset").prox(W, 0.5), torch.zeros_like(W))
    assert torch.allclose(l2(W).prox(W, 0.4).mean(dim=-1, keepdim=True), mean[..., :1], rtol=0, atol=1e-15)
    turned = [2, 0, 1]
    assert torch.allclose(l2(W).prox(W[..., turned], 0.4), l2(W).prox(W, 0.4)[..., turned], rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("halflife", "strength"), [(100.0, math.log(2) / 20), (1.0, math.log(2) / 0.2), (0.0, math.inf), (math.inf, 0.0)]
)
def test_half_lives_are_strengths(halflife: float, strength: float) -> None:
    """v = ln 2 / (2 k lr_0), here with lr_0 = 0.1."""
    assert L2(Coupled((3,), 2, 0.1), halflife=halflife).strength == pytest.approx(strength)


def test_l2_refuses_what_makes_no_sense() -> None:
    for text, message in [
        ("soft+l2:halflife=none", "`l2` should be given a `halflife` or a `strength`. Found neither."),
        ("soft+l2:form=penalty,halflife=0", "`l2:form=penalty` should have a finite strength. Found `strength = inf`."),
    ]:
        with pytest.raises(UsageError) as caught:
            make_run(text)
        assert str(caught.value) == message


@pytest.mark.parametrize("init", ["tied", "independent"])
def test_offsets_leave_the_model_as_it_is(init: str) -> None:
    """Writing theta_t = mean + v_t moves no weight, and the mean is that of the copies."""
    plain, offset = (make_run(f"soft:init={init}+l2:form={form}").model for form in ("prox", "offset"))
    for name, copies in plain.copies().items():
        assert torch.allclose(offset.copies()[name], copies, rtol=0, atol=1e-7)  # built in float32
    for mean, copies in zip(offset.means, plain.copies().values(), strict=True):
        assert torch.allclose(mean, copies.mean(dim=0), rtol=0, atol=1e-7)
    inputs, _ = make_run("hard").data("train").take([torch.arange(4)])
    state = make_run("hard").module.state
    for task, prediction in plain(inputs, state).items():
        assert torch.allclose(offset(inputs, state)[task], prediction, rtol=0, atol=1e-6)


def test_offsets_of_equal_copies_are_exactly_zero() -> None:
    linears = torch.nn.ModuleList(torch.nn.Linear(3, 2) for _ in range(3))
    for linear in linears:
        linear.load_state_dict(linears[0].state_dict())
    copies = [linear.weight for linear in linears]
    first = copies[0].detach().clone()
    mean = write_as_offsets(linears, copies)
    assert torch.equal(mean, first)
    assert all(not copy.any() for copy in copies)
    assert all(torch.equal(linear.weight, first) for linear in linears)


# --- when the harness calls a constraint -------------------------------------------------------


class Diary(Constraint):
    """Holds nothing; notes what it is shown."""

    refresh_every: ClassVar[int | None] = 3
    penalised = False

    def __init__(self, coupled: Coupled) -> None:
        super().__init__(coupled)
        self.in_loss = self.penalised
        self.calls: list[tuple[str, Tensor]] = []

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        return len(shape) > 1

    def value(self, W: Tensor) -> Tensor:
        self.calls.append(("value", W.detach().clone()))
        return 0.0 * W.sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        self.calls.append(("prox", W.clone()))
        return W + 1.0

    def refresh(self, W: Tensor) -> None:
        assert not torch.is_grad_enabled()
        self.calls.append(("refresh", W.clone()))

    def matrices(self) -> dict[str, Tensor]:
        return {"count": torch.tensor([float(len(self.calls))])}


class PenaltyDiary(Diary):
    """The same with a penalty in the loss."""

    penalised = True


def with_constraint(cls: type[Constraint], **settings: str) -> Run:
    """`soft` with an unregistered constraint."""
    spec = make_run("hard", epochs="1", **settings).spec
    _, suite = parse_suite(spec.suite)
    soft = Method.parse("soft+l2")
    return Run(spec, suite, Method(soft.sharing, Choice(Entry("constraint", "diary", cls, 1, ""), {}), soft.weighting))


def test_prox_and_refresh_follow_the_update() -> None:
    run = with_constraint(Diary, steps_per_epoch="7")
    train_run(run)
    assert list(run.model.constraints) == ["0/0/weight", "1/0/weight"]  # no biases: `applies_to`
    calls = run.model.constraints["0/0/weight"].calls
    cycle = ["prox"] * 3 + ["refresh"]
    assert [name for name, _ in calls] == [*cycle, *cycle, "prox"]  # updates 3 and 6
    assert torch.equal(calls[3][1], calls[2][1] + 1.0)  # refreshed with what the prox left
    assert calls[0][1].shape == (64, 20, 3)  # the parameter, tasks last
    final = torch.stack([tower[0][0].weight for tower in run.model.sharing.towers], dim=-1)
    assert torch.equal(final, calls[-1][1] + 1.0)
    assert dict(run.model.matrices())["count.0.0.weight"].item() == len(calls)


def test_the_first_prox_sees_the_parameters_after_the_update() -> None:
    free = train_run(make_run("single_task", epochs="1", steps_per_epoch="1"))
    run = with_constraint(Diary, steps_per_epoch="1")
    train_run(run)
    [(name, shown)] = run.model.constraints["0/0/weight"].calls
    assert name == "prox"
    expected = torch.stack([tower[0][0].weight for tower in free.sharing.towers], dim=-1)
    assert torch.allclose(shown, expected, rtol=0, atol=1e-14)


def test_a_penalty_in_the_loss_has_no_prox() -> None:
    run = with_constraint(PenaltyDiary, steps_per_epoch="4")
    train_run(run)
    calls = run.model.constraints["0/0/weight"].calls
    assert [name for name, _ in calls] == ["value", "value", "value", "refresh", "value"]
    start = torch.stack([tower[0][0].weight for tower in make_run("single_task").model.sharing.towers], dim=-1)
    assert torch.equal(calls[0][1], start)


def test_a_constraint_without_prox_says_so() -> None:
    class Bare(Constraint):
        def value(self, W: Tensor) -> Tensor:
            return W.sum()

    with pytest.raises(TypeError, match=r"^Bare has no prox; it should set in_loss\.$"):
        Bare(Coupled((2,), 2, 0.1)).prox(torch.zeros(2, 2), 0.1)
