"""A training step, whole."""

import torch
from torch import Tensor

from bench.core.data import Batch
from bench.core.state import StepState, TrainState
from bench.training.model import MultiTaskModel


def training_step(model: MultiTaskModel, batch: Batch, state: TrainState, mean: bool = False) -> tuple[Tensor, Tensor]:
    """(total, losses) of one batch: total = scale * weights . losses + regularisers + penalties without a prox.

    `mean` makes the scale 1/T instead of 1. Separate models keep weight 1: each is trained as if alone.
    """
    inputs, targets = batch
    predictions = model(inputs, state)
    losses = torch.stack([task.loss(predictions[task.name], targets[task.name]) for task in model.tasks])
    if model.separate:
        total = losses.sum()
    else:
        weights = model.weighting(StepState(losses, state))
        total = weights @ losses / (len(model.tasks) if mean else 1)
    total = total + model.weighting.regulariser() + model.sharing.regulariser()
    for held in model.held:
        if held.constraint.in_loss:
            total = total + held.penalty()
    return total, losses.detach()
