"""The network of a run of the harness, once more in a loop of one's own."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from bench.core.data import Batch
from bench.loop.own_network import OwnNetwork
from bench.loop.share import share
from bench.training.fit import Run


def share_alike(run: Run) -> OwnNetwork:
    """The method of a run on its stages, with its weights, before the run is trained."""
    protocol = run.protocol
    rows = run.data("train").take([torch.arange(2)])[0]
    net = share(
        lambda width: run.suite.backbone(width),
        heads={name: copy.deepcopy(run.model.heads[name]) for name in run.model.names},
        method=run.method.canonical,
        example=next(iter(rows.values())).float(),
        seed=run.seed,
        updates=protocol.updates,
        steps_per_epoch=protocol.steps_per_epoch,
        coordinates=protocol.coordinates,
        loss_reduction=protocol.loss_reduction,
    ).to(run.dtype)
    own = net.state_dict()
    net.load_state_dict(run.model.state_dict() | {name: own[name] for name in own if name.endswith("_extra_state")})
    return net


def group_alike(net: OwnNetwork, run: Run) -> list[dict[str, object]]:
    """The groups that the protocol of a run asks for."""
    protocol = run.protocol
    return net.parameter_groups(
        lr=protocol.lr,
        weight_decay=protocol.weight_decay,
        optimiser=protocol.optimiser,
        trunk_lr=protocol.trunk_lr,
        trunk_lr_rule=protocol.trunk_lr_rule,
        trunk_weight_decay=protocol.trunk_weight_decay,
    )


def list_batches(run: Run) -> Iterator[Batch]:
    """The batches that the run trains on, in their order."""
    batches = run.batches(run.data("train"))
    for _ in range(run.protocol.epochs):
        yield from batches


def losses_of(net: OwnNetwork, run: Run, batch: Batch) -> dict[str, Tensor]:
    """task -> loss of a batch, as the suite defines it."""
    inputs, targets = batch
    predictions = net(inputs)
    return {task.name: task.loss(predictions[task.name], targets[task.name]) for task in run.model.tasks}
