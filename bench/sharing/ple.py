"""Experts of the tasks' own and shared ones, mixed by gates: in one level (`cgc`), or in several (`ple`).

With the right numbers of experts they are `single_task`, `hard` and `mmoe`, which the tests hold them to.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

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
from bench.toolbox.muting import deal_out, list_reads


class Extraction(Sharing):
    """Levels of experts: each a stretch of the backbone's stages, task experts on task streams, shared ones on theirs.

    With x_t the stream of task t, x_s the shared stream, all equal to the input at the first level:

        x_t <- sum_{e in own(t) + shared} softmax(G_t x_t)_e E_e
        x_s <- sum_{e in all}             softmax(G_s x_s)_e E_e     (not at the last level)

    Args:
        blueprint: makes the backbones that experts are cut from.
        shared: shared experts of a level.
        own: experts of each task's own at a level.
        levels: stretches that the stages are cut into.
        init: own experts start `tied` over tasks, or `independent`.
        muted: 1 deals out the shared experts among the tasks, the shared stream to the first one; gates and experts
            read what belongs to their task in the place of everything else.
    """

    twin = "muted=1"

    def __init__(self, blueprint: Blueprint, shared: int, own: int, levels: int, init: str, muted: int) -> None:
        super().__init__()
        if shared + own == 0:
            raise ValueError("`shared` and `own` should not both be 0: a task needs an expert.")
        self.tasks = blueprint.tasks
        apart = 0 if init == "tied" else 1
        # Copies count own experts first, then shared ones: no two experts of a task start alike.
        self.own = Modules(
            Modules(blueprint.backbone(copy=e + apart * t * own) for e in range(own)) for t, _ in enumerate(self.tasks)
        )
        first = own * (1 if init == "tied" else len(self.tasks))
        self.shared = Modules(blueprint.backbone(copy=first + e) for e in range(shared))
        stages = (self.shared[0] if shared else self.own[0][0])[:]
        self.levels = split_stages(len(stages), levels)
        self.output_shape = stages[-1].output_shape
        shapes = [blueprint.suite.input_shape, *(stages[level.stop - 1].output_shape for level in self.levels)]
        self._deal(shared, own, muted)
        self.gates = Modules(Modules(Gate(shape, own + shared) for _ in self.tasks) for shape in shapes[:-1])
        everyone = own * len(self.tasks) + shared
        # The last level has no shared gate: nothing reads the shared stream after it.
        self.shared_gates = Modules(Gate(shape, everyone) for shape in shapes[: -2 if shared else 0])
        self.separate = shared == 0 and own == 1  # nothing is read by two tasks

    def _deal(self, shared: int, own: int, muted: int) -> None:
        """Set what gates and shared experts read; experts count by task, then the shared ones.

        `reads` has the places of every task's gate, `common` those of the shared gate; `followed` says for each shared
        expert whose stream it reads, None for the shared one.
        """
        count = len(self.tasks)
        dealt = deal_out(shared, count)
        places = list_reads([t for t in range(count) for _ in range(own)] + dealt, count, muted)
        self.reads = [
            [read[e] for e in (*range(t * own, (t + 1) * own), *range(count * own, len(read)))]
            for t, read in enumerate(places)
        ]
        self.common = places[0]
        self.followed = [owner if muted and owner else None for owner in dealt]

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> its stream after the last level. All streams run for every distinct input."""
        features = {}
        for x, tasks in group_by_input(inputs):
            streams = self._streams(x, tasks)
            features.update({task: streams[self.tasks.index(task)] for task in tasks})
        return {task: features[task] for task in inputs}

    def _streams(self, x: Tensor, tasks: Sequence[str]) -> list[Tensor]:
        """The streams of all tasks after the last level, for an input of `tasks`."""
        # Gates count their usage on inputs of their own task only.
        counted = [task in tasks for task in self.tasks]
        streams, common = [x] * len(self.tasks), x
        for number, level in enumerate(self.levels):
            everyone = [
                run_stages(expert[level.start : level.stop], stream)
                for experts, stream in zip(self.own, streams, strict=True)
                for expert in experts
            ]
            everyone += [
                run_stages(expert[level.start : level.stop], common if owner is None else streams[owner])
                for expert, owner in zip(self.shared, self.followed, strict=True)
            ]
            streams = [
                weighted_sum(gate(stream, counts), [everyone[e] for e in places])
                for gate, stream, counts, places in zip(self.gates[number], streams, counted, self.reads, strict=True)
            ]
            if number < len(self.shared_gates):
                common = weighted_sum(self.shared_gates[number](common), [everyone[e] for e in self.common])
        return streams

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of the own experts over tasks; none without own experts."""
        return align_copies(self.own) if len(self.own[0]) else {}

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Shared experts as a trunk, own ones as towers; gates without weight decay."""
        return [
            ParameterGroup(list(self.shared.parameters()), role="trunk"),
            ParameterGroup(list(self.own.parameters())),
            ParameterGroup([*self.gates.parameters(), *self.shared_gates.parameters()], role="coupling"),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """`gate.LEVEL.T` and `gate.LEVEL.shared`: the mean weights of a gate over training, own experts first."""
        of_tasks = {
            f"gate.{level}.{t}": gate.usage.detach()
            for level, gates in enumerate(self.gates)
            for t, gate in enumerate(gates)
        }
        return of_tasks | {f"gate.{level}.shared": gate.usage.detach() for level, gate in enumerate(self.shared_gates)}

    def supports(self, suite: Suite) -> str | None:
        """Refuses many tasks with inputs of their own: all experts run for every input."""
        return refuse_many_inputs(suite)


@register(
    "cgc",
    title="Customized gate control (CGC)",
    family="experts and gates",
    paper="Tang, Liu, Zhao, Gong, Progressive Layered Extraction (PLE), RecSys 2020 (CGC)",
)
class CGC(Extraction):
    """Whole backbones as experts, some of the task's own and some shared, weighed by a gate of the task's own.

    f_t(x) = sum_e g_t(x)_e f_e(x), e over own and shared experts, g_t(x) = softmax(W_t x).

    Gates start at zero, all experts alike. `shared=0,own=1` is `single_task` exactly, `shared=1,own=0` is `hard`;
    without own experts it is `mmoe`.

    shared: number of shared experts.
    own: number of experts of each task's own.
    init: own experts of the tasks start `tied` (the same for every task) or `independent`.
    muted: 1 cuts the path between tasks, a control: shared experts are dealt out among the tasks, and what reads those
        of another task reads its own ones instead. It needs an expert for each task.
    """

    limits: ClassVar = {
        "own=1,shared=0": "single_task",
        "own=0,shared=1": "hard",
        "own=0,shared=2": "mmoe:experts=2",
    }

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        shared: Annotated[int, Ge(0)] = 1,
        own: Annotated[int, Ge(0)] = 1,
        init: Literal["tied", "independent"] = "tied",
        muted: Annotated[Literal[0, 1], Added()] = 0,
    ) -> None:
        super().__init__(blueprint, shared, own, 1, init, muted)


