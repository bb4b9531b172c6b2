"""A step in a loop of one's own is the harness's step, bit for bit, for every method."""

from collections.abc import Mapping

import pytest
import torch

from bench.catalogue.registry import list_entries
from bench.core.self_fitting import SelfFitting
from bench.training.fit import Run
from tests.bench.loop.own import group_alike, list_batches, losses_of, share_alike
from tests.conftest import make_run, train_run

SHARINGS = [
    name
    for name, entry in list_entries("sharing").items()
    if not entry.cls.needs_constraint and not issubclass(entry.cls, SelfFitting)  # type: ignore[attr-defined]
]
METHODS = [
    *SHARINGS,
    *(f"soft+{name}" for name in list_entries("constraint")),
    *(f"hard@{name}" for name in list_entries("weighting")),
    *("cross_stitch+l2:halflife=100@pcgrad", "soft+l2:form=offset", "soft+l2:schedule=anneal,halflife=10"),
    *("soft+trace_norm@uncertainty", "cross_stitch:warm=0.4", "mmoe@cagrad", "single_task:init=independent"),
]
SHORT = {"epochs": "2", "steps_per_epoch": "3"}


def train_by_hand(run: Run) -> dict[str, torch.Tensor]:
    """The state of the same network after the same updates, by `OwnNetwork.step`."""
    net = share_alike(run)
    groups = group_alike(net, run)
    make = torch.optim.Adam if run.protocol.optimiser == "adam" else torch.optim.SGD
    optimiser = make(groups, lr=run.protocol.lr, fused=True)  # type: ignore[arg-type]
    for batch in list_batches(run):
        net.step(
            losses_of(net, run, batch),
            optimiser,
            clip_norm=run.protocol.clip_norm,
            again=lambda batch=batch: losses_of(net, run, batch),  # type: ignore[misc]
        )
    assert net.state.step == run.protocol.updates
    return net.state_dict()


def is_equal(one: object, other: object) -> bool:
    """Whether two states are equal bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and all(is_equal(one[key], other[key]) for key in one.keys() | other.keys())
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(is_equal, one, other))
    return one == other


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_the_steps_of_the_harness(method: str) -> None:
    adam = make_run(method, optimiser="adam", coordinates="mean", clip_norm="1.0", weight_decay="0.01", **SHORT)
    plain = make_run(method, **SHORT)
    for run in (adam, plain):
        own = train_by_hand(run)
        model = train_run(run).state_dict()
        assert model.keys() <= own.keys()
        assert [name for name, value in model.items() if not is_equal(value, own[name])] == []


@pytest.mark.parametrize("method", METHODS)
def test_groups_are_those_of_the_harness(method: str) -> None:
    settings = {"trunk_lr_rule": "mean", "trunk_weight_decay": "0.5", "weight_decay": "0.1"}
    for optimiser in ("sgd", "adam"):
        run = make_run(method, optimiser=optimiser, coordinates="mean", **SHORT, **settings)
        net = share_alike(run)
        own = {id(p): name for name, p in net.named_parameters()}
        theirs = {id(p): name for name, p in run.model.named_parameters()}
        assert [
            (group["lr"], group["weight_decay"], [own[id(p)] for p in group["params"]])  # type: ignore[attr-defined]
            for group in group_alike(net, run)
        ] == [
            (group["lr"], group["weight_decay"], [theirs[id(p)] for p in group["params"]])
            for group in run.model.group_parameters(run.protocol)
        ]
