"""Neural discriminative dimensionality reduction: towers fused by a learned 1 x 1 convolution after each stage.

A cross-stitch unit with a full matrix over channels in place of one number per pair of tasks.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.api import (
    Added,
    Blueprint,
    Ge,
    Interval,
    Modules,
    ParameterGroup,
    Shape,
    Sharing,
    Suite,
    TrainState,
    align_copies,
    group_by_input,
    refuse_many_inputs,
    register,
)
from bench.toolbox.layers import pointwise_layer
from bench.toolbox.muting import list_reads


class Fusion(nn.Module):
    """norm(A_t [x_1; ...; x_T]) with A_t (C, T C), at the start own I for task t and (1 - own) / (T - 1) I else.

    Args:
        task: t, from 0.
        tasks: T.
        shape: of a row of one tower's features.
        own: the share of the task's own features at the start, in [0, 1].
        norm: `group`, GroupNorm and relu, or `none`.
    """

    def __init__(self, task: int, tasks: int, shape: Shape, own: float, norm: str) -> None:
        super().__init__()
        channels = shape[0]
        self.map = pointwise_layer((tasks * channels, *shape[1:]), channels, bias=False)
        own = own if tasks > 1 else 1.0
        gains = torch.full((tasks,), (1.0 - own) / max(tasks - 1, 1))
        gains[task] = own
        with torch.no_grad():  # blocks that are multiples of I, one per task, whatever the kind of layer
            self.map.weight.copy_((gains[:, None] * torch.eye(channels)[:, None]).reshape(self.map.weight.shape))
        self.norm = nn.GroupNorm(1, channels) if norm == "group" else nn.Identity()
        # Linear without a norm, so that own=1 leaves features as they are.
        self.act = nn.ReLU() if norm == "group" else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """The fused features (n, C, ...) of all streams, (n, T C, ...) with channels concatenated."""
        fused: Tensor = self.act(self.norm(self.map(features)))
        return fused


@register(
    "nddr",
    title="NDDR-CNN",
    family="stitched networks",
    paper="Gao, Ma, Zhao, Liu, Yuille, NDDR-CNN: Layerwise Feature Fusing in Multi-Task CNNs by Neural Discriminative "
    "Dimensionality Reduction, CVPR 2019",
)
class NDDR(Sharing):
    """One tower per task, fused after every stage by a learned 1 x 1 convolution over all towers' channels.

    x~_t = norm(A_t [x_1; ...; x_T]). A_t starts diagonal: `own` for the task's channels, (1 - own) / (T - 1) for
    the same channels of the others. The paper normalises by batch and decays the fusion like the towers; here
    statistics are those of each image (GroupNorm with one group, then relu), which do not depend on who shares a
    batch. With own=1, rate=0 and norm=none it is `single_task` exactly; with blocks that are multiples of I and
    norm=none, `cross_stitch`.

    own: what a tower keeps of its own features at the start, in [0, 1].
    norm: `group`, or `none`: the linear fusion alone.
    rate: factor on the learning rate of the fusion; by default 100 under sgd, as published, and 1 under adam.
    init: towers start `tied` (copies of one) or `independent`.
    muted: 1 cuts the path between tasks, a control: a fusion reads its task's own features in the place of the others.
    """

    limits: ClassVar = {"norm=none,own=1,rate=0": "single_task", "muted=1,norm=none,own=0.5,rate=0": "single_task"}
    twin = "muted=1"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        own: Annotated[float, Interval(ge=0, le=1)] = 0.9,
        norm: Literal["group", "none"] = "group",
        rate: Annotated[float | None, Ge(0)] = None,
        init: Literal["tied", "independent"] = "tied",
        muted: Annotated[Literal[0, 1], Added()] = 0,
    ) -> None:
        super().__init__()
        self.tasks, self.rate = blueprint.tasks, rate
        self.towers = Modules(blueprint.towers(init))
        self.output_shape = self.towers[0][-1].output_shape
        count = len(self.tasks)
        self.reads = list_reads(range(count), count, muted)
        self.fusions = Modules(
            Modules(Fusion(t, count, stage.output_shape, own, norm) for t in range(count)) for stage in self.towers[0]
        )

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> fused features of the last stage. All towers run for every distinct input."""
        features = {}
        for x, tasks in group_by_input(inputs):
            streams = [x] * len(self.tasks)
            for stages, fusions in zip(zip(*self.towers, strict=True), self.fusions, strict=True):
                ends = [stage(stream) for stage, stream in zip(stages, streams, strict=True)]
                # One tensor for all tasks that read the same, which is all of them unless muted.
                read = {places: torch.cat([ends[s] for s in places], dim=1) for places in set(self.reads)}
                streams = [fusion(read[places]) for fusion, places in zip(fusions, self.reads, strict=True)]
            features.update({task: streams[self.tasks.index(task)] for task in tasks})
        return features

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter of the towers; fusions are not constrained."""
        return align_copies(self.towers)

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Towers; fusions with weight decay, at `rate` times the learning rate."""
        rate = self.rate if self.rate is not None else {"sgd": 100.0}.get(optimiser, 1.0)
        return [
            ParameterGroup(list(self.towers.parameters())),
            ParameterGroup(list(self.fusions.parameters()), lr_factor=rate),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """Per stage, the T x T means over channels of the diagonals of the blocks of A."""
        means = {}
        for stage, fusions in enumerate(self.fusions):
            blocks = [fusion.map.weight.detach().flatten(1) for fusion in fusions]  # (C, T C)
            rows = [torch.stack([b.diagonal().mean() for b in block.chunk(len(blocks), dim=1)]) for block in blocks]
            means[f"fusion.{stage}"] = torch.stack(rows)
        return means

    def supports(self, suite: Suite) -> str | None:
        """Refuses many tasks with inputs of their own: all towers run for every input."""
        return refuse_many_inputs(suite)
