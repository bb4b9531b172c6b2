"""Multi-task attention networks: one trunk, and per task a mask on the output of each of its stages.

The trunk never sees the masks: tasks differ by what they select from common features.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from bench.api import (
    Added,
    Blueprint,
    Interval,
    Modules,
    ParameterGroup,
    Shape,
    Sharing,
    TrainState,
    group_by_input,
    register,
)
from bench.toolbox.layers import carry_over, linear_map, pointwise_layer


class Attention(nn.Module):
    """a(u, q) = sigmoid(norm(B relu(norm(A [u; q])))), with A to `hidden` channels and B to the stage's channels.

    `inputs` is the shape of [u; q] with the channels first, `outputs` the shape of the stage's output.
    """

    def __init__(self, inputs: Shape, outputs: Shape, hidden: int) -> None:
        super().__init__()
        self.shape = outputs
        self.reduce = pointwise_layer((inputs[0], *outputs[1:]), hidden, bias=False)
        self.first = nn.GroupNorm(1, hidden)
        self.expand = pointwise_layer((hidden, *outputs[1:]), outputs[0], bias=False)
        self.second = nn.GroupNorm(1, outputs[0])

    def forward(self, x: Tensor) -> Tensor:
        """A mask in (0, 1) of the shape of the stage's output."""
        hidden = torch.relu(self.first(self.reduce(x)))
        return torch.sigmoid(self.second(self.expand(hidden)))


class Pass(nn.Module):
    """f(x) = relu(norm(C x)), C a 3 x 3 convolution: what a task passes from its masked features to the next mask.

    `source` is the shape of x, `target` the shape of the next stage's output.
    """

    def __init__(self, source: Shape, target: Shape) -> None:
        super().__init__()
        self.target = (source[0], *target[1:])
        self.map = linear_map(source, source[0], 3, bias=False)
        self.norm = nn.GroupNorm(1, source[0])

    def forward(self, x: Tensor) -> Tensor:
        passed: Tensor = torch.relu(self.norm(self.map(x)))
        return passed


@register(
    "mtan",
    title="Multi-task attention network (MTAN)",
    family="trunk and task parts",
    paper="Liu, Johns, Davison, End-to-End Multi-Task Learning with Attention, CVPR 2019, equations 1 and 2",
)
class MTAN(Sharing):
    """One trunk, and for each task a mask on the output of every stage.

    Task t sees â_t^j = a_t^j * p^j, with a_t^j = sigmoid(norm(B relu(norm(A [u^j; f(â_t^{j-1})])))).
    u^j is the input of stage j and p^j its output; f is a 3 x 3 convolution, normalised, with relu, one for each task
    and stage. A, B are 1 x 1 convolutions, fully connected where features are vectors; sequences and volumes have those
    of their own dimension. The features of a task are â_t at the last stage. What is wider than p^j is mean-pooled to
    its size. Where a stage turns images into vectors, [u; f] is pooled to one number a channel. Norms are GroupNorm
    with one group, where the paper takes batches, and the mask begins near a half. A mask of ones is `hard`.

    Equation 2 and the authors' code have one f for all tasks: `passes=shared`. Their inner layer is as wide as the
    stage's output: `hidden=1`. Their u^j is taken inside a stage, after its first convolution, in the encoder of their
    SegNet; here stages are whole, and u^j is what goes into one.

    hidden: channels of the attention's inner layer, as a share of the stage's output channels, in (0, 100];
        two at least.
    passes: f is a task's `own`, or `shared` by all tasks.

    It has no muted form: a trunk for each task would add parameters. `single_task_narrow` is its twin, with the
    parameters of the trunk.
    """

    twin = "single_task_narrow"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        hidden: Annotated[float, Interval(gt=0, le=100)] = 0.5,
        passes: Annotated[Literal["own", "shared"], Added()] = "own",
    ) -> None:
        super().__init__()
        self.tasks = blueprint.tasks
        self.trunk = blueprint.backbone()
        self.shapes = [stage.output_shape for stage in self.trunk]
        self.output_shape = self.shapes[-1]
        before = [blueprint.suite.input_shape, *self.shapes[:-1]]  # shapes of u^j
        self.attention: Modules[Modules[Attention]] = Modules()
        self.passes: Modules[Modules[Pass]] = Modules()  # for each task, or one list that all use
        self.common = passes == "shared"
        steps = list(pairwise(self.shapes))
        if self.common:
            with blueprint.stream("passes"):
                self.passes.append(Modules(Pass(*step) for step in steps))
        for task in self.tasks:
            with blueprint.stream("attention", task):  # a task's masks do not depend on how many tasks there are
                masks: Modules[Attention] = Modules()
                own: Modules[Pass] = Modules()
                for number, (source, target) in enumerate(zip(before, self.shapes, strict=True)):
                    channels = source[0] if number == 0 else 2 * source[0]  # the first mask has none before it
                    inner = max(2, round(hidden * target[0]))  # normalised over channels: one alone would be constant
                    masks.append(Attention((channels, *target[1:]), target, inner))
                    if not self.common and number < len(steps):
                        own.append(Pass(*steps[number]))
            self.attention.append(masks)
            if not self.common:
                self.passes.append(own)

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> masked features of the last stage. The trunk runs once per distinct input, masks once per task."""
        features = {}
        for x, tasks in group_by_input(inputs):
            stream, ends = x, []
            for stage in self.trunk:
                before, stream = stream, stage(stream)
                ends.append((before, stream))
            for task in tasks:
                features[task] = self._attend(self.tasks.index(task), ends)
        return {task: features[task] for task in inputs}

    def _attend(self, t: int, ends: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The features of task number t from the pairs (u^j, p^j) of all stages."""
        passed: Tensor | None = None
        passes = self.passes[0 if self.common else t]
        for number, (u, p) in enumerate(ends):
            seen = u if passed is None else torch.cat([u, passed], dim=1)
            masked: Tensor = self.attention[t][number](_resize(seen, self.shapes[number])) * p
            if number < len(passes):
                passed = passes[number](masked)
        return masked

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """The trunk, with passes that are shared; masks and own passes as towers, since each has one owner."""
        trunk, own = list(self.trunk.parameters()), list(self.attention.parameters())
        (trunk if self.common else own).extend(self.passes.parameters())
        return [ParameterGroup(trunk, role="trunk"), ParameterGroup(own)]


def _resize(x: Tensor, shape: Shape) -> Tensor:
    """Features pooled to the places of `shape`, with their own channels; with other axes, their means everywhere."""
    if x.dim() == len(shape) + 1:
        return carry_over(x, (x.shape[1], *shape[1:]))
    means = x.flatten(2).mean(dim=2) if x.dim() > 2 else x
    return means[(..., *[None] * (len(shape) - 1))].expand(-1, -1, *shape[1:])
