"""A weighting and a constraint by themselves, on parameters that belong to somebody else."""

import copy
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.registry import list_entries
from bench.constraints.trace_norm import TraceNorm
from bench.core.weighting import Weighting
from bench.errors import UsageError
from bench.loop.pieces import constrain, weighted_backward
from bench.loop.share import share

TASKS = ["a", "b", "c"]
WEIGHTINGS = {
    name: entry.cls
    for name, entry in list_entries("weighting").items()
    if not entry.cls.needs_second_forward  # type: ignore[attr-defined]
}


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(5, 4), nn.Tanh())
        self.heads = nn.ModuleDict({name: nn.Linear(4, 1) for name in TASKS})

    def losses(self, x: Tensor) -> dict[str, Tensor | None]:
        z = self.trunk(x)
        return {name: (head(z) - t).square().mean() for t, (name, head) in enumerate(self.heads.items())}


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_weighting_by_itself_gives_the_gradients_of_a_shared_network(name: str) -> None:
    torch.manual_seed(0)
    own = Small().double()
    net = share([own.trunk], own.heads, method=f"hard@{name}", steps_per_epoch=1)
    assert isinstance(net.weighting, Weighting)
    weighting: Weighting = WEIGHTINGS[name](TASKS)
    x = torch.randn(6, 5, dtype=torch.float64)
    predictions = net(x)
    total = net.backward({task: (predictions[task] - t).square().mean() for t, task in enumerate(TASKS)})
    state = copy.copy(share([own.trunk], own.heads, method=f"hard@{name}", steps_per_epoch=1).state)
    parameters = [*own.trunk.parameters(), *own.heads.parameters()]
    assert torch.equal(weighted_backward(weighting.double(), own.losses(x), parameters, state), total)
    for mine, theirs in zip(parameters, net.learning, strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad, theirs.grad)


def test_a_task_without_a_label_is_left_out() -> None:
    torch.manual_seed(0)
    net = Small().double()
    x = torch.randn(6, 5, dtype=torch.float64)
    parameters = list(net.trunk.parameters())
    losses = net.losses(x)
    weighted_backward(WEIGHTINGS["pcgrad"](TASKS), losses | {"c": None}, parameters)
    own = [p.grad for p in parameters]
    two = net.losses(x)
    first, second = two["a"], two["b"]
    assert first is not None
    assert second is not None
    rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in (first, second)]
    flat = [torch.cat([g.reshape(-1) for g in row]) for row in rows]
    if float(flat[0] @ flat[1]) >= 0:  # no conflict: PCGrad leaves both as they are
        expected = flat[0] + flat[1]
        assert torch.allclose(torch.cat([g.reshape(-1) for g in own if g is not None]), expected, atol=1e-12)


@pytest.mark.parametrize("text", ["l2:halflife=50", "trace_norm:hold=0.1", "mtrl", "l2:form=penalty,strength=0.1"])
def test_a_constraint_on_modules_does_what_it_does_in_a_network(text: str) -> None:
    """Two towers of somebody else, beside `soft` on the same ones, by copies: equal bit for bit after 20 updates."""
    torch.manual_seed(0)
    stage = nn.Sequential(nn.Linear(5, 4), nn.Tanh()).double()
    heads = {name: nn.Linear(4, 1).double() for name in ("a", "b")}
    net = share([stage], heads, method=f"soft+{text}", coordinates="copies")
    optimiser = torch.optim.SGD(net.parameter_groups(lr=0.1, optimiser="sgd"))
    towers = [copy.deepcopy(stage) for _ in heads]
    own_heads = copy.deepcopy(nn.ModuleDict(heads))
    held = constrain(towers, text, lr=0.1)
    parameters = [*nn.ModuleList(towers).parameters(), *own_heads.parameters()]
    own = torch.optim.SGD(parameters, lr=0.1)
    for _ in range(20):
        x = torch.randn(8, 5, dtype=torch.float64)
        net.step({name: (p - len(name)).square().mean() for name, p in net(x).items()}, optimiser)
        own.zero_grad()
        losses = [(head(tower(x)) - 1).square().mean() for tower, head in zip(towers, own_heads.values(), strict=True)]
        total = torch.ones(2, dtype=torch.float64) @ torch.stack(losses) + held.penalty()
        total.backward()
        own.step()
        held.after_step(own)
    mine = [tower[0].weight for tower in towers]
    theirs = net.sharing.coupled()
    assert [torch.equal(a, b) for a, b in zip(mine, next(iter(theirs.values())), strict=True)] == [True, True]


def test_infinite_strength_ties_parameters_of_anybody() -> None:
    copies = [nn.Parameter(torch.randn(3, 2)) for _ in range(4)]
    held = constrain(nn.ParameterList(copies), "l2", lr=0.1, strength=float("inf"))  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(copies, lr=0.1)
    torch.stack([copy.square().sum() for copy in copies]).sum().backward()
    optimiser.step()
    mean = torch.stack(list(copies)).mean(dim=0)
    held.after_step(optimiser)
    assert all(torch.allclose(copy, mean, atol=1e-6) for copy in copies)


