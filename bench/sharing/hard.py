"""Hard sharing: one trunk for all tasks up to a split, towers of their own above it.

One end of the line from hard sharing to separate models; `independent` has the other.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.api import (
    Blueprint,
    Ge,
    Modules,
    ParameterGroup,
    Sharing,
    TrainState,
    align_copies,
    group_by_input,
    register,
    run_stages,
)


class Trunk(Sharing):
    """z = f_{<split}(x) once per distinct input, then f_{t, >=split}(z) for each task.

    Args:
        blueprint: makes the backbones.
        width: factor on the channels of trunk and towers.
        split: stages in the trunk; None for all of them. Raises ValueError for more than the backbone has.
    """

    def __init__(self, blueprint: Blueprint, width: float, split: int | None) -> None:
        super().__init__()
        self.tasks = blueprint.tasks
        stages = blueprint.backbone(width)  # the number of stages is known from here on only
        split = len(stages) if split is None else split
        if split > len(stages):
            raise ValueError(
                f"`split` should lie in [0, {len(stages)}], the stages of this backbone. Found `split = {split}`."
            )
        self.separate = split == 0  # without a trunk tasks are separate models
        self.output_shape = stages[-1].output_shape
        self.trunk = stages[:split]
        # The same copy for every task: towers start tied, and with the weights that one backbone would have.
        self.towers = Modules(blueprint.backbone(width)[split:] for _ in self.tasks)

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features of its tower on the trunk's output."""
        towers = dict(zip(self.tasks, self.towers, strict=True))
        features = {}
        for x, tasks in group_by_input(inputs):
            z = run_stages(self.trunk, x)
            features.update({task: run_stages(towers[task], z) for task in tasks})
        return {task: features[task] for task in inputs}

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter above the split; none where the trunk has all stages."""
        return align_copies(self.towers)

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """The trunk under the protocol's rule for trunks; towers as any model of one task."""
        return [
            ParameterGroup(list(self.trunk.parameters()), role="trunk"),
            ParameterGroup(list(self.towers.parameters())),
        ]


@register(
    "hard",
    title="Hard sharing",
    family="one shared trunk",
    paper="Caruana, Multitask Learning, Machine Learning 28, 1997, section 1.3",
)
class Hard(Trunk):
    """One trunk owned by all tasks: y_t = h_t(f_{t, >=split}(f_{<split}(x))).

    split: number of stages in the trunk, from 0 (`single_task` exactly) to all of them (the default,
        written `none`; only the heads are the tasks' own).

    It has no muted form: a trunk for each task would add parameters. `single_task_narrow` is its twin at equal
    parameters, `single_task` at equal updates.
    """

    limits: ClassVar = {"split=0": "single_task"}
    twin = "single_task_narrow"

    def __init__(self, blueprint: Blueprint, *, split: Annotated[int | None, Ge(0)] = None) -> None:
        super().__init__(blueprint, 1.0, split)


@register("hard_wide", title="Hard sharing, wide trunk")
class HardWide(Trunk):
    """`hard` with a trunk as large as T of them: the control for capacity.

    The width is the largest for which trunk and towers together have at most the parameters of T plain
    backbones, which are those of `single_task`; found by bisection. Heads see the wider features.

    split: number of stages in the trunk; all by default.

    It has no muted form, as `hard`: `single_task` is its twin, at equal parameters.
    """

    twin = "single_task"

    def __init__(self, blueprint: Blueprint, *, split: Annotated[int | None, Ge(1)] = None) -> None:
        super().__init__(blueprint, self.match_width(blueprint, split), split)

    @staticmethod
    def match_width(blueprint: Blueprint, split: int | None = None, steps: int = 12) -> float:
        """The width in [1, T] with which trunk and towers come closest, from below, to T plain backbones.

        By `steps` of bisection: the interval of widths halves with each, and 12 leave less than T / 4096 of it.
        """

        def size(width: float, copies: int) -> int:
            """Parameters of a trunk of this width with so many towers above it."""
            with torch.device("meta"):  # shapes without memory for numbers
                stages = [sum(p.numel() for p in stage.parameters()) for stage in blueprint.backbone(width)]
            return sum(stages[:split]) + copies * (sum(stages) - sum(stages[:split]))

        tasks = len(blueprint.tasks)
        budget, low, high = tasks * size(1.0, 1), 1.0, float(tasks)
        if size(high, tasks) <= budget:  # a split so low that towers have nearly everything
            return high
        for _ in range(steps):
            middle = (low + high) / 2
            low, high = (middle, high) if size(middle, tasks) <= budget else (low, middle)
        return low
