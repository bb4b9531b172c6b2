"""Cross-stitch networks: towers that read each other's features through a learned T x T unit per stage.

With the paper's unit, and with two others that go by the same name in published code and tables.
"""

from collections.abc import Mapping, Sequence
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
    Phase,
    Search,
    Sharing,
    Suite,
    TrainState,
    align_copies,
    group_by_input,
    refuse_many_inputs,
    register,
)


class Unit(nn.Module):
    """x~_t = sum_s alpha_ts x_s, with alpha of shape (T, T), or (T, T, C) for one matrix per channel.

    Args:
        tasks: T.
        channels: C, or 0 for one matrix.
        own: alpha_tt at the start; the rest of each row is divided over the others, so that rows sum to 1.
        rows: `free` or `normalised`.
        cross: 0 holds the terms off the diagonal at 0.
        muted: 1 has x_t in the place of every x_s: x~_t = sum_s alpha_ts x_t.
    """

    mask: Tensor | None  # of ones where alpha may differ from 0; None where all of it may

    def __init__(self, tasks: int, channels: int, own: float, rows: str, cross: int, muted: int) -> None:
        super().__init__()
        self.rows, self.muted = rows, bool(muted)
        own = own if cross and tasks > 1 else 1.0  # where there is nothing else to read
        alpha = torch.full((tasks, tasks), (1.0 - own) / max(tasks - 1, 1))
        alpha.fill_diagonal_(own)
        self.alpha = Parameter(alpha[..., None].repeat(1, 1, channels) if channels else alpha)
        self.register_buffer("mask", None if cross else torch.eye(tasks).reshape(tasks, tasks, *[1] * bool(channels)))

    def matrix(self) -> Tensor:
        """The effective alpha: without cross terms where they are held at 0, with rows of sum 1 where normalised.

        Normalising projects each row on the plane of sum 1, so that no gain is left to learn.
        """
        alpha: Tensor = self.alpha
        if self.mask is None:
            return alpha + (1.0 - alpha.sum(dim=1, keepdim=True)) / len(alpha) if self.rows == "normalised" else alpha
        return self.mask.expand_as(alpha) if self.rows == "normalised" else alpha * self.mask

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """x~ of T features x (n, c, ...), in the same shapes."""
        # Channels last, in memory too where the features are: the stack is then a plain copy.
        axes = features[0].dim()
        last = [x.movedim(1, -1) for x in features]
        stacked = torch.stack(last)
        alpha = self.matrix()
        if self.muted:
            mixed = self._mix_own(alpha, stacked)
        elif alpha.dim() == 2:
            mixed = (alpha @ stacked.flatten(1)).view_as(stacked)
        else:
            mixed = torch.einsum("tsc,snc->tnc", alpha, stacked.flatten(1, -2)).view_as(stacked)
        return [x.movedim(-1, 1) if axes > 2 else x for x in mixed.unbind()]

    @staticmethod
    def _mix_own(alpha: Tensor, stacked: Tensor) -> Tensor:
        """sum_s alpha_ts x_t of features x (T, n, ..., C) stacked over tasks: the products of the unmuted sum."""
        tasks = len(stacked)
        if alpha.dim() == 2:
            read = stacked.flatten(1)[:, None].expand(-1, tasks, -1)
            return torch.bmm(alpha[:, None], read).view_as(stacked)
        read = stacked.flatten(1, -2)[:, None].expand(-1, tasks, -1, -1)
        return torch.einsum("tsc,tsnc->tnc", alpha, read).view_as(stacked)


class LibMTLUnit(Unit):
    """alpha of ones: every tower reads the sum of all towers."""

    def __init__(self, tasks: int, muted: int) -> None:
        super().__init__(tasks, 0, 1.0, "free", 1, muted)
        self.alpha = Parameter(torch.ones(tasks, tasks))


class MTANUnit(Unit):
    """One vector of ones for all towers: they all read the same sum, w_1 x_1 + ... + w_T x_T."""

    def __init__(self, tasks: int, muted: int) -> None:
        super().__init__(tasks, 0, 1.0, "free", 1, muted)
        self.alpha = Parameter(torch.ones(tasks))

    def matrix(self) -> Tensor:
        """(T, T) with equal rows; muted, with equal columns, since w_t would serve all tasks otherwise."""
        matrix = self.alpha.expand(len(self.alpha), -1)
        return matrix.T if self.muted else matrix


