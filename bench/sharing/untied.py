"""Hard sharing first, then towers that go on from the common trunk: joint training as a start for separate models."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from torch import Tensor
from torch.nn import Parameter

from bench.api import (
    Blueprint,
    Interval,
    Modules,
    ParameterGroup,
    Phase,
    Sharing,
    TrainState,
    align_copies,
    group_by_input,
    register,
    run_stages,
)


@register("untied", paper="after Caruana, Multitask Learning, Machine Learning 28, 1997, section 4")
class Untied(Sharing):
    """y_t = h_t(f(x_t)) for the share `together` of the budget, then y_t = h_t(f_t(x_t)) with f_t starting from f.

    Separate models that start where hard sharing has come to. What they keep of a gain of `hard` is a better start:
    once the trunk is copied, no task hears of another. Optimiser and schedule start anew with the copies, which keep
    the trunk's share of rate and weight decay (`trunk_lr`, `trunk_lr_rule`, `trunk_weight_decay`).

    together: share of the budget before the trunk is copied, in [0, 1); with 0 it is `single_task`, up to selection:
        its tasks keep one epoch together.
    """

    limits: ClassVar = {"together=0": "single_task"}
    twin = "single_task"

    def __init__(self, blueprint: Blueprint, *, together: Annotated[float, Interval(ge=0, lt=1)] = 0.5) -> None:
        super().__init__()
        self.tasks, self.together = blueprint.tasks, together
        self.towers = Modules(blueprint.towers("tied"))
        self.output_shape = self.towers[0][-1].output_shape

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features, of the first tower for all tasks in phase `together`, else of its own tower."""
        if state.phase == "together":
            shared = [(tasks, run_stages(self.towers[0], x)) for x, tasks in group_by_input(inputs)]
            return {task: features for tasks, features in shared for task in tasks}
        towers = zip(self.tasks, self.towers, strict=True)
        return {task: run_stages(tower, inputs[task]) for task, tower in towers if task in inputs}

    def begin(self, phase: str) -> None:
        """Copy the common trunk, its buffers too, into the towers of the other tasks."""
        if phase == "apart":
            for tower in self.towers[1:]:
                tower.load_state_dict(self.towers[0].state_dict())

    def phases(self) -> tuple[Phase, ...]:
        """`together`, then `apart`; one phase where nothing is learnt together."""
        if self.together == 0:
            return (Phase("train", 1.0),)
        return (Phase("together", self.together), Phase("apart", 1 - self.together))

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter of the towers."""
        return align_copies(self.towers)

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Towers as a trunk, since the first one is all tasks' at the beginning; where nothing is common, as towers."""
        role: Literal["trunk", "tower"] = "trunk" if self.together else "tower"
        return [ParameterGroup(list(self.towers.parameters()), role=role)]
