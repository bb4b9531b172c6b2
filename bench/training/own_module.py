"""A method in a `LightningModule` of one's own, and a constraint as a callback.

The arithmetic is that of a loop (`bench.loop.own_network`); what stands here is at which hook each part of it is done,
so that the Trainer's own flags work: accumulation, clipping, mixed precision, schedules, checkpoints, `ddp`.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer

from bench.errors import UsageError, add_article
from bench.loop.own_network import OwnNetwork
from bench.loop.pieces import Held
from bench.loop.step import clip_gradients


class MultiTaskLightning(L.LightningModule):
    """A network of `share` as a LightningModule: subclass it, and give the losses of a batch.

        class Mine(mb.lightning.MultiTaskModule):
            def losses(self, batch):
                x, y = batch
                return {task: mse_loss(p, y[task]) for task, p in self(x).items()}

        L.Trainer(max_epochs=10).fit(Mine(mb.share(stages, heads, "cross_stitch@pcgrad"), lr=1e-3), loader)

    `training_step` logs `train_loss` and `train_loss/TASK`. One optimiser, in automatic optimisation. Under `ddp` every
    process has its own rows; weightings see the mean of the losses over the processes.

    Args:
        network: from `share`.
        lr: learning rate of Adam, unless `configure_optimizers` is overridden; it should then be made of
            `self.network.parameter_groups(lr=...)`.
        weight_decay: of that optimiser.
    """

    def __init__(self, network: OwnNetwork, lr: float = 1e-3, weight_decay: float = 0.0) -> None:
        super().__init__()
        if not isinstance(network, OwnNetwork):
            raise UsageError(
                f"`network` should be one of `mtlbench.share`. Found {add_article(type(network).__name__)}; give "
                "`mtlbench.share(stages, heads, method)`."
            )
        self.network, self.lr, self.weight_decay = network, lr, weight_decay
        self._batch: Any = None

    @abstractmethod
    def losses(self, batch: Any) -> Mapping[str, Tensor | None]:
        """task -> loss of a batch, 0-dimensional; None for a task without a label in it."""

    def forward(self, x: Any) -> dict[str, Tensor]:
        """task -> prediction, as of the network."""
        predictions: dict[str, Tensor] = self.network(x)
        return predictions

    def configure_optimizers(self) -> Any:
        """Adam on the groups of the network."""
        return torch.optim.Adam(self.network.parameter_groups(lr=self.lr, weight_decay=self.weight_decay))

    def on_fit_start(self) -> None:
        """Raise UsageError for a method that cannot be trained by the strategy of the trainer."""
        self.network.join_processes(self.trainer.world_size)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The weighted loss of a batch."""
        losses = self.losses(batch)
        self._batch = batch
        self._step = self.network.weigh_losses(losses, self._scale())
        total = self._step.total
        for task, loss in losses.items():
            if loss is not None:
                self.log(f"train_loss/{task}", loss.detach())
        self.log("train_loss", total.detach(), prog_bar=True)
        return total

    def _scale(self) -> float:
        """What mixed precision multiplies losses by on their way back."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        return float(scaler.scale(torch.ones((), device=self.device))) if scaler and scaler.is_enabled() else 1.0

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """The backward pass of the step; `loss` is its total, as scaled and divided by the trainer."""
        if self._step.gradients is None:
            torch.autograd.backward(loss)
        else:
            self._step.backward(self._scale() / self.trainer.accumulate_grad_batches)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Between the backward pass and clipping."""
        self.network.prepare_update(optimizer, shows_again=True)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip norms, of each model by itself where tasks are separate models; values as the trainer does."""
        if gradient_clip_val is not None and gradient_clip_algorithm in (None, "norm"):
            clip_gradients(self.network, gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Step, then what follows it; a step that mixed precision skips is no update."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        before = scaler.get_scale() if scaler else 1.0
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if scaler is None or scaler.get_scale() >= before:
            self.network.follow_update(lambda: self.losses(self._batch))


class HoldCallback(Callback):
    """Applies a constraint of `constrain` after every step of the optimiser of any LightningModule.

        held = mb.constrain([model.adapter_a, model.adapter_b], "trace_norm", lr=1e-4)
        L.Trainer(callbacks=[mb.lightning.Hold(held)]).fit(model, loader)

    The prox takes the learning rate of the step itself, before a schedule changes it. A constraint that acts by its
    penalty is the module's to add: `loss + held.penalty()`.
    """

    def __init__(self, held: Held) -> None:
        if not isinstance(held, Held):
            raise UsageError(
                f"`held` should be what `mtlbench.constrain` returns. Found {add_article(type(held).__name__)}."
            )
        self.held = held
        self._rates: list[float | None] | None = None
        self._steps = 0

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        """Note the rates of the step that comes."""
        self._rates, self._steps = self.held.read_rates(optimizer), trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        """Prox and refreshes, where there was a step."""
        if self._rates is not None and trainer.global_step > self._steps:
            self.held.follow_update(self._rates)
        self._rates = None
