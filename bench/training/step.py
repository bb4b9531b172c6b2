"""The arithmetic of a training step: T losses of a batch, T weights, one loss, without the optimiser.

Plain PyTorch: it can be read, tested and timed without Lightning, whose hooks are in `bench.training.module`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.core.data import Batch
from bench.core.state import StepState, TrainState
from bench.errors import UsageError
from bench.training.gradients import Step, TaskGradients, compute_losses, find_present
from bench.training.model import MultiTaskModel


def observe_again(model: MultiTaskModel, losses: Tensor, present: Sequence[int] | None) -> None:
    """Show the losses (T,) after a step to the weighting: those of the tasks that it weighed, if any."""
    if present is None:
        model.weighting.observe(losses)
    elif present:
        model.weighting.observe(losses[list(present)])


def training_step(model: MultiTaskModel, batch: Batch, state: TrainState, mean: bool = False) -> Step:
    """total = scale * (weights . losses + the weighting's own) + the sharing's own + penalties without a prox.

    `mean` makes the scale 1/T instead of 1. Separate models keep weight 1: each is trained as if alone.
    """
    return weigh(model, compute_losses(model, batch, state), state, mean, present=find_present(model, batch))


def weigh(
    model: MultiTaskModel,
    each: Sequence[Tensor],
    state: TrainState,
    mean: bool = False,
    gradients: TaskGradients | None = None,
    present: Sequence[int] | None = None,
) -> Step:
    """Weigh the T losses of a batch into one step.

    Args:
        model: brings weighting, regularisers and constraints.
        each: T losses, 0-dimensional.
        state: of the run.
        mean: divide weighted losses by T.
        gradients: of the losses, where they are computed already; without them a Gramian weighting computes them.
        present: the tasks with a label in the batch, from `find_present`; None where all have some. The others have
            weight 0 and are not shown to the weighting, which is not called where none has one.
    """
    losses = torch.stack(tuple(each))
    if model.separate:
        return Step(losses.sum() + _rest(model, state, 1), losses.detach(), present=present)
    scale = 1 / len(model.tasks) if mean else 1
    seen = present is None or len(present) > 0
    if not model.weighting.needs_gramian:
        weights = _weights(model, losses, state, None, present)
        return Step(scale * (weights @ losses) + _rest(model, state, scale, seen), losses.detach(), present=present)
    gradients = gradients or TaskGradients(each, model.learning, model.ranks)
    weights = _weights(model, losses, state, gradients.gramian(), present)
    rest = torch.as_tensor(_rest(model, state, scale, seen))
    combined = gradients.combine(weights.detach(), model.weighting.scales, scale)
    pairs = [(p, g) for p, g in zip(gradients.parameters, combined, strict=True) if g is not None]
    return Step(scale * (weights.detach() @ losses.detach()) + rest, losses.detach(), pairs, rest, present)


def _weights(
    model: MultiTaskModel, losses: Tensor, state: TrainState, gramian: Tensor | None, present: Sequence[int] | None
) -> Tensor:
    """The weights (T,) of the losses (T,), with the graph that the weighting gives them; 0 for tasks not in `present`.

    gramian: (T, T), where the weighting asks for it.

    Raises UsageError for a weighting that has weights for tasks without a label.
    """
    if present is None:
        weights: Tensor = model.weighting(StepState(losses, state, gramian))
        return weights
    if not present:
        return torch.zeros_like(losses)
    chosen = torch.tensor(present, device=losses.device)
    part = None if gramian is None else gramian[chosen[:, None], chosen]
    weights = model.weighting(StepState(losses[chosen], state, part, chosen))
    if weights.shape != chosen.shape:
        raise UsageError(
            f"A weighting should give a weight for each of the {len(present)} losses of a batch without labels of some "
            f"tasks. Found weights of shape {tuple(weights.shape)}; use `state.take` (`mtlbench check`)."
        )
    return torch.zeros_like(losses).index_put((chosen,), weights.to(losses))


def _rest(model: MultiTaskModel, state: TrainState, scale: float, weighed: bool = True) -> Tensor | float:
    """The regularisers of weighting and sharing, and the penalties of constraints without a prox.

    weighed: whether the weighting was called, so that its regulariser is of this step. Otherwise its parameters have a
        gradient of zero and not none at all: an optimiser goes on alike in every step, also in a stack of models.
    """
    if weighed:
        total = scale * model.weighting.regulariser() + model.sharing.regulariser()
    else:
        nothing = [p.reshape(-1)[:0].sum() for p in model.weighting.parameters() if p.requires_grad]
        total = sum(nothing) + model.sharing.regulariser()
    for held in model.held:
        if held.constraint.in_loss:
            total = total + held.penalty(state.progress)
    return total
