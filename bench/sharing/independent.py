"""One tower per task and nothing in common: `single_task` alone, `soft` where a constraint holds the towers.

The baseline of most boards, its control for capacity, and the sharing that constraints are compared on.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.api import Blueprint, Interval, Modules, Phase, Sharing, TrainState, align_copies, register, run_stages


class Towers(Sharing):
    """f_t(x_t), each task through its own backbone.

    `init` is `tied` or `independent` (`Blueprint.towers`), `width` the factor on the channels.
    """

    def __init__(self, blueprint: Blueprint, init: str, width: float = 1.0) -> None:
        super().__init__()
        self.tasks = blueprint.tasks
        self.towers = Modules(blueprint.towers(init, width))
        self.output_shape = self.towers[0][-1].output_shape

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features of its own tower, for the tasks in `inputs`."""
        return {
            task: run_stages(tower, inputs[task])
            for task, tower in zip(self.tasks, self.towers, strict=True)
            if task in inputs
        }

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter of the backbone."""
        return align_copies(self.towers)


@register(
    "single_task",
    title="Single-task learning",
    family="separate models",
    paper="Caruana, Multitask Learning, Machine Learning 28, 1997 (its STL baseline)",
)
class SingleTask(Towers):
    """Every task trains a model of its own: y_t = h_t(f_t(x_t)).

    The baseline that every change is measured against, run by the same code with the same budget. Its
    towers keep their own best epochs.

    init: `tied` starts all towers from the same weights, `independent` each from its own.
    warm: share of the budget after which optimiser and schedule start anew, in [0, 1); the control row
        for methods with a warm start.
    """

    separate = True  # each task is clipped and selected as a model alone

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        init: Literal["tied", "independent"] = "tied",
        warm: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
    ) -> None:
        super().__init__(blueprint, init)
        self.warm = warm

    def phases(self) -> tuple[Phase, ...]:
        """With `warm` two phases, of which the second differs by nothing but a fresh optimiser and schedule."""
        if self.warm == 0:
            return (Phase("train", 1.0),)
        return (Phase("towers", self.warm), Phase("train", 1.0 - self.warm))


def size_of(blueprint: Blueprint, width: float) -> int:
    """Parameters of a backbone of this width."""
    with torch.device("meta"):  # shapes without memory for numbers
        return sum(p.numel() for p in blueprint.backbone(width).parameters())


def fit_width(blueprint: Blueprint, low: float, high: float, budget: float, steps: int = 12) -> float:
    """The largest width in [low, high) of which a backbone has at most `budget` parameters.

    By `steps` of bisection: the interval of widths halves with each, and 12 leave 1/4096 of it.
    """
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if size_of(blueprint, middle) <= budget else (low, middle)
    return low


@register("single_task_narrow", title="Single-task learning, narrow")
class SingleTaskNarrow(Towers):
    """`single_task` with backbones so narrow that all of them have the parameters of one: the control for capacity.

    The width is the largest for which T backbones together have at most the parameters of a plain one, which
    is the trunk of `hard`; found by bisection. Heads see the fewer features.

    init: `tied` starts all towers from the same weights, `independent` each from its own.
    """

    separate = True

    def __init__(self, blueprint: Blueprint, *, init: Literal["tied", "independent"] = "tied") -> None:
        super().__init__(blueprint, init, self.match_width(blueprint))

    @staticmethod
    def match_width(blueprint: Blueprint) -> float:
        """The width in (0, 1] with which T backbones come closest, from below, to a plain one; 1 for one task."""
        tasks = len(blueprint.tasks)
        return fit_width(blueprint, 0.0, 1.0, size_of(blueprint, 1.0) / tasks) if tasks > 1 else 1.0


@register("single_task_wide", title="Single-task learning, wide")
class SingleTaskWide(Towers):
    """`single_task` with backbones so wide that each has the parameters of T: `hard_wide`'s lever on separate models.

    The width is the largest for which one backbone has at most the parameters of T plain ones; found by bisection.
    What `hard_wide` gains over `hard` is a gain of capacity where this one gains as much over `single_task`.

    init: `tied` starts all towers from the same weights, `independent` each from its own.
    """

    separate = True

    def __init__(self, blueprint: Blueprint, *, init: Literal["tied", "independent"] = "tied") -> None:
        super().__init__(blueprint, init, self.match_width(blueprint))

    @staticmethod
    def match_width(blueprint: Blueprint) -> float:
        """The width in [1, T] with which a backbone comes closest, from below, to T plain ones."""
        tasks = len(blueprint.tasks)
        return fit_width(blueprint, 1.0, float(tasks), tasks * size_of(blueprint, 1.0))


@register(
    "soft",
    title="Soft sharing",
    family="penalised copies",
    paper="Duong, Cohn, Bird, Cook, Low Resource Dependency Parsing, ACL 2015 (with l2)",
)
class Soft(Towers):
    """One tower per task, held together by the constraint after the `+`, as in `soft+l2`.

    A constraint of strength 0 that is applied to the copies themselves leaves `single_task`; what an
    infinite one is depends on the constraint. Its twin is `single_task`, which is `soft` without a constraint.

    init: `tied` starts all towers from the same weights, `independent` each from its own.
    """

    needs_constraint = True
    twin = "single_task:init=same"

    def __init__(self, blueprint: Blueprint, *, init: Literal["tied", "independent"] = "tied") -> None:
        super().__init__(blueprint, init)
