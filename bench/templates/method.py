"""`my_method`: who owns which parameters. A trunk that all tasks own, and beside it a tower for each task."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from bench.api import Blueprint, Interval, Modules, ParameterGroup, Sharing, TrainState, register, run_stages


@register("my_method", paper="")  # the paper's authors, title and year, where there is one
class MyMethod(Sharing):
    """z_t = (1 - own) f(x_t) + own f_t(x_t), with f the trunk and f_t the tower of task t.

    Trunk and towers start from the same weights, so that the start is `hard` whatever `own` is.

    own: share of a task's own tower in its features, in [0, 1]; 0 is `hard`, 1 is `single_task`.
    """

    # What the method equals exactly at the ends of its options; `mtlbench check` trains both and compares.
    limits: ClassVar = {"own=0": "hard", "own=1": "single_task"}
    # The control without a path between tasks: what is better than it is better by sharing.
    twin = "single_task"

    # Options are keyword-only. Annotation and default are their schema on the command line: my_method:own=0.2
    def __init__(self, blueprint: Blueprint, *, own: Annotated[float, Interval(ge=0, le=1)] = 0.5) -> None:
        super().__init__()
        self.tasks, self.own = blueprint.tasks, own
        self.trunk = blueprint.backbone()  # the suite's stages, in order; no method knows what is in them
        self.towers = Modules(blueprint.towers())  # as many, one for each task
        self.output_shape = self.trunk[-1].output_shape  # of one row of features: heads are built for it

    # Change this first: features (n, *output_shape) of every task in `inputs`, task -> rows (n, *input_shape).
    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        features = {}
        for task, x in inputs.items():
            tower = self.towers[self.tasks.index(task)]
            features[task] = torch.lerp(run_stages(self.trunk, x), run_stages(tower, x), self.own)
        return features

    # Every parameter belongs to one group. Trunks follow the protocol's rule for what several tasks own.
    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        return [
            ParameterGroup(list(self.trunk.parameters()), role="trunk"),
            ParameterGroup(list(self.towers.parameters()), role="tower"),
        ]
