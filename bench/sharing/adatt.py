"""Adaptive task-to-task fusion: every task reads all tasks' experts, and its own once more.

Unlike `cgc` and `ple` there are no shared experts: what tasks have in common is found by reading each other.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.api import (
    Added,
    Blueprint,
    Ge,
    Modules,
    ParameterGroup,
    Sharing,
    Suite,
    TrainState,
    align_copies,
    group_by_input,
    refuse_many_inputs,
    register,
    run_stages,
    split_stages,
)
from bench.toolbox.layers import Gate, weighted_sum
from bench.toolbox.muting import list_reads


@register(
    "adatt",
    title="AdaTT",
    family="experts and gates",
    paper="Li, Zhang, Zhao, Han et al., AdaTT: Adaptive Task-to-Task Fusion Network for Multitask Learning in "
    "Recommendations, KDD 2023 (AdaTT-sp)",
)
class AdaTT(Sharing):
    """Level by level, every task weighs the experts of all tasks, and adds its own once more.

    x_t <- sum_e softmax(G_t x_t)_e E_e + sum_{e in own(t)} v_te E_e, e over all tasks' experts. Expert e of task s
    reads the stream of task s. The second term is the residual of the task's own experts: learned v for several of
    them, 1 where a task has one, as in the authors' code. Gates start at zero, all experts alike.

    experts: experts of each task at each level.
    levels: into how many stretches the stages are cut, as even as possible, later ones longer.
    init: experts of the tasks start `tied` (the same for every task) or `independent`.
    muted: 1 cuts the path between tasks, a control: a gate weighs its task's own experts in the place of the others.
    """

    twin = "muted=1"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        experts: Annotated[int, Ge(1)] = 1,
        levels: Annotated[int, Ge(1)] = 2,
        init: Literal["tied", "independent"] = "tied",
        muted: Annotated[Literal[0, 1], Added()] = 0,
    ) -> None:
        super().__init__()
        self.tasks = blueprint.tasks
        apart = 0 if init == "tied" else experts  # streams of weights between two tasks
        self.experts = Modules(
            Modules(blueprint.backbone(copy=e + apart * t) for e in range(experts)) for t, _ in enumerate(self.tasks)
        )
        owners = [t for t, _ in enumerate(self.tasks) for _ in range(experts)]
        self.reads = list_reads(owners, len(self.tasks), muted)
        stages = self.experts[0][0]
        self.levels = split_stages(len(stages), levels)
        self.output_shape = stages[-1].output_shape
        shapes = [blueprint.suite.input_shape, *(stages[level.stop - 1].output_shape for level in self.levels[:-1])]
        count = experts * len(self.tasks)
        self.gates = Modules(Modules(Gate(shape, count) for _ in self.tasks) for shape in shapes)
        # v of the residual, (levels, T, experts), drawn as the weights of a linear layer with `experts` inputs.
        own = torch.ones(len(self.levels), len(self.tasks), experts)
        if experts == 1:
            self.register_buffer("own", own)
        else:
            bound = experts**-0.5
            self.own = Parameter(own.uniform_(-bound, bound, generator=blueprint.generator("own")))

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> x_t after the last level. All streams run for every distinct input, since each reads the others."""
        features = {}
        for x, tasks in group_by_input(inputs):
            # Gates count their usage on inputs of their own task only.
            streams, counted = [x] * len(self.tasks), [task in tasks for task in self.tasks]
            for level, gates, own in zip(self.levels, self.gates, self.own, strict=True):
                outputs = [
                    [run_stages(expert[level.start : level.stop], stream) for expert in experts]
                    for experts, stream in zip(self.experts, streams, strict=True)
                ]
                everyone = [feature for mine in outputs for feature in mine]
                streams = [
                    weighted_sum(gate(stream, counts), [everyone[e] for e in places]) + weighted_sum(v, mine)
                    for gate, stream, v, mine, counts, places in zip(
                        gates, streams, own, outputs, counted, self.reads, strict=True
                    )
                ]
            features.update({task: streams[self.tasks.index(task)] for task in tasks})
        return {task: features[task] for task in inputs}

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of expert 0, then of the others, over tasks; gates and v are not constrained."""
        return align_copies(self.experts)

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Experts as towers, each with an owner; gates and v without weight decay."""
        own = [self.own] if isinstance(self.own, Parameter) else []
        return [
            ParameterGroup(list(self.experts.parameters())),
            ParameterGroup([*self.gates.parameters(), *own], role="coupling"),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """`gate.LEVEL` (T, experts of all tasks): the mean weight that each task's gate gives to each expert."""
        return {
            f"gate.{level}": torch.stack([gate.usage.detach() for gate in gates])
            for level, gates in enumerate(self.gates)
        }

    def supports(self, suite: Suite) -> str | None:
        """Refuses many tasks with inputs of their own: all experts run for every input."""
        return refuse_many_inputs(suite)
