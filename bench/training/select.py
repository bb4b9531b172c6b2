"""Selection: which epoch's weights stand for a run, decided on validation alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.core.state import TrainState


@dataclass(frozen=True)
class Snapshot:
    """The weights of an epoch, and where training stood: a method may use them differently in another phase."""

    weights: dict[str, Any]
    state: TrainState


class Selector:
    """Keeps the weights that the selection rules may ask for.

    `val`: a joint model's one epoch with the least sum over tasks of log validation error; separate
    models keep their own best. `per_task`: the best epoch of each task, for every method. `last`: the
    last epoch. The first of equal epochs wins.
    """

    def __init__(self, tasks: list[str], separate: bool) -> None:
        self.tasks, self.separate = tasks, separate
        self._best: dict[str, tuple[float, int]] = {}
        self._snapshots: dict[int, Snapshot] = {}
        self.last = 0  # epoch

    def offer(self, epoch: int, errors: Mapping[str, float] | None, snapshot: Callable[[], Snapshot]) -> None:
        """Tell the errors of an epoch (None where there is no validation split); `snapshot` copies the weights."""
        self.last = epoch
        scores = {} if errors is None else dict(errors) | {"": sum(math.log(errors[task]) for task in self.tasks)}
        for key, value in scores.items():
            if key not in self._best or value < self._best[key][0]:
                self._best[key] = (value, epoch)
        self._snapshots[epoch] = snapshot()
        self._snapshots = {kept: self._snapshots[kept] for kept in self._kept()}

    def _kept(self) -> set[int]:
        return {self.last} | {epoch for _, epoch in self._best.values()}

    def chosen(self) -> dict[str, dict[str, int]]:
        """rule -> task -> epoch."""
        last = dict.fromkeys(self.tasks, self.last)
        if not self._best:
            return {"last": last}
        per_task = {task: self._best[task][1] for task in self.tasks}
        joint = dict.fromkeys(self.tasks, self._best[""][1])
        return {"val": per_task if self.separate else joint, "per_task": per_task, "last": last}

    def snapshot(self, epoch: int) -> Snapshot:
        """What was kept of an epoch that a rule chose, or of the last one."""
        return self._snapshots[epoch]

    def state_dict(self) -> dict[str, Any]:
        """All of it, as plain values and tensors."""
        kept = {epoch: (each.weights, each.state.step, each.state.phase) for epoch, each in self._snapshots.items()}
        return {"best": dict(self._best), "snapshots": kept, "last": self.last}

    def load_state_dict(self, state: Mapping[str, Any], moment: TrainState) -> None:
        """Take up a `state_dict`; snapshots stand in `moment` but for the step and the phase of their own."""
        self._best, self.last = dict(state["best"]), state["last"]
        self._snapshots = {
            epoch: Snapshot(weights, replace(moment, step=step, phase=phase))
            for epoch, (weights, step, phase) in state["snapshots"].items()
        }
