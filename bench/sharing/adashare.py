"""AdaShare: one trunk, and for each task a learned choice of the stages it runs through.

The choice is searched for and trained within one budget, as for every method with phases.
"""

import itertools
from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.api import (
    Blueprint,
    Ge,
    Gt,
    Interval,
    ParameterGroup,
    Phase,
    Sharing,
    Suite,
    TrainState,
    group_by_input,
    register,
)
from bench.toolbox.layers import can_carry, carry_over, gumbel_choice


@register(
    "adashare",
    title="AdaShare",
    family="learned structure",
    version=2,
    paper="Sun, Panda, Feris, Saenko, AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning, "
    "NeurIPS 2020",
)
class AdaShare(Sharing):
    """One trunk, of which every task learns which stages it runs through.

    x <- u_lt f_l(x) + (1 - u_lt) carry(x): task t runs stage l, or is carried past it. u is drawn by Gumbel-softmax
    from p_lt = softmax(logits_lt) with a straight-through gradient. Carrying has no parameters: images are
    mean-pooled to the stage's size and channels filled up with zeros; in the paper all blocks that can be skipped
    keep their shape. A stage that turns images into vectors always runs. Two terms push the choice: sparsity *
    sum_lt log p_lt(run) / (L T), and sharing * sum_l (L - l) / L sum_{t<u} |p_lt - p_lu| / L, which wants the lower
    stages in common; public code has the weights the other way round.

    The budget has three phases: `together`, every stage runs; `search`, choices are drawn for each batch, the
    temperature falls from `tau` to a twentieth; `chosen`, the likeliest choice trains on from the weights it has
    (the paper starts them anew, at a further budget). Where every stage runs it is `hard`.

    together: share of the budget before the search, in [0, 1).
    search: share of the budget of the search, in (0, 1); the two leave a rest.
    sparsity: at least 0.
    sharing: at least 0.
    tau: the first temperature, > 0.
    rate: factor on the learning rate of the logits, > 0.

    It has no muted form: a trunk for each task would add parameters. `single_task_narrow` is its twin at equal
    parameters.
    """

    twin = "single_task_narrow"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        together: Annotated[float, Interval(ge=0, lt=1)] = 0.2,
        search: Annotated[float, Interval(gt=0, lt=1)] = 0.3,
        sparsity: Annotated[float, Ge(0)] = 0.05,
        sharing: Annotated[float, Ge(0)] = 0.05,
        tau: Annotated[float, Gt(0)] = 5.0,
        rate: Annotated[float, Gt(0)] = 10.0,
    ) -> None:
        super().__init__()
        if together + search >= 1:
            raise ValueError("`together` and `search` should leave a part of the budget. Found a sum of 1 or more.")
        self.tasks = blueprint.tasks
        self.together, self.search, self.tau, self.rate = together, search, tau, rate
        self.sparsity, self.sharing = sparsity, sharing
        self.trunk = blueprint.backbone()
        shapes = [blueprint.suite.input_shape, *(stage.output_shape for stage in self.trunk)]
        self.shapes, self.output_shape = shapes[1:], shapes[-1]
        self.skippable = [can_carry(a, b) for a, b in itertools.pairwise(shapes)]
        logits = torch.zeros(sum(self.skippable), len(self.tasks), 2)
        logits[..., 0] = 1.0  # stages are likelier to run than not
        self.logits = Parameter(logits)
        self.searching = False

    def choose_stages(self) -> Tensor:
        """(L, T) of 0 and 1: the likeliest choice; stages that cannot be skipped are 1."""
        return self._fill_rows((self.logits[..., 0] >= self.logits[..., 1]).to(self.logits.dtype))

    def _fill_rows(self, choice: Tensor) -> Tensor:
        """One row for every stage, from the rows of those that can be skipped."""
        rows = iter(choice)
        return torch.stack([next(rows) if can else torch.ones_like(choice[0]) for can in self.skippable])

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        self.searching = state.phase == "search"  # `regulariser` is not told the phase
        u = self._choice(state)
        features = {}
        for x, tasks in group_by_input(inputs):
            columns = {task: u[:, self.tasks.index(task)] for task in tasks}
            drawn = u.requires_grad
            memory: dict[tuple[bool, ...], Tensor] = {}
            for task, column in columns.items():
                features[task] = self._run_drawn(x, column) if drawn else self._run_path(x, column, memory)
        return {task: features[task] for task in inputs}

    def _choice(self, state: TrainState) -> Tensor:
        """u (L, T): ones, a draw with a gradient, or the likeliest choice, by the phase."""
        if state.phase == "together":
            return torch.ones(len(self.trunk), len(self.tasks), dtype=self.logits.dtype, device=self.logits.device)
        if state.phase == "chosen" or not self.training:
            return self.choose_stages().detach()
        spent = (state.progress - self.together) / self.search
        # Phases begin at whole updates, so that `spent` may lie a little outside of [0, 1].
        temperature = self.tau * 0.05 ** min(max(spent, 0.0), 1.0)
        return self._fill_rows(gumbel_choice(self.logits, temperature, state.generator)[..., 0])

    def _run_drawn(self, x: Tensor, column: Tensor) -> Tensor:
        """The features of a task with column u_t (L,), each stage both run and skipped for the gradient of u."""
        for stage, shape, can, u in zip(self.trunk, self.shapes, self.skippable, column, strict=True):
            x = u * stage(x) + (1 - u) * carry_over(x, shape) if can else stage(x)
        return x

    def _run_path(self, x: Tensor, column: Tensor, memory: dict[tuple[bool, ...], Tensor]) -> Tensor:
        """The features of a task on a fixed path, u_t of 0 and 1.

        `memory` holds features by the path to them: a beginning that tasks have in common runs once.
        """
        path: tuple[bool, ...] = ()
        for stage, shape, runs in zip(self.trunk, self.shapes, column.bool().tolist(), strict=True):
            path += (runs,)
            if path not in memory:
                memory[path] = stage(x) if runs else carry_over(x, shape)
            x = memory[path]
        return x

    def regulariser(self) -> Tensor | float:
        """The terms of sparsity and sharing during the search, as in the class's equation; 0 in other phases."""
        if not self.searching:
            return 0.0
        log_run = torch.log_softmax(self.logits, dim=-1)[..., 0]
        run, layers = log_run.exp(), len(self.trunk)
        # Rows of the logits are the stages that can be skipped: their depth is that in the whole trunk.
        depth = torch.tensor([number for number, can in enumerate(self.skippable) if can])
        weight = ((layers - depth) / layers).to(run)
        apart = (run[:, :, None] - run[:, None, :]).abs().sum(dim=(1, 2)) / 2  # the sum has every pair twice
        return (
            self.sparsity * log_run.sum() / (layers * len(self.tasks)) + self.sharing * (weight * apart).sum() / layers
        )

    def begin(self, phase: str) -> None:
        """Freeze the choice when the search is over."""
        if phase == "chosen":
            self.logits.requires_grad_(False)

    def phases(self) -> tuple[Phase, ...]:
        """`together` only where it has a share, then `search` and `chosen`."""
        parts = [Phase("together", self.together)] if self.together else []
        return (*parts, Phase("search", self.search), Phase("chosen", 1 - self.together - self.search))

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """The trunk; the logits without weight decay, at `rate` times the learning rate."""
        return [
            ParameterGroup(list(self.trunk.parameters()), role="trunk"),
            ParameterGroup([self.logits], role="coupling", lr_factor=self.rate),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """(L, T): the probability that a task runs a stage."""
        return {"runs": self._fill_rows(torch.softmax(self.logits, dim=-1)[..., 0]).detach()}

    def supports(self, suite: Suite) -> str | None:
        """Refuses backbones in which every stage changes the kind of features: nothing could be skipped."""
        if not any(self.skippable):
            return "needs a stage that can be skipped: one that maps images to images or vectors to vectors."
        return None
