"""Learning to branch: which towers a task's path goes through is searched for, then the tree is trained.

Search and training share one budget, as for every method with phases.
"""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.api import (
    Blueprint,
    Gt,
    Interval,
    Modules,
    ParameterGroup,
    Phase,
    Sharing,
    Suite,
    TrainState,
    group_by_input,
    refuse_many_inputs,
    register,
)
from bench.toolbox.layers import gumbel_choice, weighted_sum


@register(
    "learn_to_branch",
    title="Learning to branch",
    family="learned structure",
    paper="Guo, Lee, Ulbricht, Learning to Branch for Multi-Task Learning, ICML 2020",
)
class LearnToBranch(Sharing):
    """A tree over T copies of every stage is searched for, then trained: which tasks part where.

    Copy j of stage l picks one copy of stage l - 1 as its parent, a task one copy of the last stage.
    The choice is d = onehot(argmax_i (log softmax(alpha)_ji + Gumbel noise)), with the gradient of its softmax at
    temperature tau (straight-through). The budget has three phases: `together`, every parent weighs 1/T; `search`,
    choices are drawn for each batch, tau falls from `tau` to a twentieth of it; `tree`, the likeliest tree goes on
    training alone from the weights it has, the copies that are on no path are dropped from the parameters. With
    alpha on the diagonal it is `single_task`, with every choice 0 up to stage s `hard:split=s`.

    together: share of the budget before the search, in [0, 1).
    search: share of the budget of the search, in (0, 1); the two leave a rest for the tree.
    tau: the first temperature, > 0.
    rate: factor on the learning rate of alpha, > 0.

    It has no muted form: with the path between tasks cut, the tree is known before the search. `single_task` from
    independent starts is its twin, with the same towers.
    """

    twin = "single_task:init=independent"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        together: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
        search: Annotated[float, Interval(gt=0, lt=1)] = 0.4,
        tau: Annotated[float, Gt(0)] = 5.0,
        rate: Annotated[float, Gt(0)] = 10.0,
    ) -> None:
        super().__init__()
        if together + search >= 1:
            raise ValueError("`together` and `search` should leave a part of the budget. Found a sum of 1 or more.")
        self.tasks = blueprint.tasks
        self.together, self.search, self.tau, self.rate = together, search, tau, rate
        self.towers = Modules(blueprint.towers("independent"))
        self.output_shape = self.towers[0][-1].output_shape
        count = len(self.tasks)
        # alpha of every stage and of the heads' choice, (T, T): row = child, column = parent. All parents start alike.
        self.choices = nn.ParameterList(Parameter(torch.zeros(count, count)) for _ in self.towers[0])

    def tree(self) -> list[list[int]]:
        """[stage][child] -> its likeliest parent; the children of the last entry are the tasks."""
        return [alpha.argmax(dim=1).tolist() for alpha in self.choices]

    def find_needed(self) -> list[set[int]]:
        """[stage] -> the copies that are on a task's path in the likeliest tree, found from the tasks downwards."""
        parents, wanted = self.tree(), [set(range(len(self.tasks)))]
        for choice in reversed(parents):
            wanted.insert(0, {choice[child] for child in wanted[0]})
        return wanted[:-1]

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features: of the likeliest tree in evaluation and in phase `tree`, else of weighted copies."""
        weights = self._weights(state)
        features = {}
        for x, tasks in group_by_input(inputs):
            streams = self._run_tree(x) if weights is None else self._run_weighted(x, weights)
            features.update({task: streams[self.tasks.index(task)] for task in tasks})
        return {task: features[task] for task in inputs}

    def _weights(self, state: TrainState) -> list[Tensor] | None:
        """[stage] (T, T): what each child takes of each parent; None for the likeliest tree."""
        if state.phase == "together":
            # With 0 * alpha, alpha has a gradient of 0 in this phase, and not none.
            return [torch.full_like(alpha, 1 / len(alpha)) + 0 * alpha for alpha in self.choices]
        if state.phase == "tree" or not self.training:
            return None
        spent = (state.progress - self.together) / self.search
        # Phases begin at whole updates, so that `spent` may lie a little outside of [0, 1].
        temperature = self.tau * 0.05 ** min(max(spent, 0.0), 1.0)
        return [gumbel_choice(alpha, temperature, state.generator) for alpha in self.choices]

    def _run_weighted(self, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
        """The streams of all tasks, where every child reads all copies of the stage before by its weights."""
        streams = [x] * len(self.tasks)
        for number, choice in enumerate(weights):
            nodes = [tower[number](stream) for tower, stream in zip(self.towers, streams, strict=True)]
            streams = [weighted_sum(row, nodes) for row in choice]
        return streams

    def _run_tree(self, x: Tensor) -> list[Tensor]:
        """The streams of all tasks in the likeliest tree; each copy on a path runs once."""
        nodes = dict.fromkeys(range(len(self.tasks)), x)
        for number, (parents, wanted) in enumerate(zip(self.tree(), self.find_needed(), strict=True)):
            outputs = {copy: self.towers[copy][number](nodes[copy]) for copy in wanted}
            nodes = {child: outputs[parent] for child, parent in enumerate(parents) if parent in outputs}
        return [nodes[t] for t in range(len(self.tasks))]

    def begin(self, phase: str) -> None:
        """Freeze the choices when the search is over, and the copies that are on no path."""
        if phase == "tree":
            needed = [self.towers[copy][number] for number, wanted in enumerate(self.find_needed()) for copy in wanted]
            kept = {id(parameter) for stage in needed for parameter in stage.parameters()}
            for parameter in self.towers.parameters():
                if id(parameter) not in kept:  # the others learn on, or stay frozen as they came
                    parameter.requires_grad_(False)
            self.choices.requires_grad_(False)

    def phases(self) -> tuple[Phase, ...]:
        """`together` only where it has a share, then `search` and `tree`."""
        parts = [Phase("together", self.together)] if self.together else []
        return (*parts, Phase("search", self.search), Phase("tree", 1 - self.together - self.search))

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Copies as a trunk, since a task may take any of them; choices without weight decay, at `rate`."""
        return [
            ParameterGroup(list(self.towers.parameters()), role="trunk"),
            ParameterGroup(list(self.choices.parameters()), role="coupling", lr_factor=self.rate),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """`branch.STAGE` (T, T): the probability that a child (row) takes a copy (column) as its parent."""
        return {f"branch.{stage}": torch.softmax(alpha, dim=1).detach() for stage, alpha in enumerate(self.choices)}

    def supports(self, suite: Suite) -> str | None:
        """Refuses many tasks with inputs of their own: all copies run for every input in the search."""
        return refuse_many_inputs(suite)
