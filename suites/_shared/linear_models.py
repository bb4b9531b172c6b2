"""What suites of linear models share: weights and an intercept per task, tasks with rows of their own.

Losses are means over the rows of a task; predictions z and targets y are (n, 1).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from bench.api import Explained, Protocol, Ranking, Shape, Stage, Suite, Task

POOLED = "pooled"  # the name that tasks are scored together under
LinearLoss = Literal["squared", "logistic"]


class AddIntercept(nn.Module):
    """x + b, b (1,) from 0: a stage of its own, so that a method can share weights and not intercepts."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def _identity(shape: Shape) -> nn.Module:
    """A head that does nothing: the task's model is the backbone."""
    return nn.Identity()


def half_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """mean (z - y)^2 / 2: half, so that its gradient is the residual."""
    return (prediction - target).square().mean() / 2


def mean_log_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """mean log(1 + e^z) - y z, y 0 or 1: the logistic loss of logits z."""
    return nn.functional.binary_cross_entropy_with_logits(prediction, target)


def make_linear_tasks(names: Sequence[str], loss: LinearLoss = "squared", pool: str = "") -> list[Task]:
    """A task for each name, whose model is the backbone alone.

    pool: the name that tasks of squared loss are scored together under, over the rows of all of them; none where empty.
        Logistic loss is always scored task by task.
    """
    if loss == "squared":
        return [Task(task, _identity, half_squared_error, Explained, pool) for task in names]
    return [Task(task, _identity, mean_log_loss, Ranking) for task in names]


def make_linear_protocol(
    name: str,
    version: int,
    rows: Mapping[str, int],
    split_rule: str,
    tasks: Sequence[Task],
    *,
    loss: LinearLoss = "squared",
    overlapping: bool = False,
    ranked: bool = True,
) -> Protocol:
    """The protocol of linear models that a solver fits.

    name, version: of the protocol.
    rows: `train` and `test` -> rows over all inputs.
    split_rule: a sentence for the card.
    tasks: whose metrics it has.
    overlapping: whether splits of several seeds share rows, so that seeds are no independent draws.
    ranked: whether its runs stand on boards.
    """
    return Protocol(
        name=name,
        version=version,
        splits=dict(rows),
        split_rule=split_rule,
        epochs=1,
        # The most that a solver takes: `fit="solver"` stops when it has converged.
        steps_per_epoch=3_000,
        batch_size=rows["train"],
        optimiser="sgd",
        lr=1e-3,
        schedule="constant",
        initialisation="weights and intercepts from 0",
        selection="cv",
        fit="solver",
        loss=loss,
        overlapping=overlapping,
        ranked=ranked,
        precision="float64",
        metrics={task.reported: task.metric().kind for task in tasks},
    )


def make_linear_stages(features: int, width: float = 1.0) -> nn.ModuleList:
    """Two stages, weights (1, features) and intercept, both from 0. ValueError for a width: there is none to widen."""
    if width != 1:
        raise ValueError(f"A linear model has no width. Found `width = {width:g}`.")
    weights = nn.Linear(features, 1, bias=False)
    nn.init.zeros_(weights.weight)
    return nn.ModuleList([Stage(weights, output_shape=(1,)), Stage(AddIntercept(), output_shape=(1,))])


def select_weights(names: Sequence[str]) -> Sequence[str]:
    """What constraints hold of linear models: the weights where tasks own them, else all that they own."""
    return [name for name in names if name.endswith("weight")] or names


class LinearSuite(Suite):
    """z_t = x_t w_t + b_t: a backbone of two stages, the weights and the intercept, both from 0; the head does nothing.

    So `single_task` and `soft` give every task both, `hard` shares both, and `hard:split=1` shares the weights.
    Constraints hold the weights where tasks own them, else the intercepts: `hard:split=1+l2` shrinks these to a common
    one. Fitted by a solver, strengths chosen by cross-validation inside the training part.
    """

    own_inputs = True

    def __init__(self, data_dir: Path | None, names: Sequence[str], features: int) -> None:
        """A suite of tasks `names` on `features` columns. Call `_define` once names, columns and rows are known."""
        super().__init__(data_dir)
        self._reshape(names, features)

    def _reshape(self, names: Sequence[str], features: int) -> None:
        """Set tasks and columns, which a file may tell only after it was read."""
        self.names, self.input_shape = list(names), (features,)
        self.own_inputs = len(self.names) > 1

    def _define(
        self,
        name: str,
        version: int,
        rows: Mapping[str, int],
        split_rule: str,
        *,
        loss: LinearLoss = "squared",
        pooled: bool = True,
        overlapping: bool = False,
        ranked: bool = True,
    ) -> None:
        """Set tasks and protocol.

        pooled: whether squared loss is scored over the rows of all tasks together.
        Others: as of `make_linear_protocol`.
        """
        self.tasks = make_linear_tasks(self.names, loss, POOLED if pooled else "")
        self.protocol = make_linear_protocol(
            name, version, rows, split_rule, self.tasks, loss=loss, overlapping=overlapping, ranked=ranked
        )

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return make_linear_stages(self.input_shape[0], width)

    def held(self, names: Sequence[str]) -> Sequence[str]:
        return select_weights(names)
