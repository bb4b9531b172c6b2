"""Transfer: a network is trained on one task first, and goes on from there on each of the others by itself."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.api import (
    Blueprint,
    Interval,
    Modules,
    Phase,
    Sharing,
    TrainState,
    align_copies,
    group_by_input,
    register,
    run_stages,
)


@register("fine_tuning", paper="Yosinski et al., How transferable are features in deep neural networks?, NeurIPS 2014")
class FineTuning(Sharing):
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
    twin = "single_task"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        source: str | None = None,
        pretraining: Annotated[float, Interval(ge=0, lt=1)] = 0.5,
        frozen: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    ) -> None:
        super().__init__()
        self.tasks, self.pretraining = blueprint.tasks, pretraining
        if source is not None and source not in self.tasks:
            known = ", ".join(f"`{task}`" for task in self.tasks)
            raise ValueError(f"`source` should be a task: {known}. Found `{source}`.")
        if frozen and not pretraining:
            raise ValueError("`frozen` should be 0 where nothing is pre-trained. Found `pretraining = 0`.")
        self.source = self.tasks.index(source) if source else 0
        self.towers = Modules(blueprint.towers("tied"))
        stages = len(self.towers[0])
        self.kept = int(frozen * stages + 0.5)
        if frozen and not self.kept:
            raise ValueError(
                f"`frozen` should be 0, or {0.5 / stages:g} or more: half a stage. Found `frozen = {frozen:g}`."
            )
        self.output_shape = self.towers[0][-1].output_shape

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features: of the source's tower while it is pre-trained, then of the task's own."""
        if state.phase != "source":
            return {task: self._run_own(t, inputs[task]) for t, task in enumerate(self.tasks) if task in inputs}
        tower, source = self.towers[self.source], self.tasks[self.source]
        features = {source: run_stages(tower, inputs[source])} if source in inputs else {}
        for x, tasks in group_by_input({task: x for task, x in inputs.items() if task != source}):
            features |= dict.fromkeys(tasks, _read_features(tower, x))
        return {task: features[task] for task in inputs}

    def begin(self, phase: str) -> None:
        """Copy the source's tower, its buffers too, and freeze the stages that the others leave as they are."""
        if phase != "target":
            return
        for t, tower in enumerate(self.towers):
            if t != self.source:
                tower.load_state_dict(self.towers[self.source].state_dict())
                tower[: self.kept].requires_grad_(False)

    def phases(self) -> tuple[Phase, ...]:
        """`source`, then `target`; one phase where nothing is pre-trained."""
        if self.pretraining == 0:
            return (Phase("train", 1.0),)
        return (Phase("source", self.pretraining), Phase("target", 1 - self.pretraining))

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter of the towers, but of stages that others leave as they were pre-trained.

        A constraint would move these through what copies have in common.
        """
        copies = align_copies(self.towers)
        return {name: each for name, each in copies.items() if int(name.partition(".")[0]) >= self.kept}

    def _run_own(self, t: int, x: Tensor) -> Tensor:
        """Features of task t's own tower; frozen stages are as they are at prediction."""
        if t != self.source and self.kept:
            x = _read_features(self.towers[t][: self.kept], x)
        return run_stages(self.towers[t][0 if t == self.source else self.kept :], x)


@torch.no_grad()
def _read_features(stages: nn.ModuleList, x: Tensor) -> Tensor:
    """`x` through stages as at prediction: nothing learns, and no running statistic moves."""
    learning = stages.training
    stages.eval()
    features = run_stages(stages, x)
    stages.train(learning)
    return features
