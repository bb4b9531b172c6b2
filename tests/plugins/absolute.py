"""A suite whose tasks are scored by a kind of metric of its own: the mean absolute error."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from bench.api import Kind, Metric, Task, TaskMetric, register, register_kind
from suites.synthetic import Synthetic

# {"count": n, "absolute_error": sum |prediction - target|}; mae = absolute_error / count
register_kind(
    "absolute",
    Kind(
        metrics=(Metric("mae", higher_is_better=False, unit="s"),),
        compute=lambda state: {"mae": state["absolute_error"] / state["count"]},
        error=lambda state: max(state["absolute_error"] / state["count"], 1e-12),
        rows=lambda state: int(state["count"]),
        keys={"count", "absolute_error"},
        truth=lambda state: [state["count"]],
        error_of=lambda scores: scores["mae"],
        trace=lambda state: [state["absolute_error"]],
        contradictions=lambda state: ["`absolute_error` should not be odd"] if state["absolute_error"] < 0 else [],
    ),
)


class AbsoluteError(TaskMetric):
    """Count and sum of absolute errors."""

    kind = "absolute"

    def __init__(self) -> None:
        self.count, self.total = 0, 0.0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        self.count += len(target)
        self.total += float((prediction - target).abs().double().sum())

    def state(self) -> dict[str, Any]:
        return {"count": self.count, "absolute_error": self.total}


@register("absolute")
class Absolute(Synthetic):
    """Two regressions, trained for 3 epochs of 8 updates."""

    def __init__(self, data_dir: Path | None = None) -> None:
        super().__init__(data_dir, tasks=2, train=100)
        names = [task.name for task in self.tasks]
        self.tasks = [Task(task.name, task.head, nn.functional.l1_loss, AbsoluteError) for task in self.tasks]
        self.protocol = self.protocol.model_copy(
            update={
                "name": "absolute",
                "epochs": 3,
                "steps_per_epoch": 8,
                "metrics": dict.fromkeys(names, "absolute"),
            }
        )
