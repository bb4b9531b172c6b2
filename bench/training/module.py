"""The Lightning module: optimiser, schedule, phases, and the prox inside the optimiser's step."""

import bisect
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import lightning as L
import torch
from torch import Tensor

from bench.core.data import Batch, Dataset, Order
from bench.core.state import Phase, TrainState
from bench.records import Protocol, derive_seed
from bench.training.gradients import compute_losses
from bench.training.model import MultiTaskModel
from bench.training.step import Step, training_step


class Batches:
    """The batches of one epoch after the other, from update `step` on; Lightning asks for an iterator per epoch."""

    def __init__(self, dataset: Dataset, protocol: Protocol, seed: int, step: int = 0) -> None:
        self.dataset, self.length, self.seed = dataset, protocol.steps_per_epoch, seed
        self.order = Order(dataset, protocol.batch_size, seed)
        self.generator = torch.Generator() if dataset.transform else None
        self.step = step

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.length):
            self.step += 1  # before the yield: the last one of an epoch is never resumed
            if self.generator:  # augmentation, too, is a function of seed and step alone
                self.generator.manual_seed(derive_seed(self.seed, "augment", self.step - 1))
            yield self.dataset.take(self.order.batch(self.step - 1), self.generator)


class TrainingSchedule:
    """Where each phase begins, and the factor on the learning rate at every update."""

    def __init__(self, protocol: Protocol, phases: tuple[Phase, ...]) -> None:
        self.protocol, self.phases = protocol, phases
        shares = list(itertools.accumulate(phase.share for phase in phases))
        self.starts = [0, *(round(share * protocol.updates) for share in shares)]

    def phase(self, step: int) -> int:
        """The number of the phase that update `step` belongs to."""
        return min(bisect.bisect_right(self.starts, step), len(self.phases)) - 1

    def factor(self, step: int) -> float:
        """The learning rate over its first value; every phase starts anew."""
        number = self.phase(step)
        begin, end = self.starts[number], self.starts[number + 1]
        if self.protocol.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - begin) / max(1, end - begin))))
        if self.protocol.schedule == "step":
            epochs = (step - begin) // self.protocol.steps_per_epoch
            return self.protocol.decay_factor ** (epochs // self.protocol.decay_every)
        return 1.0


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
        self.replay = Replay(self, batch) if self.model.weighting.needs_second_forward else None

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


class Replay:
    """A second forward pass of one batch, with the random numbers of the first and no trace of its own."""

    def __init__(self, module: MultiTaskModule, batch: Batch) -> None:
        self.module, self.batch = module, batch
        self.state = replace(module.state)
        self.before = self._generators()

    def _generators(self) -> tuple[Tensor, Tensor]:
        assert self.module.state.generator is not None
        return torch.get_rng_state(), self.module.state.generator.get_state()

    def _set_generators(self, states: tuple[Tensor, Tensor]) -> None:
        assert self.module.state.generator is not None
        torch.set_rng_state(states[0])
        self.module.state.generator.set_state(states[1])

    @torch.no_grad()
    def losses(self) -> Tensor:
        """The T losses as they are now; buffers (running statistics) and generators are left as they were."""
        model, after = self.module.model, self._generators()
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        self._set_generators(self.before)
        losses = torch.stack(compute_losses(model, self.batch, self.state))
        self._set_generators(after)
        for buffer, value in buffers:
            buffer.copy_(value)
        return losses
