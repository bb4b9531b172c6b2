"""The arithmetic of a training step: T losses, T weights, one backward pass, and what follows the optimiser's step.

Plain PyTorch: it can be read, tested and timed without a trainer. The harness calls it from Lightning's hooks
(`bench.training.module`), a loop of one's own through `OwnNetwork.step`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.core.sharing import Sharing
from bench.core.state import StepState, TrainState
from bench.core.weighting import Weighting
from bench.errors import UsageError
from bench.loop.gradients import TaskGradients
from bench.loop.held import ConstrainedParameter
from bench.loop.network import SharedNetwork


@dataclass(frozen=True)
class Step:
    """The loss of one batch, or its gradients, before the backward pass.

    Args:
        total: the step's loss, 0-dimensional.
        losses: the T losses in it, (T,), without a gradient.
        gradients: pairs of a parameter and the gradient of the weighted losses, from a Gramian weighting; without
            them `total` is differentiable.
        rest: with `gradients`, the further terms of `total`, differentiable: regularisers and penalties.
        present: the tasks with a label in the batch, as numbers; None where all have some.
    """

    total: Tensor
    losses: Tensor
    gradients: list[tuple[Parameter, Tensor]] | None = None
    rest: Tensor | None = None
    present: Sequence[int] | None = None

    def backward(self, scale: float | Tensor = 1.0) -> None:
        """Add `scale` times the gradient of the step to the `grad` of every parameter."""
        plain = isinstance(scale, float) and scale == 1.0
        if self.gradients is None:
            torch.autograd.backward(self.total if plain else self.total * scale)
            return
        if self.rest is not None and self.rest.requires_grad:
            torch.autograd.backward(self.rest if plain else self.rest * scale)
        for parameter, gradient in self.gradients:
            if not plain:
                gradient.mul_(scale)
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def weigh(
    network: SharedNetwork,
    each: Sequence[Tensor],
    state: TrainState,
    mean: bool = False,
    gradients: TaskGradients | None = None,
    present: Sequence[int] | None = None,
) -> Step:
    """total = scale * (weights . losses + the weighting's own) + the sharing's own + penalties without a prox.

    Separate models keep weight 1: each is trained as if alone.

    Args:
        network: brings weighting, regularisers and constraints.
        each: T losses, 0-dimensional.
        state: of the run.
        mean: make the scale 1/T instead of 1.
        gradients: of the losses, where they are computed already; without them a Gramian weighting computes them.
        present: the tasks with a label in the batch, as numbers; None where all have some. The others have weight 0
            and are not shown to the weighting, which is not called where none has one.
    """
    if network.separate:
        losses = torch.stack(tuple(each))
        return Step(losses.sum() + _rest(network, state, 1), losses.detach(), present=present)
    scale = 1 / len(network.names) if mean else 1
    seen = present is None or len(present) > 0
    return weigh_by(
        network.weighting,
        each,
        state,
        lambda: gradients or TaskGradients(each, network.learning, network.ranks, retain=has_regulariser(network)),
        lambda: _rest(network, state, scale, seen),
        scale=scale,
        present=present,
        average=network.average,
    )


def weigh_by(
    weighting: Weighting,
    each: Sequence[Tensor],
    state: TrainState,
    differentiate: Callable[[], TaskGradients],
    add: Callable[[], Tensor | float],
    *,
    scale: float = 1.0,
    present: Sequence[int] | None = None,
    average: Callable[[Tensor], Tensor] | None = None,
) -> Step:
    """total = scale * weights . losses + what `add` returns once the weights are known.

    Args:
        weighting: of the T losses.
        each: T losses, 0-dimensional.
        state: of the run.
        differentiate: gives the gradients of the losses, where the weighting asks for their Gramian.
        add: regularisers and penalties; called after the weighting, whose own regulariser is of this step then.
        scale: of the weighted losses.
        present: the tasks with a label in the batch, as numbers; None where all have some.
        average: of losses over processes that have rows of their own.
    """
    losses = torch.stack(tuple(each))
    if not weighting.needs_gramian:
        weights = _weights(weighting, losses, state, None, present, average)
        return Step(scale * (weights @ losses) + add(), losses.detach(), present=present)
    gradients = differentiate()
    weights = _weights(weighting, losses, state, gradients.gramian(), present, average)
    rest = torch.as_tensor(add())
    combined = gradients.combine(weights.detach(), weighting.scales, scale)
    pairs = [(p, g) for p, g in zip(gradients.parameters, combined, strict=True) if g is not None]
    return Step(scale * (weights.detach() @ losses.detach()) + rest, losses.detach(), pairs, rest, present)


def has_regulariser(network: SharedNetwork) -> bool:
    """Whether the sharing has a term of its own, which may depend on the graph of the forward pass."""
    return type(network.sharing).regulariser is not Sharing.regulariser


def _weights(
    weighting: Weighting,
    losses: Tensor,
    state: TrainState,
    gramian: Tensor | None,
    present: Sequence[int] | None,
    average: Callable[[Tensor], Tensor] | None,
) -> Tensor:
    """The weights (T,) of the losses (T,), with the graph that the weighting gives them; 0 for tasks not in `present`.

    gramian: (T, T), where the weighting asks for it.

    Raises UsageError for a weighting that has weights for tasks without a label.
    """
    if average is not None:  # rows are divided over processes, and weights are those of the whole batch
        losses = average(losses)
    if present is None:
        weights: Tensor = weighting(StepState(losses, state, gramian))
        return weights.to(losses.dtype)  # losses may be wider than what the weighting learns
    if not present:
        return torch.zeros_like(losses)
    chosen = torch.tensor(present, device=losses.device)
    part = None if gramian is None else gramian[chosen[:, None], chosen]
    weights = weighting(StepState(losses[chosen], state, part, chosen))
    if weights.shape != chosen.shape:
        raise UsageError(
            f"A weighting should give a weight for each of the {len(present)} losses of a batch without labels of some "
            f"tasks. Found weights of shape {tuple(weights.shape)}; use `state.take` (`mtlbench check`)."
        )
    return torch.zeros_like(losses).index_put((chosen,), weights.to(losses))


def _rest(network: SharedNetwork, state: TrainState, scale: float, weighed: bool = True) -> Tensor | float:
    """The regularisers of weighting and sharing, and the penalties of constraints without a prox.

    weighed: whether the weighting was called, so that its regulariser is of this step. Otherwise its parameters have a
        gradient of zero and not none at all: an optimiser goes on alike in every step, also in a stack of models.
    """
    if weighed:
        total = scale * network.weighting.regulariser() + network.sharing.regulariser()
    else:
        nothing = [p.reshape(-1)[:0].sum() for p in network.weighting.parameters() if p.requires_grad]
        total = sum(nothing) + network.sharing.regulariser()
    for held in network.held:
        if held.constraint.in_loss:
            total = total + held.penalty(state.progress if held.is_scheduled else 0.0)
    return total


def clip_gradients(network: SharedNetwork, norm: float) -> None:
    """Clip the norm of the whole gradient, or of each model's gradient where tasks are separate models."""
    for parameters in network.separate_parameters() if network.separate else [network.parameters()]:
        torch.nn.utils.clip_grad_norm_(parameters, norm)


def finish_update(
    network: SharedNetwork, state: TrainState, rate_of: Callable[[ConstrainedParameter], float | None]
) -> None:
    """Count the update, apply the prox of every constraint, and refresh its buffers when due.

    `rate_of` gives the learning rate that the copies of a constrained parameter were just stepped with: the prox takes
    the same. It gives None for copies that are frozen, which stay as they are.
    """
    scheduled = any(held.is_scheduled for held in network.held)
    progress = state.progress if scheduled else 0.0  # before the count, as penalties in the loss saw it
    state.step += 1
    for held in network.held:
        rate = rate_of(held)
        if rate is not None:
            held.finish_update(rate, progress, state.step)


def observe_again(network: SharedNetwork, losses: Tensor, present: Sequence[int] | None) -> None:
    """Show the losses (T,) after a step to the weighting: those of the tasks that it weighed, if any."""
    if present is None:
        network.weighting.observe(losses)
    elif present:
        network.weighting.observe(losses[list(present)])
