"""One network first, then a copy of it for each task: joint training, or one task, as a start for separate models."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn
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

FirstShare = Annotated[float, Interval(ge=0, lt=1)]


class CopiedNetwork(Sharing):
    """One tower learns for the share `first` of the budget, then every task goes on from its weights by itself.

    The optimiser and the schedule start anew with the copies. Where `first` is 0 it is `single_task`, up to selection:
    its tasks keep one epoch together.

    names: of the two phases.
    copied: which tower is copied.
    """

    names: ClassVar[tuple[str, str]]
    twin = "single_task"

    def __init__(self, blueprint: Blueprint, first: float, copied: int = 0) -> None:
        super().__init__()
        self.tasks, self.first, self.copied = blueprint.tasks, first, copied
        self.towers = Modules(blueprint.towers("tied"))
        self.output_shape = self.towers[0][-1].output_shape

    def begin(self, phase: str) -> None:
        """Copy the tower, its buffers too, into those of the other tasks."""
        if phase == self.names[1]:
            for t, tower in enumerate(self.towers):
                if t != self.copied:
                    tower.load_state_dict(self.towers[self.copied].state_dict())

    def phases(self) -> tuple[Phase, ...]:
        """Before and after the copies; one phase where nothing comes before."""
        if self.first == 0:
            return (Phase("train", 1.0),)
        return (Phase(self.names[0], self.first), Phase(self.names[1], 1 - self.first))

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter of the towers."""
        return align_copies(self.towers)


@register(
    "untied",
    title="Hard sharing, then separate",
    paper="after Caruana, Multitask Learning, Machine Learning 28, 1997, section 4",
)
class Untied(CopiedNetwork):
    """y_t = h_t(f(x_t)) for the share `together` of the budget, then y_t = h_t(f_t(x_t)) with f_t starting from f.

    Separate models that start where hard sharing has come to. What they keep of a gain of `hard` is a better start:
    once the trunk is copied, no task hears of another. Optimiser and schedule start anew with the copies, which keep
    the trunk's share of rate and weight decay (`trunk_lr`, `trunk_lr_rule`, `trunk_weight_decay`).

    together: share of the budget before the trunk is copied, in [0, 1); with 0 it is `single_task`, up to selection:
        its tasks keep one epoch together.
    """

    limits: ClassVar = {"together=0": "single_task"}
    names = ("together", "apart")

    def __init__(self, blueprint: Blueprint, *, together: FirstShare = 0.5) -> None:
        super().__init__(blueprint, together)

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features, of the first tower for all tasks in phase `together`, else of its own tower."""
        if state.phase == "together":
            shared = [(tasks, run_stages(self.towers[0], x)) for x, tasks in group_by_input(inputs)]
            return {task: features for tasks, features in shared for task in tasks}
        towers = zip(self.tasks, self.towers, strict=True)
        return {task: run_stages(tower, inputs[task]) for task, tower in towers if task in inputs}

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Towers as a trunk, since the first one is all tasks' at the beginning; where nothing is common, as towers."""
        role: Literal["trunk", "tower"] = "trunk" if self.first else "tower"
        return [ParameterGroup(list(self.towers.parameters()), role=role)]


@register(
    "fine_tuning",
    title="Fine-tuning",
    family="one after the other",
    paper="Yosinski et al., How transferable are features in deep neural networks?, NeurIPS 2014",
)
class FineTuning(CopiedNetwork):
    """y_t = h_t(f_s(x_t)) while f_s learns from the source s alone; then y_t = h_t(f_t(x_t)), f_t starting from f_s.

    The budget is that of joint training: a share `pretraining` of all updates goes to the source, the rest to every
    task by itself, the source too. Until its own turn a task trains its head only, on features that it does not change.
    The optimiser and the schedule start anew with the second part.

    source: the task that is learnt first; the first one where none is named.
    pretraining: share of the budget before the copies, in [0, 1); with 0 it is `single_task`, up to selection: its
        tasks keep one epoch together.
    frozen: share of the stages, from the first and rounded to whole ones, that other tasks than the source leave as
        they were pre-trained; with 1 each is a linear model, or another head, on features of the source. No constraint
        holds these stages.
    """

    limits: ClassVar = {"pretraining=0": "single_task"}
    names = ("source", "target")

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        source: str | None = None,
        pretraining: FirstShare = 0.5,
        frozen: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    ) -> None:
        if source is not None and source not in blueprint.tasks:
            known = ", ".join(f"`{task}`" for task in blueprint.tasks)
            raise ValueError(f"`source` should be a task: {known}. Found `{source}`.")
        if frozen and not pretraining:
            raise ValueError("`frozen` should be 0 where nothing is pre-trained. Found `pretraining = 0`.")
        super().__init__(blueprint, pretraining, blueprint.tasks.index(source) if source else 0)
        stages = len(self.towers[0])
        self.kept = int(frozen * stages + 0.5)
        if frozen and not self.kept:
            raise ValueError(
                f"`frozen` should be 0, or {0.5 / stages:g} or more: half a stage. Found `frozen = {frozen:g}`."
            )

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features: of the source's tower while it is pre-trained, then of the task's own."""
        if state.phase != "source":
            return {task: self._run_own(t, inputs[task]) for t, task in enumerate(self.tasks) if task in inputs}
        tower, source = self.towers[self.copied], self.tasks[self.copied]
        features = {source: run_stages(tower, inputs[source])} if source in inputs else {}
        for x, tasks in group_by_input({task: x for task, x in inputs.items() if task != source}):
            features |= dict.fromkeys(tasks, _read_features(tower, x))
        return {task: features[task] for task in inputs}

    def begin(self, phase: str) -> None:
        """Copy the source's tower, and freeze the stages that the others leave as they are."""
        super().begin(phase)
        if phase == "target":
            for t, tower in enumerate(self.towers):
                if t != self.copied:
                    tower[: self.kept].requires_grad_(False)

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter of the towers, but of stages that others leave as they were pre-trained.

        A constraint would move these through what copies have in common.
        """
        return {name: each for name, each in super().coupled().items() if int(name.partition(".")[0]) >= self.kept}

    def _run_own(self, t: int, x: Tensor) -> Tensor:
        """Features of task t's own tower; frozen stages are as they are at prediction."""
        if t != self.copied and self.kept:
            x = _read_features(self.towers[t][: self.kept], x)
        return run_stages(self.towers[t][0 if t == self.copied else self.kept :], x)


@torch.no_grad()
def _read_features(stages: nn.ModuleList, x: Tensor) -> Tensor:
    """`x` through stages as at prediction: nothing learns, and no running statistic moves."""
    learning = stages.training
    stages.eval()
    features = run_stages(stages, x)
    stages.train(learning)
    return features
