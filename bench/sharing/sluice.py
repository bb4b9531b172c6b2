"""Sluice networks: cross-stitch between halves of the channels, and a mixture over layers.

Tasks may share one half of a layer and keep the other to themselves, and read features from different depths.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.functional import pad

from bench.api import (
    Added,
    Blueprint,
    Ge,
    Interval,
    Modules,
    ParameterGroup,
    Sharing,
    Suite,
    TrainState,
    align_copies,
    group_by_input,
    refuse_many_inputs,
    register,
)
from bench.toolbox.layers import weighted_sum


@register(
    "sluice",
    title="Sluice networks",
    family="stitched networks",
    paper="Ruder, Bingel, Augenstein, Sogaard, Latent Multi-task Architecture Learning, AAAI 2019",
)
class Sluice(Sharing):
    """One tower per task, stitched subspace by subspace, and a learned mixture over the stages.

    The channels of a tower are cut in S subspaces; after each stage h~ = alpha h over all T S of them. alpha (T S,
    T S) is a matrix per stage. The features of a task are sum_l beta_tl h~_t^l over the stages whose output has the
    shape of the last one's; in the paper all layers have one shape. The term strength * sum |G_1^T G_2|_F^2 keeps
    the weights of a stage's two subspaces apart, G_s the rows of its last weight that make subspace s. Rows of
    alpha and beta sum to 1 at the start: a subspace keeps `own`, the others share the rest; the last stage has
    `last`, the stages before it the rest. With subspaces=1, last=1, mix=0 and strength=0 it is `cross_stitch`.

    subspaces: S, 1 or 2; a tower with an odd number of channels gives the first subspace the smaller part.
    own: what a subspace keeps of itself at the start, in [0, 1].
    last: beta of the last stage at the start, in [0, 1].
    mix: factor on the learning rate of beta, relative to that of alpha; 0 leaves it as it starts.
    strength: of the penalty on the overlap of the subspaces, at least 0.
    rate: factor on the learning rate of alpha and beta; by default 100 under sgd and 1 under adam.
    init: towers start `tied` (copies of one) or `independent`.
    muted: 1 cuts the path between tasks, a control: alpha mixes the subspaces of the task's own tower, in the place of
        those of the others.
    """

    limits: ClassVar = {
        "last=1,mix=0,own=1,rate=0,strength=0": "single_task",
        "last=1,mix=0,strength=0,subspaces=1": "cross_stitch",
        "last=1,mix=0,muted=1,own=0.5,rate=0,strength=0,subspaces=1": "single_task",
    }
    twin = "muted=1"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        subspaces: Literal[1, 2] = 2,
        own: Annotated[float, Interval(ge=0, le=1)] = 0.9,
        last: Annotated[float, Interval(ge=0, le=1)] = 0.9,
        mix: Annotated[float, Ge(0)] = 1.0,
        strength: Annotated[float, Ge(0)] = 0.01,
        rate: Annotated[float | None, Ge(0)] = None,
        init: Literal["tied", "independent"] = "tied",
        muted: Annotated[Literal[0, 1], Added()] = 0,
    ) -> None:
        super().__init__()
        self.tasks, self.subspaces, self.muted = blueprint.tasks, subspaces, bool(muted)
        self.rate, self.mix, self.strength = rate, mix, strength
        self.towers = Modules(blueprint.towers(init))
        stages = self.towers[0]
        self.output_shape = stages[-1].output_shape
        narrow = [number for number, stage in enumerate(stages) if stage.output_shape[0] < subspaces]
        if narrow:
            raise ValueError(f"`subspaces` should be at most the channels of stage {narrow[0]}. Found {subspaces}.")
        count = len(self.tasks) * subspaces
        own = own if count > 1 else 1.0  # a single subspace has no others to give the rest to
        alpha = torch.full((count, count), (1.0 - own) / max(count - 1, 1)).fill_diagonal_(own)
        self.alphas = nn.ParameterList(Parameter(alpha.clone()) for _ in stages)
        self.mixed = [number for number, stage in enumerate(stages) if stage.output_shape == self.output_shape]
        last = last if len(self.mixed) > 1 else 1.0  # as above: no other stages to give the rest to
        beta = torch.full((len(self.tasks), len(self.mixed)), (1.0 - last) / max(len(self.mixed) - 1, 1))
        beta[:, -1] = last
        self.beta = Parameter(beta)

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> sum_l beta_tl h~_t^l. All towers run for every distinct input, since each reads the others."""
        features = {}
        for x, tasks in group_by_input(inputs):
            streams, kept = [x] * len(self.tasks), []
            for number, (stages, alpha) in enumerate(zip(zip(*self.towers, strict=True), self.alphas, strict=True)):
                streams = self._stitch([stage(s) for stage, s in zip(stages, streams, strict=True)], alpha)
                if number in self.mixed:
                    kept.append(streams)
            for task in tasks:
                t = self.tasks.index(task)
                features[task] = weighted_sum(self.beta[t], [layer[t] for layer in kept])
        return features

    def _stitch(self, streams: list[Tensor], alpha: Tensor) -> list[Tensor]:
        """h~_ts = sum over tasks u of sum over subspaces r of alpha[(t, s), (u, r)] h_ur, in the channels they share.

        Subspaces of different sizes meet in the channels of the smaller one. Muted, it is sum_ur alpha[(t, s), (u, r)]
        h_tr, the same sum with the task's own features.
        """
        halves = [half.movedim(1, -1) for stream in streams for half in self._halves(stream)]
        # Padded to one width, so that all of them are mixed by a single product.
        widths = [half.shape[-1] for half in halves]
        stacked = torch.stack([pad(half, (0, max(widths) - width)) for half, width in zip(halves, widths, strict=True)])
        size, tasks = self.subspaces, len(streams)
        if self.muted:  # by task: its rows of alpha, and its own subspaces T times over
            own = stacked.reshape(tasks, size, -1)
            product = torch.bmm(alpha.reshape(tasks, size, -1), own.repeat(1, tasks, 1))
        else:
            product = alpha @ stacked.flatten(1)
        mixed = product.view_as(stacked).unbind()
        parts = [half[..., :width].movedim(-1, 1) for half, width in zip(mixed, widths, strict=True)]
        return [torch.cat(parts[start : start + size], dim=1) for start in range(0, len(parts), size)]

    def _halves(self, x: Tensor) -> list[Tensor]:
        """The subspaces of x along axis 1: the channels of a stream, or the rows of a transposed weight."""
        return list(x.tensor_split([x.shape[1] // 2], dim=1)) if self.subspaces == 2 else [x]

    def regulariser(self) -> Tensor | float:
        """strength * sum |G_1^T G_2|_F^2 over towers and stages."""
        if self.subspaces == 1 or self.strength == 0:
            return 0.0
        terms = []
        for tower in self.towers:
            for stage in tower:
                # Only a weight whose rows are the stage's channels can be cut into subspaces.
                weights = [p for p in stage.parameters() if p.dim() > 1 and len(p) == stage.output_shape[0]]
                if weights:
                    first, second = self._halves(weights[-1].flatten(1).T)
                    terms.append((first.T @ second).square().sum())
        return self.strength * torch.stack(terms).sum() if terms else 0.0

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter of the towers; alpha and beta are not constrained."""
        return align_copies(self.towers)

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Towers; alpha and beta without weight decay, at `rate`, and beta at `mix` of it."""
        rate = self.rate if self.rate is not None else {"sgd": 100.0}.get(optimiser, 1.0)
        return [
            ParameterGroup(list(self.towers.parameters())),
            ParameterGroup(list(self.alphas.parameters()), role="coupling", lr_factor=rate),
            ParameterGroup([self.beta], role="coupling", lr_factor=rate * self.mix),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """`stitch.STAGE` (T S, T S): alpha; `layers` (T, stages that are mixed): beta."""
        stitches = {f"stitch.{stage}": alpha.detach() for stage, alpha in enumerate(self.alphas)}
        return stitches | {"layers": self.beta.detach()}

    def supports(self, suite: Suite) -> str | None:
        """Refuses many tasks with inputs of their own: all towers run for every input."""
        return refuse_many_inputs(suite)
