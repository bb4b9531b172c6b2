"""The training monitor: timing, validation, selection and curves."""

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
from bench.errors import Diverged
from bench.records import Curves
from bench.records.record import CURVE_TASKS
from bench.scores import primary_error, score_tasks
from bench.training.evaluate import evaluate
from bench.training.module import MultiTaskModule
from bench.training.select import Selector, Snapshot

WARM_UP = 10  # updates left out of the step time
OnEpoch = Callable[[int, int], None]  # epochs done, epochs in all


class TrainingMonitor(Callback):
    """Times the updates; after each epoch evaluates on validation, selects, and keeps the curves."""

    def __init__(self, module: MultiTaskModule, val: Dataset | None = None, on_epoch: OnEpoch | None = None) -> None:
        self.module, self.val, self.on_epoch = module, val, on_epoch
        self.tasks = [task.name for task in module.model.tasks]
        self.selector = Selector(module.model.reported, module.model.separate)
        self.seconds = 0.0
        self._began = 0.0
        self._steps: list[float] = []
        self._train: list[list[float]] = []
        self._val: list[dict[str, dict[str, float]]] = []
        self.errors: list[dict[str, float]] = []  # primary errors on validation, epoch by epoch

    @property
    def step_ms(self) -> float:
        """Median time of one update after warm-up."""
        return 1000 * statistics.median(self._steps[WARM_UP:] or self._steps)

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self._train)

    def pause(self, seconds: float) -> None:
        """Leave `seconds` that another model used out of the times."""
        self._began += seconds

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._began = self._mark = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        now = time.perf_counter()
        self._steps.append(now - self._mark)
        self._mark = now

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module = self.module
        losses = (module.loss_sum / module.protocol.steps_per_epoch).tolist()  # waits for the device
        self.seconds += time.perf_counter() - self._began
        module.loss_sum.zero_()
        epoch = self.epochs + 1
        if not all(math.isfinite(loss) for loss in losses):
            bad = [task for task, loss in zip(self.tasks, losses, strict=True) if not math.isfinite(loss)]
            # One drags along all that share parameters with it, which was first is not known.
            named = ", ".join(f"`{task}`" for task in bad[:3]) + (f" and {len(bad) - 3} others" if len(bad) > 3 else "")
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
        if self.on_epoch:
            self.on_epoch(epoch, module.protocol.epochs)

    def _snapshot(self) -> Snapshot:
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
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a `state_dict`."""
        self.seconds, self._steps = state_dict["seconds"], state_dict["steps"].tolist()
        self._train, self._val, self.errors = (state_dict[name] for name in ("train", "val", "errors"))
        self.selector.load_state_dict(state_dict["selector"], self.module.state)

    def curves(self) -> Curves:
        """Per-task curves, up to ten tasks."""
        if len(self.tasks) > CURVE_TASKS:
            return Curves()
        train = {task: [_rounded(row[t]) for row in self._train] for t, task in enumerate(self.tasks)}
        metrics = {task: list(scores) for task, scores in self._val[0].items()} if self._val else {}
        return Curves(
            train_loss=train,
            val={
                task: {metric: [_rounded(row[task][metric]) for row in self._val] for metric in names}
                for task, names in metrics.items()
            },
        )


def _rounded(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
