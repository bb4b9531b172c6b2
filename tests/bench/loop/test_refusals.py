"""What does not fit a loop is refused in one sentence, before anything moved."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.errors import UsageError
from bench.loop.own_network import OwnNetwork
from bench.loop.share import share

HEADS = {"a": nn.Linear(4, 1), "b": nn.Linear(4, 2)}
IMAGES = [nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())]


def stages() -> list[nn.Module]:
    return [nn.Sequential(nn.Linear(6, 5), nn.Tanh()), nn.Sequential(nn.Linear(5, 4), nn.Tanh())]


def make(method: str = "hard", **options: Any) -> OwnNetwork:
    return share(stages(), HEADS, method, **options)


def losses(net: OwnNetwork) -> dict[str, Any]:
    return {task: prediction.square().mean() for task, prediction in net(torch.randn(3, 6)).items()}


def adam(net: OwnNetwork) -> torch.optim.Optimizer:
    return torch.optim.Adam(net.parameter_groups(lr=1e-3))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((stages(), HEADS, "hrad"), "the nearest: `hard`"),
        ((stages(), HEADS, "soft"), "needs a constraint"),
        ((stages(), HEADS, "single_task@pcgrad"), "trains separate models"),
        ((nn.Sequential(*stages()), HEADS, "hard"), "Found one `Sequential`; cut it"),
        (([], HEADS, "hard"), "a list of modules, in order. Found an empty one"),
        (([nn.Linear(2, 2), 3], HEADS, "hard"), "a list of modules, in order. Found int"),
        ((3, HEADS, "hard"), "a list of modules, in order. Found an int"),
        ((stages(), {}, "hard"), "with a task at least"),
        ((stages(), {"a": 3}, "hard"), "The head of `a` should be a module. Found an int"),
        ((stages(), HEADS, "hard_wide"), "a function of a width"),
        ((stages(), HEADS, "adashare"), "the number of updates in all, since it trains in phases"),
        ((stages(), HEADS, "soft+l2:schedule=anneal"), "the number of updates in all, since it has a schedule"),
        ((stages(), HEADS, ["hard"]), "`method` should be a text. Found a list"),
        ((stages(), {"a.b": HEADS["a"]}, "hard"), "should be a text without dots. Found 'a.b'"),
        ((stages(), {0: HEADS["a"]}, "hard"), "should be a text without dots. Found 0"),
        ((stages(), HEADS, "hard", [1.0]), "Stages should take `example`"),
        ((stages(), HEADS, "gp_icm"), "is fitted to all rows at once"),
        (([nn.Embedding(5, 4)], HEADS, "hard"), "`example` should be given"),
        ((IMAGES, {"a": nn.Conv2d(4, 1, 1)}, "mtan"), "`example` should be given for `mtan`"),
        (([nn.LSTM(6, 4)], HEADS, "hard", torch.zeros(3, 2, 6)), "one tensor of features"),
        ((stages(), {"a": nn.Linear(3, 1)}, "hard", torch.zeros(2, 6)), "Stages and heads should take the input"),
        ((stages(), HEADS, "hard", torch.zeros(2, 7)), "Stages should take `example`"),
    ],
)
def test_parts_that_make_no_network(arguments: tuple[Any, ...], sentence: str) -> None:
    names = ("stages", "heads", "method", "example")
    with pytest.raises(UsageError, match=re.escape(sentence)):
        share(**dict(zip(names, arguments, strict=False)))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"updates": 0}, "`updates` should be a whole number of at least 1. Found 0"),
        ({"steps_per_epoch": 1.5}, "`steps_per_epoch` should be a whole number of at least 1. Found 1.5"),
        ({"seed": "x"}, "`seed` should be a whole number of at least 0. Found 'x'"),
        ({"lr": 0}, "`lr` should be a number above 0. Found 0"),
        ({"coordinates": "x"}, "`coordinates` should be `mean` or `copies`. Found `x`"),
        ({"loss_reduction": "avg"}, "`loss_reduction` should be `sum` or `mean`. Found `avg`"),
        ({"layout": "nchw"}, "`layout` should be `channels_first` or `channels_last`. Found `nchw`"),
    ],
)
def test_options_of_a_network_out_of_their_range(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        make("soft+l2", **options)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ({"aa": torch.zeros(2, 6)}, "a tensor, or task -> tensor. Found `aa`; the nearest: `a`"),
        ({"aa": torch.zeros(2, 6), "b": torch.zeros(2, 6)}, "the tasks of the network. Found `aa`; the nearest: `a`"),
        ({"a": [1.0]}, "a tensor, or task -> tensor. Found a list"),
        ([torch.zeros(2, 6)], "a tensor, or task -> tensor. Found a list"),
        (None, "a tensor, or task -> tensor. Found a NoneType"),
        (torch.zeros(2, 7), "Stages and heads should take the input. Found RuntimeError: mat1 and mat2 shapes"),
    ],
)
def test_rows_that_are_none(x: Any, sentence: str) -> None:
    net = make()
    with pytest.raises(UsageError, match=re.escape(sentence)):
        net(x)
    net(torch.zeros(2, 6))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda each: {"a": each["a"]}, "Losses should name every task. Found none of `b`; give `'b': None`"),
        (lambda each: each | {"c": each["a"]}, "Found `c`; there are `a`, `b`"),
        (lambda each: each | {"a": each["a"].detach()}, "The loss of `a` should require a gradient"),
        (lambda each: each | {"a": each["a"] * torch.nan}, "A loss should be finite. Found nan for `a`"),
        (lambda each: each | {"b": each["b"] / 0}, "A loss should be finite. Found inf for `b`"),
        (lambda each: each | {"a": 3.0}, "The loss of `a` should be a tensor. Found a float"),
        (
            lambda each: each | {"a": torch.stack([each["a"], each["b"]])},
            "should be one number. Found a tensor of shape (2,)",
        ),
        (lambda each: dict.fromkeys(each), "the loss of a task at least"),
        (lambda each: list(each.values()), "a dictionary, task -> loss. Found a list"),
    ],
)
def test_losses_that_are_none(change: Callable[[dict[str, Tensor]], Any], sentence: str) -> None:
    net = make("soft+l2@uncertainty")
    optimiser, before = adam(net), [p.detach().clone() for p in net.parameters()]
    with pytest.raises(UsageError, match=re.escape(sentence)):
        net.step(change(losses(net)), optimiser)
    assert net.state.step == 0
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_optimisers_that_lack_parameters_or_have_them_twice() -> None:
    net = make("cross_stitch")
    groups = net.parameter_groups(lr=1e-3, weight_decay=0.1)  # which units of cross-stitch have none of
    with pytest.raises(UsageError, match=r"every parameter that learns. Found none of `sharing.units.0.alpha`"):
        net.step(losses(net), torch.optim.Adam(groups[:1]))
    both = [torch.optim.Adam(net.parameters()), torch.optim.Adam(groups)]
    with pytest.raises(UsageError, match=r"in one group of one optimiser\. Found 14 in two"):
        net.step(losses(net), both)
    assert net.state.step == 0


@pytest.mark.parametrize(
    ("choose", "sentence"),
    [
        (lambda net: None, "an optimiser of torch, or a list of them. Found a NoneType"),
        (lambda net: [], "an optimiser of torch, or a list of them. Found none"),
        (lambda net: torch.optim.AdamW, "an optimiser of torch, or a list of them. Found the class `AdamW`"),
        (lambda net: torch.optim.LBFGS(net.parameters()), "Found `LBFGS`, which asks for a closure"),
        (
            lambda net: torch.optim.AdamW(net.parameter_groups(lr=1e-3), weight_decay=0.05),
            "Found 0.05 given to `AdamW`, which no group takes; write `net.parameter_groups(",
        ),
        (
            lambda net: torch.optim.SGD([{"params": [p], "lr": 0.1 * k} for k, p in enumerate(net.parameters(), 1)]),
            "should have one learning rate. Found",
        ),
    ],
)
def test_optimisers_that_are_none(choose: Callable[[OwnNetwork], Any], sentence: str) -> None:
    net = make("soft+l2", lr=0.1)
    before = [p.detach().clone() for p in net.parameters()]
    with pytest.raises(UsageError, match=re.escape(sentence)):
        net.step(losses(net), choose(net))
    assert net.state.step == 0
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    net.step(losses(net), torch.optim.AdamW(net.parameter_groups(lr=1e-3, weight_decay=0.05)))


def test_numbers_of_a_step_out_of_their_range() -> None:
    """A negative norm would climb, and `k` for `1 / k` would be another learning rate."""
    net = make()
    for norm in (0, -1.0, float("nan"), "1", True):
        with pytest.raises(UsageError, match="`clip_norm` should be a number above 0"):
            net.step(losses(net), adam(net), clip_norm=norm)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"`share` should be a number above 0 and of at most 1. Found 4"):
        net.backward(losses(net), share=4)
    with pytest.raises(UsageError, match=r"`optimiser` should be `adam` or `sgd`. Found `adamw`"):
        net.parameter_groups(lr=0.1, optimiser="adamw")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"`weight_decay` should be a number of at least 0. Found -1"):
        net.parameter_groups(lr=0.1, weight_decay=-1)


@pytest.mark.parametrize("method", ["hard", "hard@uncertainty", "hard@pcgrad"])
def test_losses_of_something_else_train_nothing(method: str) -> None:
    net, other = make(method), make(method)
    optimiser, before = adam(net), [p.detach().clone() for p in net.parameters()]
    with pytest.raises(UsageError, match="should depend on parameters that learn"):
        net.step(losses(other), optimiser)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    net.step(losses(net), optimiser)


def test_a_constraint_is_told_the_rate() -> None:
    net = make("soft+l2")
    with pytest.raises(UsageError, match=re.escape("should be made of `net.parameter_groups(lr=...)`")):
        net.step(losses(net), torch.optim.Adam(net.parameters(), lr=1e-3))
    told = make("soft+l2", lr=1e-3)
    told.step(losses(told), torch.optim.Adam(told.parameters(), lr=1e-3))
    with pytest.raises(UsageError, match=r"`lr` should be a number above 0\. Found 0"):
        make().parameter_groups(lr=0)


def test_half_lives_are_counted_at_the_rate_of_the_groups() -> None:
    late, early = make("soft+l2:halflife=10"), make("soft+l2:halflife=10", lr=0.03)
    late.parameter_groups(lr=0.03)
    assert [h.constraint.strength for h in late.held] == [h.constraint.strength for h in early.held]  # type: ignore[attr-defined]


def test_what_a_loop_has_to_give_is_asked_for() -> None:
    net = make("hard@famo")
    with pytest.raises(UsageError, match=re.escape("add `again=lambda: ...`")):
        net.step(losses(net), adam(net))
    net = make("hard@dwa")
    with pytest.raises(UsageError, match="`steps_per_epoch` should be given, since"):
        net.step(losses(net), adam(net))
    net = make()
    with pytest.raises(UsageError, match="`update` should follow `backward`"):
        net.update(adam(net))


def test_a_stopped_step_leaves_a_loop_that_goes_on() -> None:
    """An error in the middle of a step is followed by steps as if it had never been."""
    torch.manual_seed(0)
    net = make("soft+l2@uncertainty")
    optimiser = adam(net)
    for _ in range(2):
        with pytest.raises(UsageError, match="finite"):
            net.step({task: loss * torch.nan for task, loss in losses(net).items()}, optimiser)
        net.step(losses(net), optimiser)
    assert net.state.step == 2