@register(
    "cross_stitch",
    title="Cross-stitch networks",
    family="stitched networks",
    paper="Misra, Shrivastava, Gupta, Hebert, Cross-stitch Networks for Multi-task Learning, CVPR 2016, eq. 1",
)
class CrossStitch(Sharing):
    """One tower per task; after every stage, x~_t = sum_s alpha_ts x_s with a learned alpha.

    Rows of alpha sum to 1 at the start for any T: alpha_tt = own, alpha_ts = (1 - own) / (T - 1). With
    own=1 and rate=0 it is `single_task` exactly; with rows e_1 at the last stage every task reads tower
    1 and the others get no gradient. Widely used code differs and fails the two limits; `as` has its forms. Towers
    start from random weights, as in every method here; with `warm` the units are put between towers that were trained
    on their own tasks, within the same budget.

    own: what a tower keeps of its own features at the start, in [0, 1].
    per: one matrix per `layer`, or one per `channel`.
    rows: `free` as in the paper, or `normalised`: rows sum to 1 throughout, which removes the gain.
    cross: 0 holds the cross terms at zero, so that only a gain is learned: a control.
    rate: factor on the learning rate of alpha; by default 100 under sgd and 1 under adam, where a larger
        one acts as a larger learning rate for the towers.
    init: towers start `tied` (copies of one) or `independent`.
    warm: share of the budget in which the towers train alone before they are stitched, in [0, 1).
    as: `paper`, or an exhibit of another model that goes by the same name: `mtan`, one vector of T ones for each
        stage, shared by all towers, so that they all read one sum (the form behind the NYUv2 tables of MTAN and
        CAGrad); `libmtl`, T x T ones between stages, so that features are summed, and no unit after the last
        stage. Both leave `own`, `per`, `rows` and `cross` without effect.
    muted: 1 cuts the path between tasks, a control: x~_t = sum_s alpha_ts x_t, the task's own features in the place of
        the others, with the same unit.
    """

    limits: ClassVar = {
        "own=1,rate=0": "single_task",
        "own=1,per=channel,rate=0": "single_task",
        "cross=0,rows=normalised": "single_task",
        "muted=1,own=0.5,rate=0": "single_task",
        "muted=1,rows=normalised": "single_task",
    }
    twin = "muted=1"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        own: Annotated[float, Interval(ge=0, le=1), Search(choices=(0.5, 0.7, 0.9, 0.99))] = 0.9,
        per: Literal["layer", "channel"] = "layer",
        rows: Literal["free", "normalised"] = "free",
        cross: Literal[0, 1] = 1,
        rate: Annotated[float | None, Ge(0)] = None,
        init: Literal["tied", "independent"] = "tied",
        warm: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
        as_: Annotated[Literal["paper", "libmtl", "mtan"], Added()] = "paper",
        muted: Annotated[Literal[0, 1], Added()] = 0,
    ) -> None:
        super().__init__()
        self.tasks = blueprint.tasks
        self.rate, self.warm = rate, warm
        self.towers = Modules(blueprint.towers(init))
        self.output_shape = self.towers[0][-1].output_shape
        count, stages = len(self.tasks), self.towers[0]
        if as_ == "paper":
            channels = [stage.output_shape[0] if per == "channel" else 0 for stage in stages]
            self.units = Modules(Unit(count, each, own, rows, cross, muted) for each in channels)
        elif as_ == "mtan":  # exhibits have units of their own, whatever the other options say
            self.units = Modules(MTANUnit(count, muted) for _ in stages)
        else:
            self.units = Modules(LibMTLUnit(count, muted) for _ in stages[1:])

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features after the last unit. All towers run for every distinct input: each reads the others."""
        features = {}
        for x, tasks in group_by_input(inputs):
            streams = [x] * len(self.tasks)
            for number, stages in enumerate(zip(*self.towers, strict=True)):
                streams = [stage(stream) for stage, stream in zip(stages, streams, strict=True)]
                # The exhibit `libmtl` has one unit less than stages.
                if state.phase != "towers" and number < len(self.units):
                    streams = self.units[number](streams)
            features.update({task: streams[self.tasks.index(task)] for task in tasks})
        return features

    def coupled(self) -> dict[str, list[Parameter]]:
        """The copies of every parameter of the towers; units belong to all tasks."""
        return align_copies(self.towers)

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Towers; units without weight decay, at `rate` times the learning rate."""
        # Under Adam no factor is needed: its steps do not depend on the size of gradients.
        rate = self.rate if self.rate is not None else {"sgd": 100.0}.get(optimiser, 1.0)
        return [
            ParameterGroup(list(self.towers.parameters())),
            ParameterGroup(list(self.units.parameters()), role="coupling", lr_factor=rate),
        ]

    def phases(self) -> tuple[Phase, ...]:
        """With a warm start the towers train alone first, in a phase of their own."""
        if self.warm == 0:
            return (Phase("train", 1.0),)
        return (Phase("towers", self.warm), Phase("stitched", 1.0 - self.warm))

    def matrices(self) -> dict[str, Tensor]:
        """`stitch.STAGE`: the effective alpha, (T, T) or (T, T, C)."""
        return {f"stitch.{stage}": unit.matrix().detach() for stage, unit in enumerate(self.units)}

    def supports(self, suite: Suite) -> str | None:
        """Refuses many tasks with inputs of their own: all towers run for every input."""
        return refuse_many_inputs(suite)
