"""A training step, whole: losses, weights, gradients, the optimiser's step, and the prox inside it.

`MultiTaskModule` is what Lightning trains. `training_step` makes one loss of the T of a batch; a Gramian weighting
works on the gradients instead. After the optimiser's step follow the prox of the constraints and their refreshes.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import Parameter

from bench.core.data import Batch
from bench.core.state import StepState, TrainState
from bench.records import Protocol, derive_seed
from bench.training.gradients import TaskGradients, compute_losses
from bench.training.model import MultiTaskModel
from bench.training.replay import Replay
from bench.training.schedule import TrainingSchedule


class MultiTaskModule(L.LightningModule):
    """Trains a MultiTaskModel under a protocol; keeps the running sum of losses on the device."""

    def __init__(self, model: MultiTaskModel, protocol: Protocol, seed: int) -> None:
        super().__init__()
        self.model, self.protocol = model, protocol
        self.schedule = TrainingSchedule(protocol, tuple(model.sharing.phases()))
        self.state = TrainState(
            updates=protocol.updates, phase=self.schedule.phases[0].name, steps_per_epoch=protocol.steps_per_epoch
        )
        self.state.generator = torch.Generator().manual_seed(derive_seed(seed, "train"))
        self.taken: Step
        self.replay: Replay | None = None
        self.loss_sum = next(model.parameters()).new_zeros(len(model.tasks))

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the hook that runs on the module, a dozen times an update, and nn.Module's setter is slow.
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = self.model.parameter_groups(self.protocol)
        self.rates = [group["lr"] for group in groups]
        self.rate_of = {parameter: group["lr"] for group in groups for parameter in group["params"]}
        if self.protocol.optimiser == "adam":
            return torch.optim.Adam(groups, lr=self.protocol.lr, betas=self.protocol.betas, fused=True)
        return torch.optim.SGD(groups, lr=self.protocol.lr, momentum=self.protocol.momentum, fused=True)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch  # the data set is on the device already

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        number = self.schedule.phase(self.state.step)
        phase = self.schedule.phases[number].name
        if phase != self.state.phase:
            self.trainer.optimizers[0].state.clear()
            self._enter(phase)
        self.replay = Replay(self.model, self.state, batch) if self.model.weighting.needs_second_forward else None

    def _enter(self, phase: str) -> None:
        self.state.phase = phase
        with torch.no_grad():
            self.model.sharing.begin(phase)

    def fast_forward(self, step: int) -> None:
        """Set the step counter for a resume, entering every phase already passed."""
        for number, (begin, end) in enumerate(itertools.pairwise(self.schedule.starts)):
            phase = self.schedule.phases[number].name
            if begin < min(end, step) and phase != self.state.phase:
                self._enter(phase)
        self.state.step = step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.taken = training_step(self.model, batch, self.state, self.protocol.loss_reduction == "mean")
        self.loss_sum.add_(self.taken.losses)
        return self.taken.total

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """The step's own: a Gramian step has its gradients already. Where processes share a batch, their mean."""
        self.taken.backward()
        if self.model.ranks:
            self.model.ranks.average_([p.grad for p in self.model.parameters() if p.grad is not None])

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """The norm of the whole gradient; of each model's own where tasks are separate models."""
        if gradient_clip_val is not None:
            for parameters in self.model.separate_parameters() if self.model.separate else [self.model.parameters()]:
                torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Set this update's learning rates, step, apply the prox with the same rate, and look back where asked to."""
        factor = self.schedule.factor(self.state.step)
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.after_update(factor)
        if self.replay:
            self.model.weighting.observe(self.replay.losses())

    def after_update(self, factor: float) -> None:
        """After the optimiser's step: count the update, apply the prox with its rate, refresh constraints when due."""
        progress = self.state.progress
        self.state.step += 1
        for held in self.model.held:
            if not held.constraint.in_loss:
                held.apply_prox(self.rate_of[held.copies[0]] * factor, progress)
            if held.constraint.refresh_every and self.state.step % held.constraint.refresh_every == 0:
                held.refresh()


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
