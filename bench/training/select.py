"""Selection: which epoch's weights a run is scored with, decided on validation alone.

The training monitor offers every epoch; the selector keeps copies of the few whose weights a rule may still ask for.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.core.state import TrainState


@dataclass(frozen=True)
class Snapshot:
    """The weights of an epoch, with the training state: a method may use them differently in another phase."""

    weights: dict[str, Any]
    state: TrainState


class Selector:
    """Keeps the weights that the selection rules may ask for.

    `val`: a joint model's one epoch with the least sum over tasks of log validation error; separate
    models keep their own best. `per_task`: the best epoch of each task, for every method. `last`: the
    last epoch. The first of equal epochs wins. Epochs count from 1. Without a validation split only `last` exists.

    Args:
        tasks: the names under which errors are reported.
        separate: the tasks are separate models.
    """

    def __init__(self, tasks: list[str], separate: bool) -> None:
        self.tasks, self.separate = tasks, separate
        self._best: dict[str, tuple[float, int]] = {}  # task, or "" for the joint score -> least value, its epoch
        self._snapshots: dict[int, Snapshot] = {}
        self.last = 0  # epoch

    def offer(self, epoch: int, errors: Mapping[str, float] | None, snapshot: Callable[[], Snapshot]) -> None:
        """Take note of an epoch, and drop the weights that no rule can ask for any more.

        Args:
            epoch: from 1, ascending.
            errors: task -> primary validation error, > 0; None where there is no validation split.
            snapshot: copies the weights.
        """
        self.last = epoch
        # A sum of logarithms: a task counts by its relative change, whatever the scale of its error.
        scores = {} if errors is None else dict(errors) | {"": sum(math.log(errors[task]) for task in self.tasks)}
        for key, value in scores.items():
            if key not in self._best or value < self._best[key][0]:
                self._best[key] = (value, epoch)
        self._snapshots[epoch] = snapshot()
        needed = {self.last} | {epoch for _, epoch in self._best.values()}
        self._snapshots = {kept: self._snapshots[kept] for kept in needed}

    def choose_epochs(self) -> dict[str, dict[str, int]]:
        """rule -> task -> selected epoch, of the epochs so far."""
        last = dict.fromkeys(self.tasks, self.last)
        if not self._best:
            return {"last": last}
        per_task = {task: self._best[task][1] for task in self.tasks}
        joint = dict.fromkeys(self.tasks, self._best[""][1])
        return {"val": per_task if self.separate else joint, "per_task": per_task, "last": last}

    def snapshot(self, epoch: int) -> Snapshot:
        """The snapshot of an epoch that a rule chose, or of the last one; KeyError for others."""
        return self._snapshots[epoch]

    def state_dict(self) -> dict[str, Any]:
        """The whole selector, as plain values and tensors."""
        kept = {epoch: (each.weights, each.state.step, each.state.phase) for epoch, each in self._snapshots.items()}
        return {"best": dict(self._best), "snapshots": kept, "last": self.last}

    def load_state_dict(self, state: Mapping[str, Any], moment: TrainState) -> None:
        """Restore a `state_dict`.

        Snapshots save step and phase; `moment` gives the rest of their training state, as the budget.
        """
        self._best, self.last = dict(state["best"]), state["last"]
        self._snapshots = {
            epoch: Snapshot(weights, replace(moment, step=step, phase=phase))
            for epoch, (weights, step, phase) in state["snapshots"].items()
        }