@register(
    "ple",
    title="Progressive layered extraction (PLE)",
    family="experts and gates",
    paper="Tang, Liu, Zhao, Gong, Progressive Layered Extraction (PLE), RecSys 2020",
)
class PLE(Extraction):
    """`cgc` in levels: each mixes experts that are a stretch of the backbone's stages and feeds the next.

    Task experts and task gates read the task's stream of the level before; shared experts and the shared gate, which
    weighs the experts of all tasks, read the shared stream. Widely used code runs the shared experts on every task's
    stream and has no shared gate: that is another model. With one level it is `cgc`.

    shared: number of shared experts of a level.
    own: number of experts of each task's own at a level.
    levels: into how many stretches the stages are cut, as even as possible, later ones longer.
    init: own experts of the tasks start `tied` (the same for every task) or `independent`.
    muted: 1 cuts the path between tasks, a control: shared experts are dealt out among the tasks, and what reads those
        of another task reads its own ones instead. It needs an expert for each task.
    """

    limits: ClassVar = {
        "levels=1": "cgc",
        "own=1,shared=0": "single_task",
        "own=0,shared=1": "hard",
    }

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        shared: Annotated[int, Ge(0)] = 1,
        own: Annotated[int, Ge(0)] = 1,
        levels: Annotated[int, Ge(1)] = 2,
        init: Literal["tied", "independent"] = "tied",
        muted: Annotated[Literal[0, 1], Added()] = 0,
    ) -> None:
        super().__init__(blueprint, shared, own, levels, init, muted)
