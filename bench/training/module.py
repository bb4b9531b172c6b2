"""A training step, whole: losses, weights, gradients, the optimiser's step, and the prox inside it.

`MultiTaskModule` is what Lightning trains; hooks are in the order of an update. `training_step` makes one loss of the
T of a batch (`bench.loop.step`); a Gramian weighting works on the gradients instead. After the optimiser's step
follow the prox of the constraints and their refreshes.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightning as L
import torch
from torch import Tensor

from bench.core.data import Batch
from bench.core.state import TrainState
from bench.loop.replay import Replay
from bench.loop.step import Step, clip_gradients, finish_update, observe_again
from bench.records import Protocol, derive_seed
from bench.training.gradients import compute_losses
from bench.training.model import MultiTaskModel
from bench.training.schedule import TrainingSchedule
from bench.training.step import training_step


class MultiTaskModule(L.LightningModule):
    """Trains a MultiTaskModel under a protocol.

    Attributes:
        state: step, phase, budget and generator, which parts of the method read.
        taken: the step of the current batch.
        loss_sum: (T,) sum of the losses since the monitor last cleared it. On the device: reading a loss at every
            update would wait for the device each time.
        absences: (T,) how many batches since then had no label of a task.
    """

    def __init__(self, model: MultiTaskModel, protocol: Protocol, seed: int) -> None:
        super().__init__()
        self.model, self.protocol = model, protocol
        self.schedule = TrainingSchedule(protocol, tuple(model.sharing.phases()))
        self.state = TrainState(
            updates=protocol.updates, phase=self.schedule.phases[0].name, steps_per_epoch=protocol.steps_per_epoch
        )
        self.state.generator = torch.Generator().manual_seed(derive_seed(seed, "train"))
        self.taken: Step
        self.again: tuple[Replay, TrainState, Batch] | None = None  # of the weightings that observe a batch again
        self.loss_sum = next(model.parameters()).new_zeros(len(model.tasks))
        self.absences = [0] * len(model.tasks)

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the hook that runs on the module, a dozen times an update, and nn.Module's setter is slow.
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The protocol's optimiser on the groups of the model; notes the initial learning rate of each parameter."""
        groups = self.model.group_parameters(self.protocol)
        self.rates = [group["lr"] for group in groups]
        self.rate_of = {parameter: group["lr"] for group in groups for parameter in group["params"]}
        if self.protocol.optimiser == "adam":
            return torch.optim.Adam(groups, lr=self.protocol.lr, betas=self.protocol.betas, fused=True)
        return torch.optim.SGD(groups, lr=self.protocol.lr, momentum=self.protocol.momentum, fused=True)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch  # the data set is on the device already

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Enter a phase where one begins, with an optimiser that remembers nothing."""
        number = self.schedule.phase(self.state.step)
        phase = self.schedule.phases[number].name
        if phase != self.state.phase:
            self.trainer.optimizers[0].state.clear()
            self._enter(phase)
        if self.model.weighting.needs_second_forward:
            self.again = Replay(self.model, self.state.generator), replace(self.state), batch

    def _enter(self, phase: str) -> None:
        """Tell the sharing that `phase` begins; it may change weights and freeze parameters."""
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
        """The loss of the batch; `taken` keeps the step for `backward`."""
        self.taken = training_step(self.model, batch, self.state, self.protocol.loss_reduction == "mean")
        self.count_losses(self.taken)
        return self.taken.total

    def count_losses(self, step: Step) -> None:
        """Add the losses of a step to the sums of the epoch; a task without a label in the batch has none."""
        self.loss_sum.add_(step.losses)
        if step.present is not None:
            self.absences = [n + (t not in step.present) for t, n in enumerate(self.absences)]

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Run the backward pass of the step, which a Gramian step has behind it; average gradients over processes."""
        self.taken.backward()
        if self.model.ranks:
            self.model.ranks.average_([p.grad for p in self.model.parameters() if p.grad is not None])
        self.model.centre_gradients()

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the whole gradient, or of each model's gradient where tasks are separate models."""
        if gradient_clip_val is not None:
            clip_gradients(self.model, gradient_clip_val)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Set the learning rates of this update, step, apply the prox with the same rates, and replay where needed."""
        factor = self.schedule.factor(self.state.step)
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.finish_update(factor)
        if self.again:
            replay, state, batch = self.again
            observe_again(
                self.model, replay.compute(lambda: compute_losses(self.model, batch, state)), self.taken.present
            )

    def finish_update(self, factor: float) -> None:
        """As `bench.loop.step.finish_update`.

        `factor` comes from the schedule: a prox takes the learning rate that its parameter was just stepped with.
        """
        finish_update(self.model, self.state, lambda held: self.rate_of[held.copies[0]] * factor)
