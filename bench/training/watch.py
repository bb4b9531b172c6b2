"""The training monitor: timing, validation, selection and curves.

A Lightning callback. It changes nothing that training depends on, apart from averaging the buffers of several processes
before they are evaluated.
"""

import copy
import math
import statistics
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from bench.core.data import Dataset
from bench.errors import Diverged, count_nouns
from bench.records import Curves
from bench.records.record import CURVE_TASKS
from bench.scores import primary_error, score_tasks
from bench.training.evaluate import evaluate
from bench.training.module import MultiTaskModule
from bench.training.prober import Prober
from bench.training.select import Selector, Snapshot

WARM_UP = 10  # updates left out of the step time: the first ones compile kernels and fill caches
OnEpoch = Callable[[int, int], None]  # epochs done, epochs in all


class TrainingMonitor(Callback):
    """Times the updates; after each epoch evaluates on validation, selects, and keeps the curves.

    Args:
        module: the module in training.
        val: the validation split; None for suites without one.
        on_epoch: is called after every epoch, for progress.
        prober: looks at the network after every epoch, where the run is probed.

    Raises:
        Diverged: from the end of an epoch in which a training loss stopped being finite.

    Attributes:
        seconds: of training so far, without evaluation.
        errors: task -> primary error on validation, epoch by epoch.
    """

    def __init__(
        self,
        module: MultiTaskModule,
        val: Dataset | None = None,
        on_epoch: OnEpoch | None = None,
        prober: Prober | None = None,
    ) -> None:
        self.module, self.val, self.on_epoch, self.prober = module, val, on_epoch, prober
        self.tasks = [task.name for task in module.model.tasks]
        self.selector = Selector(module.model.reported, module.model.separate)
        self.seconds = 0.0
        self._began = 0.0
        self._steps: list[float] = []  # seconds of every update
        self._train: list[list[float]] = []  # epoch by epoch, the mean training loss of every task
        self._val: list[dict[str, dict[str, float]]] = []  # epoch by epoch, task -> metric -> score
        self.errors: list[dict[str, float]] = []

    @property
    def step_ms(self) -> float:
        """Median time of one update after warm-up, in milliseconds; of all updates where there are too few."""
        return 1000 * statistics.median(self._steps[WARM_UP:] or self._steps)

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self._train)

    def pause(self, seconds: float) -> None:
        """Leave `seconds` that another model used out of the times."""
        self._began += seconds

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock of the epoch."""
        self._began = self._mark = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        """Note the time of the update."""
        now = time.perf_counter()
        self._steps.append(now - self._mark)
        self._mark = now

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock, check the losses, evaluate, offer the epoch to the selector."""
        module = self.module
        # Reading the sum waits for the device, so that the time of the last updates is counted.
        # Over the batches that had labels; NaN for a task of which none had.
        batches = [module.protocol.steps_per_epoch - absent for absent in module.absences]
        losses = (module.loss_sum / module.loss_sum.new_tensor(batches)).tolist()
        self.seconds += time.perf_counter() - self._began
        module.loss_sum.zero_()
        module.absences = [0] * len(batches)
        epoch = self.epochs + 1
        seen_losses = zip(self.tasks, losses, batches, strict=True)
        if bad := [task for task, loss, seen in seen_losses if seen and not math.isfinite(loss)]:
            # One loss makes all that share parameters with it infinite; which was first is not known.
            rest = f" and {count_nouns(len(bad) - 3, 'other')}" if len(bad) > 3 else ""
            named = ", ".join(f"`{task}`" for task in bad[:3]) + rest
            raise Diverged(f"The training loss of {named} stopped being finite in epoch {epoch}.")
        self._train.append(losses)
        module.model.sync_buffers()
        errors = None
        if self.val is not None:
            kinds = module.protocol.metrics
            states = evaluate([(module.model, module.state)], self.val)
            self._val.append(score_tasks(kinds, states, "val"))
            errors = {task: primary_error(kinds[task], state) for task, state in states.items()}
            self.errors.append(errors)
        self.selector.offer(epoch, errors, self._snapshot)
        if self.prober:
            self.prober.observe(epoch)
        if self.on_epoch:
            self.on_epoch(epoch, module.protocol.epochs)

    def _snapshot(self) -> Snapshot:
        """A copy of the weights and of the training state."""
        # Cloned one by one: a deep copy of a tensor takes all that lies in memory with it, as stacked models do.
        weights = self.module.model.state_dict()
        kept = OrderedDict(
            (key, value.clone() if isinstance(value, Tensor) else copy.deepcopy(value))
            for key, value in weights.items()
        )
        kept._metadata = weights._metadata  # type: ignore[attr-defined]  # versions of modules, which loading asks for
        return Snapshot(kept, replace(self.module.state))

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint, as plain values and tensors; step times continue after a resume."""
        return {
            "seconds": self.seconds,
            "steps": torch.tensor(self._steps, dtype=torch.float64),
            "train": list(self._train),
            "val": list(self._val),
            "errors": list(self.errors),
            "selector": self.selector.state_dict(),
            "prober": self.prober.state_dict() if self.prober else {},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a `state_dict`."""
        self.seconds, self._steps = state_dict["seconds"], state_dict["steps"].tolist()
        self._train, self._val, self.errors = (state_dict[name] for name in ("train", "val", "errors"))
        self.selector.load_state_dict(state_dict["selector"], self.module.state)
        if self.prober:
            self.prober.load_state_dict(state_dict["prober"])

    def curves(self) -> Curves:
        """Training losses and validation scores per task and epoch; empty for more tasks than a record keeps."""
        if len(self.tasks) > CURVE_TASKS:
            return Curves()
        train = {task: [_round(row[t]) for row in self._train] for t, task in enumerate(self.tasks)}
        metrics = {task: list(scores) for task, scores in self._val[0].items()} if self._val else {}
        return Curves(
            train_loss=train,
            val={
                task: {metric: [_round(row[task][metric]) for row in self._val] for metric in names}
                for task, names in metrics.items()
            },
        )


def _round(value: float) -> float | None:
    """Six decimals; None for what JSON has no number for."""
    return round(value, 6) if math.isfinite(value) else None
