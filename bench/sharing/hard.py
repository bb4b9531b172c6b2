"""Hard sharing: one trunk for all tasks up to a split, towers of their own above it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.api import Blueprint, Ge, ParameterGroup, Sharing, TrainState, aligned, by_input, register, run_stages


class Trunk(Sharing):
    """z = f_{<split}(x) once per distinct input, then f_{t, >=split}(z) for each task."""

    def __init__(self, blueprint: Blueprint, width: float, split: int | None) -> None:
        super().__init__()
        self.tasks = blueprint.tasks
        stages = blueprint.backbone(width)
        split = len(stages) if split is None else split
        if split > len(stages):
            raise ValueError(
                f"`split` should lie in [0, {len(stages)}], the stages of this backbone. Found `split = {split}`."
            )
        self.separate = split == 0
        self.output_shape = stages[-1].output_shape
        self.trunk = stages[:split]
        self.towers = nn.ModuleList(blueprint.backbone(width)[split:] for _ in self.tasks)

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        towers = dict(zip(self.tasks, self.towers, strict=True))
        features = {}
        for x, tasks in by_input(inputs):
            z = run_stages(self.trunk, x)
            features.update({task: run_stages(towers[task], z) for task in tasks})
        return {task: features[task] for task in inputs}

    def coupled(self) -> dict[str, list[Parameter]]:
        return aligned(self.towers)

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        return [
            ParameterGroup(list(self.trunk.parameters()), role="trunk"),
            ParameterGroup(list(self.towers.parameters())),
        ]


@register("hard", paper="Caruana, Multitask Learning, Machine Learning 28, 1997, section 1.3")
class Hard(Trunk):
    """One trunk owned by all tasks: y_t = h_t(f_{t, >=split}(f_{<split}(x))).

    split: number of stages in the trunk, from 0 (`single_task` exactly) to all of them (the default,
        written `none`; only the heads are the tasks' own).
    """

    limits: ClassVar = {"split=0": "single_task"}

    def __init__(self, blueprint: Blueprint, *, split: Annotated[int | None, Ge(0)] = None) -> None:
        super().__init__(blueprint, 1.0, split)


@register("hard_wide")
class HardWide(Trunk):
    """`hard` with a trunk as large as T of them: the control for capacity.

    The width is the largest for which the trunk has at most T times the parameters of the plain one,
    found by bisection; heads see the wider features.

    split: number of stages in the trunk; all by default.
    """

    def __init__(self, blueprint: Blueprint, *, split: Annotated[int | None, Ge(1)] = None) -> None:
        super().__init__(blueprint, self.matched_width(blueprint), split)

    @staticmethod
    def matched_width(blueprint: Blueprint, steps: int = 12) -> float:
        """The width in [1, T] whose backbone comes closest, from below, to T plain ones."""

        def size(width: float) -> int:
            with torch.device("meta"):  # shapes without numbers
                return sum(p.numel() for p in blueprint.backbone(width).parameters())

        budget = len(blueprint.tasks) * size(1.0)
        low, high = 1.0, float(len(blueprint.tasks))
        if size(high) <= budget:
            return high
        for _ in range(steps):
            middle = (low + high) / 2
            low, high = (middle, high) if size(middle) <= budget else (low, middle)
        return low
