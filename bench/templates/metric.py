"""`my_metric`, a kind of metric, and a suite of the same name whose tasks are scored by it.

A metric is in two parts. An accumulator gathers statistics of the predictions, which are stored; a kind turns stored
statistics into scores, whenever a record is read. So a stored score cannot differ from its statistics.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from bench.api import Kind, Metric, Task, TaskMetric, l1_loss, register, register_kind
from suites.synthetic import Synthetic


# Change this first: what is gathered. Statistics are plain numbers and lists that add up over rows.
class MyMetric(TaskMetric):
    """Count and sum of absolute errors; predictions and targets (n, 1)."""

    kind = "my_metric"

    def __init__(self) -> None:
        self.count, self.total = 0, 0.0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        labelled = ~target.isnan()  # a target that is missing is NaN
        self.count += int(labelled.sum())
        self.total += float((prediction - target)[labelled].abs().double().sum())

    def state(self) -> dict[str, Any]:
        return {"count": self.count, "absolute_error": self.total}


# And this with it: what is read from the statistics.
register_kind(
    "my_metric",
    Kind(
        # Columns of tables. The first one stands for the task.
        metrics=(Metric("mae", higher_is_better=False, unit=""),),
        compute=lambda state: {"mae": state["absolute_error"] / state["count"]},
        # By it epochs are selected and methods compared: lower is better, and above 0, since its logarithm is taken.
        error=lambda state: max(state["absolute_error"] / state["count"], 1e-12),
        # What a record can be checked by, each optional: its keys, and the numbers that the targets alone decide.
        keys={"count", "absolute_error"},
        truth=lambda state: [state["count"]],
        error_of=lambda scores: scores["mae"],
    ),
)


@register("my_metric")
class MyMetricSuite(Synthetic):
    """Two regressions with the mean absolute error as loss and metric, trained for 3 epochs of 8 updates."""

    def __init__(self, data_dir: Path | None = None) -> None:
        super().__init__(data_dir, tasks=2, train=100)
        self.tasks = [Task(task.name, task.head, l1_loss, MyMetric) for task in self.tasks]
        kinds = dict.fromkeys(self.names, "my_metric")  # a record is read without the suite, so they stand here too
        changes = {"name": "my_metric", "epochs": 3, "steps_per_epoch": 8, "metrics": kinds}
        self.protocol = self.protocol.model_copy(update=changes)
