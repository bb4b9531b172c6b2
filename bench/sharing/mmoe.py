"""Mixtures of experts over whole backbones: every task weighs all of them by a gate of its own.

All experts are shared; `cgc` and `ple` add experts of the tasks' own.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from torch import Tensor

from bench.api import (
    Added,
    Blueprint,
    Ge,
    Modules,
    ParameterGroup,
    Sharing,
    TrainState,
    group_by_input,
    register,
    run_stages,
)
from bench.toolbox.layers import Gate, weighted_sum
from bench.toolbox.muting import deal_out, list_reads


@register(
    "mmoe",
    title="Multi-gate mixture of experts (MMoE)",
    family="experts and gates",
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
    muted: 1 cuts the path between tasks, a control: experts are dealt out among the tasks, and a gate weighs its task's
        own ones in the place of the others. It needs an expert for each task, and `gates=task`.
    """

    # Muted, with an expert for each task, the weights of a gate are all on one expert, and sum to 1.
    limits: ClassVar = {"experts=1": "hard", "muted=1": "single_task:init=independent"}
    twin = "muted=1"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        experts: Annotated[int | None, Ge(1)] = None,
        gates: Literal["task", "one"] = "task",
        muted: Annotated[Literal[0, 1], Added()] = 0,
    ) -> None:
        super().__init__()
        if muted and gates == "one":
            raise ValueError("`muted` should be 0 with `gates = one`, a gate that all tasks share; use `gates = task`.")
        self.tasks = blueprint.tasks
        count = len(self.tasks) if experts is None else experts
        # Expert 0 starts as the trunk of `hard`; the others from streams of their own, or all would stay alike.
        self.experts = Modules(blueprint.backbone(copy=e) for e in range(count))
        self.reads = list_reads(deal_out(count, len(self.tasks)), len(self.tasks), muted)
        self.output_shape = self.experts[0][-1].output_shape
        shape = blueprint.suite.input_shape
        self.gates = Modules(Gate(shape, count) for _ in (self.tasks if gates == "task" else self.tasks[:1]))

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> sum_e g_t(x)_e f_e(x). Experts run once per distinct input, for all of its tasks."""
        features = {}
        for x, tasks in group_by_input(inputs):
            experts = [run_stages(expert, x) for expert in self.experts]
            for task in tasks:
                t = self.tasks.index(task)
                gate = self.gates[t % len(self.gates)]  # with `gates=one` the only gate serves all tasks
                features[task] = weighted_sum(gate(x), [experts[e] for e in self.reads[t]])
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