def test_a_class_or_its_name_are_the_same() -> None:
    copies = {"w": [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.zeros(2, 2))]}
    by_class = constrain(copies, TraceNorm, lr=0.1, hold=0.5)
    by_name = constrain(copies, "trace_norm:hold=0.5", lr=0.1)
    assert by_class.held[0].constraint.hold == by_name.held[0].constraint.hold == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("copies", "text", "options", "sentence"),
    [
        ([nn.Linear(2, 2)], "l2", {}, "two or more modules"),
        ([nn.Linear(2, 2), nn.Linear(2, 3)], "l2", {}, "two or more of one shape. Found 2 of `weight`"),
        ([nn.Linear(2, 2), nn.Conv1d(2, 2, 1), nn.Bilinear(1, 1, 1)], "l2", {}, "of one shape"),
        ([nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))], "l2", {}, "modules of one architecture"),
        ([nn.Linear(2, 2), nn.Linear(2, 2)], "l3", {}, "There is no constraint `l3`; the nearest"),
        ([nn.Linear(2, 2), nn.Linear(2, 2)], "l2", {"halflive": 3}, "halflife"),
        ([nn.Linear(2, 2), nn.Linear(2, 2)], "l2", {"halflife": -3}, "halflife"),
        ([nn.Linear(2, 2), nn.Linear(2, 2)], "l2:schedule=anneal", {}, "constant schedule"),
        ([nn.Linear(2, 2), nn.Linear(2, 2)], "l2:form=offset", {}, "a mean of its own"),
        ({"w": [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))]}, "dirty", {}, "give the modules"),
    ],
)
def test_what_cannot_be_held_is_refused_in_a_sentence(
    copies: object, text: str, options: dict[str, float], sentence: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        constrain(copies, text, lr=0.1, **options)  # type: ignore[arg-type]


def test_a_weighting_by_itself_draws_on_from_call_to_call() -> None:
    """And compares epochs that it counts by its calls."""
    p = nn.Parameter(torch.ones(2))
    drawn = []
    rlw = WEIGHTINGS["rlw"](["a", "b"])
    for _ in range(3):
        p.grad = None
        weighted_backward(rlw, {"a": p[0] * 1.0, "b": p[1] * 1.0}, [p])
        assert p.grad is not None
        drawn.append(p.grad.tolist())
    assert drawn[0] != drawn[1] != drawn[2]
    dwa = WEIGHTINGS["dwa"](["a", "b"])
    with pytest.raises(UsageError, match="`steps_per_epoch` should be given, since"):
        weighted_backward(dwa, {"a": p[0] * 1.0, "b": p[1] * 1.0}, [p])
    totals = [
        float(weighted_backward(dwa, {"a": p[0] * a, "b": p[1] * 3.0}, [p], steps_per_epoch=1)) for a in (4, 2, 1, 1)
    ]
    assert totals[:2] == [7.0, 5.0]  # weights of 1 while there are no two epochs to compare
    assert totals[2] > 4.0  # `a`, which halved, weighs less than `b`, which stayed
    assert dwa._own_state.step == 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("weighting", "parameters", "sentence"),
    [
        ("pcgrad", [], "should be made for its tasks, as `mtlbench.weightings.PCGrad(['a', 'b'])`. Found a str"),
        (WEIGHTINGS["pcgrad"], [], "Found the class `PCGrad`"),
        (WEIGHTINGS["pcgrad"](["a", "b"]), nn.Linear(2, 2), "as `model.parameters()`. Found a Linear"),
        (WEIGHTINGS["pcgrad"](["a", "b"]), nn.Parameter(torch.ones(2)), "as `model.parameters()`. Found a Parameter"),
        (WEIGHTINGS["pcgrad"](["a", "b"]), [nn.Parameter(torch.ones(2))], "should depend on parameters that learn"),
        (WEIGHTINGS["pcgrad"](["a", "b"]), [], "should depend on parameters that learn"),
    ],
)
def test_what_a_weighting_by_itself_is_not_given(weighting: Any, parameters: Any, sentence: str) -> None:
    p = nn.Parameter(torch.ones(2))
    with pytest.raises(UsageError, match=re.escape(sentence)):
        weighted_backward(weighting, {"a": p.sum(), "b": p.square().sum()}, parameters)
    assert p.grad is None


def test_an_optimiser_has_every_copy_that_is_held() -> None:
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    held = constrain([a, b], "l2:halflife=0", lr=0.1)
    before = b.weight.detach().clone()
    with pytest.raises(UsageError, match="should have every constrained parameter"):
        held.after_step(torch.optim.SGD(a.parameters(), lr=0.1))
    assert torch.equal(b.weight, before)
    held.after_step(torch.optim.SGD([*a.parameters(), *b.parameters()], lr=0.1))
    assert torch.equal(a.weight, b.weight)
    again = constrain([a, b], "l2:halflife=0", lr=0.1)
    again.load_state_dict(held.state_dict())
    assert again.updates == held.updates == 1
