"""A training step, whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.core.data import Batch
from bench.core.state import StepState, TrainState
from bench.training.gradients import TaskGradients, compute_losses
from bench.training.model import MultiTaskModel


@dataclass(frozen=True)
class Step:
    """What one batch asks for: the step's loss, and the T losses in it.

    Where `gradients` are there, they are those of the weighted losses, parameter by parameter, and `rest` is
    what else to descend; otherwise `total` is.
    """

    total: Tensor
    losses: Tensor
    gradients: list[tuple[Parameter, Tensor]] | None = None
    rest: Tensor | None = None

    def backward(self) -> None:
        """Add the step's gradient to every parameter's."""
        if self.gradients is None:
            torch.autograd.backward(self.total)
            return
        if self.rest is not None and self.rest.requires_grad:
            torch.autograd.backward(self.rest)
        for parameter, gradient in self.gradients:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def training_step(model: MultiTaskModel, batch: Batch, state: TrainState, mean: bool = False) -> Step:
    """total = scale * (weights . losses + the weighting's own) + the sharing's own + penalties without a prox.

    `mean` makes the scale 1/T instead of 1. Separate models keep weight 1: each is trained as if alone.
    """
    return weigh(model, compute_losses(model, batch, state), state, mean)


def weigh(
    model: MultiTaskModel,
    each: Sequence[Tensor],
    state: TrainState,
    mean: bool = False,
    gradients: TaskGradients | None = None,
) -> Step:
    """The step of T losses; of their `gradients` where they are there already and the weighting asks for them."""
    losses = torch.stack(tuple(each))
    if model.separate:
        return Step(losses.sum() + _rest(model, state, 1), losses.detach())
    scale = 1 / len(model.tasks) if mean else 1
    if not model.weighting.needs_gramian:
        weights = model.weighting(StepState(losses, state))
        return Step(scale * (weights @ losses) + _rest(model, state, scale), losses.detach())
    gradients = gradients or TaskGradients(each, model.learning, model.ranks)
    weights = model.weighting(StepState(losses, state, gradients.gramian()))
    rest = torch.as_tensor(_rest(model, state, scale))
    combined = gradients.combined(weights.detach(), model.weighting.scales, scale)
    pairs = [(p, g) for p, g in zip(gradients.parameters, combined, strict=True) if g is not None]
    return Step(scale * (weights.detach() @ losses.detach()) + rest, losses.detach(), pairs, rest)


def _rest(model: MultiTaskModel, state: TrainState, scale: float) -> Tensor | float:
    """The regularisers, and the penalties that no prox applies."""
    total = scale * model.weighting.regulariser() + model.sharing.regulariser()
    for held in model.held:
        if held.constraint.in_loss:
            total = total + held.penalty(state.progress)
    return total
