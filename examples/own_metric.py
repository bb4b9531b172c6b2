"""A metric of your own: the share of predictions that are within 0.5 of the truth, and a suite that is scored by it.

In your loop: python examples/own_metric.py
In the benchmark, with intervals and tables: mtlbench run near single_task hard --plugin examples/own_metric.py
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.api import Kind, Metric, Task, TaskMetric, l1_loss, register, register_kind
from suites.synthetic import Synthetic


class Near(TaskMetric):
    """Gathers how many predictions there were, and how many were near; predictions and targets (n, 1)."""

    kind = "near"

    def __init__(self) -> None:
        self.count, self.near = 0, 0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        labelled = ~target.isnan()  # a target that is missing is NaN
        self.count += int(labelled.sum())
        self.near += int(((prediction - target)[labelled].abs() <= 0.5).sum())

    def state(self) -> dict[str, Any]:
        return {"count": self.count, "near": self.near}


# How statistics become scores. Records store the statistics, so that a score can be computed again at any time.
register_kind(
    "near",
    Kind(
        metrics=(Metric("near", higher_is_better=True, unit="%", low=0, high=100),),
        compute=lambda state: {"near": 100 * state["near"] / state["count"]},
        # What is missing, above 0: epochs are selected by its logarithm. Half a row of all, where no row is missing.
        error=lambda state: max(state["count"] - state["near"], 0.5) / state["count"],
        keys={"count", "near"},
        truth=lambda state: [state["count"]],
    ),
)


@register("near")
class NearSuite(Synthetic):
    """Two regressions, scored by the share of predictions that are near."""

    def __init__(self, data_dir: Path | None = None) -> None:
        super().__init__(data_dir, tasks=2, train=100)
        self.tasks = [Task(task.name, task.head, l1_loss, Near) for task in self.tasks]
        changes = {"name": "near", "epochs": 3, "steps_per_epoch": 8, "metrics": dict.fromkeys(self.names, "near")}
        self.protocol = self.protocol.model_copy(update=changes)


if __name__ == "__main__":
    import mtlbench as mb  # for the loop only

    torch.manual_seed(0)
    net = mb.share([nn.Linear(3, 16), nn.Tanh()], {"sum": nn.Linear(16, 1), "first": nn.Linear(16, 1)}, "hard")
    optimiser = torch.optim.Adam(net.parameter_groups(lr=0.01))
    for step in range(201):
        x = torch.randn(32, 3)
        y = {"sum": x.sum(dim=1, keepdim=True), "first": x[:, :1]}
        predictions = net(x)
        if step % 200 == 0:
            metrics = {task: Near() for task in y}
            for task, metric in metrics.items():
                metric.update(predictions[task].detach(), y[task])
            print(f"step {step}:", {task: metric.state() for task, metric in metrics.items()})
        net.step({task: (predictions[task] - y[task]).square().mean() for task in y}, optimiser)
