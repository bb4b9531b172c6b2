"""Mixtures of experts over whole backbones: every task weighs all of them by a gate of its own.

All experts are shared; `cgc` and `ple` add experts of the tasks' own.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from torch import Tensor

from bench.api import Blueprint, Ge, Modules, ParameterGroup, Sharing, TrainState, group_by_input, register, run_stages
from bench.toolbox.layers import Gate, weighted_sum


@register(
    "mmoe",
    paper="Ma, Zhao, Yi, Chen, Hong, Chi, Modeling Task Relationships in Multi-task Learning with Multi-gate "
    "Mixture-of-Experts, KDD 2018",
)
class MMoE(Sharing):
    """Whole backbones as experts that every task weighs by a gate of its own.

    f_t(x) = sum_e g_t(x)_e f_e(x), with g_t(x) = softmax(W_t x) over E experts.

    The gate sees the input; an image as the means of at most 8 x 8 cells per channel, where public code takes all
    its pixels, so that gates stay small beside the experts. Gates start at zero: all experts alike. Experts start
    from streams of their own. With one expert it is `hard` exactly.

    experts: E, at least 1; `none` takes as many as there are tasks: the parameters of `single_task`.
    gates: one per `task`, or `one` for all tasks (the paper's OMoE).
    """

    limits: ClassVar = {"experts=1": "hard"}

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        experts: Annotated[int | None, Ge(1)] = None,
        gates: Literal["task", "one"] = "task",
    ) -> None:
        super().__init__()
        self.tasks = blueprint.tasks
        count = len(self.tasks) if experts is None else experts
        # Expert 0 starts as the trunk of `hard`; the others from streams of their own, or all would stay alike.
        self.experts = Modules(blueprint.backbone(copy=e) for e in range(count))
        self.output_shape = self.experts[0][-1].output_shape
        shape = blueprint.suite.input_shape
        self.gates = Modules(Gate(shape, count) for _ in (self.tasks if gates == "task" else self.tasks[:1]))

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> sum_e g_t(x)_e f_e(x). Experts run once per distinct input, for all of its tasks."""
        features = {}
        for x, tasks in group_by_input(inputs):
            experts = [run_stages(expert, x) for expert in self.experts]
            for task in tasks:
                # Modulo: with `gates=one` the only gate serves all tasks.
                gate = self.gates[self.tasks.index(task) % len(self.gates)]
                features[task] = weighted_sum(gate(x), experts)
        return {task: features[task] for task in inputs}

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Experts as a trunk; gates without weight decay."""
        return [
            ParameterGroup(list(self.experts.parameters()), role="trunk"),
            ParameterGroup(list(self.gates.parameters()), role="coupling"),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """`gate.T` (E,): the mean weights of a gate over training."""
        return {f"gate.{t}": gate.usage.detach() for t, gate in enumerate(self.gates)}
