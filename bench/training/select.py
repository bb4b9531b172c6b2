"""Selection: which epoch's weights stand for a run, decided on validation alone."""

import math
from collections.abc import Callable, Mapping
from typing import Any

Weights = dict[str, Any]


class Selector:
    """Keeps the weights that the selection rules may ask for.

    `val`: a joint model's one epoch with the least sum over tasks of log validation error; separate
    models keep their own best. `per_task`: the best epoch of each task, for every method. `last`: the
    last epoch. The first of equal epochs wins.
    """

    def __init__(self, tasks: list[str], separate: bool) -> None:
        self.tasks, self.separate = tasks, separate
        self._best: dict[str, tuple[float, int]] = {}
        self._weights: dict[int, Weights] = {}
        self._last = 0

    def offer(self, epoch: int, errors: Mapping[str, float] | None, snapshot: Callable[[], Weights]) -> None:
        """Tell the errors of an epoch (None where there is no validation split); `snapshot` copies the weights."""
        self._last = epoch
        scores = {} if errors is None else dict(errors) | {"": sum(math.log(errors[task]) for task in self.tasks)}
        for key, value in scores.items():
            if key not in self._best or value < self._best[key][0]:
                self._best[key] = (value, epoch)
        self._weights[epoch] = snapshot()
        self._weights = {kept: self._weights[kept] for kept in self._kept()}

    def _kept(self) -> set[int]:
        return {self._last} | {epoch for _, epoch in self._best.values()}

    def chosen(self) -> dict[str, dict[str, int]]:
        """rule -> task -> epoch."""
        last = dict.fromkeys(self.tasks, self._last)
        if not self._best:
            return {"last": last}
        per_task = {task: self._best[task][1] for task in self.tasks}
        joint = dict.fromkeys(self.tasks, self._best[""][1])
        return {"val": per_task if self.separate else joint, "per_task": per_task, "last": last}

    def weights(self, epoch: int) -> Weights:
        """The weights kept of an epoch that a rule chose."""
        return self._weights[epoch]
