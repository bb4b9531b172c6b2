"""Stages that a user brings, as what sharings are built from: fresh copies, with the shapes of their features.

Modules of the user are never trained themselves: a network is made of copies, so that two methods can be given the same
modules and start from the same weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bench.core.fresh import prepare_stages, turn_off_inplace
from bench.core.modules import Modules
from bench.core.sharing import Blueprint, own_stream
from bench.core.suite import Split, Stage, Suite
from bench.core.task import Shape, Task, TaskMetric
from bench.errors import UsageError, add_article
from bench.loop.own_modules import copy_module, draw_again
from bench.toolbox.named_inputs import hold_named_inputs
from bench.toolbox.tracing import cite_error, hold_mode

Stages = Sequence[nn.Module] | nn.ModuleList | Callable[[float], Any]
ChannelAxis = Literal["channels_first", "channels_last"]
_SIDES = (64, 224, 32)  # of images that no example was given of, in the order they are tried


class LastAxis(nn.Module):
    """A module whose features have their channels in the last axis, (n, ..., c), as one with channels first.

    first: whether it is the first stage, which takes the rows as they come.
    """

    def __init__(self, module: nn.Module, first: bool) -> None:
        super().__init__()
        self.module, self.first = module, first

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.module(x if self.first else to_last_axis(x))
        return y.movedim(-1, 1)


def to_last_axis(x: Tensor) -> Tensor:
    """Features (n, c, ...) as (n, ..., c)."""
    return x.movedim(1, -1)


@dataclass(frozen=True)
class OwnStages:
    """The stages of a user, and what their rows look like.

    Args:
        source: modules in order, or a function of a width that returns fresh ones.
        layout: where the features of a stage have their channels.
        example: rows of an input, as the network will be given them; None for a guess from the first layer.
    """

    source: Stages
    layout: ChannelAxis
    example: Any = None
    _rows: list[Any] = field(default_factory=list, repr=False)

    def rows(self) -> Any:
        """The example, or rows that the first layer takes; found once."""
        if not self._rows:
            self._rows.append(self._find_rows() if self.example is None else self.example)
        return self._rows[0]

    def _find_rows(self) -> Tensor:
        """Two rows of zeros that run through all stages, by the kind and the channels of the first layer."""
        reason = ""
        for rows in guess_rows(self.copy_stages(1.0)):
            try:
                run_shapes(self.copy_stages(1.0), rows)
            except Exception as error:
                reason = " ".join(str(error).split())[:120]
                continue
            return rows
        raise UsageError(
            "`example` should be given rows of the input, since the shapes of these stages cannot be told from their "
            f"layers{f' ({reason})' if reason else ''}; add `example=x`, a batch as the network will be given it."
        )

    @property
    def shape(self) -> Shape:
        """Of a row of the input. Raises UsageError where it is no tensor, but named inputs."""
        rows = self.rows()
        if not isinstance(rows, Tensor):
            raise UsageError(
                "The input should be one tensor for a method that looks at it beside the stages, as gates do. Found a "
                f"{type(rows).__name__}; take a method that only runs the stages, as `cross_stitch` or `soft+l2`."
            )
        return tuple(rows.shape[1:])

    def find_home(self) -> tuple[torch.device, torch.dtype]:
        """Device and type of the numbers of the stages."""
        plain = self.copy_stages(1.0)
        first = next((p for stage in plain for p in stage.parameters() if p.is_floating_point()), torch.zeros(()))
        return first.device, first.dtype

    def copy_stages(self, width: float) -> list[nn.Module]:
        """Fresh stages as the user wrote them: what the function returns, or copies of the modules."""
        if isinstance(self.source, nn.ModuleList | Sequence):
            if width != 1:
                raise UsageError(
                    f"`stages` should be a function of a width that returns stages, for a method of width {width:.3g}. "
                    "Found modules, whose width is fixed; give `lambda width: [...]`, or another method."
                )
            return list(copy_module(nn.ModuleList(list(self.source)), "Stages"))
        return list(self.source(width))

    def make(self, width: float, fresh: bool) -> nn.ModuleList:
        """Stages with the shapes of their features, channels first.

        fresh: draw the weights of copied modules anew, by `reset_parameters` of each layer that has it.
        """
        plain = self.copy_stages(width)
        _refuse_ties(plain)
        for module in plain:
            turn_off_inplace(module)
        if fresh and isinstance(self.source, nn.ModuleList | Sequence):
            for module in plain:
                draw_again(module)
        if self.layout == "channels_last":
            plain = [LastAxis(module, first=number == 0) for number, module in enumerate(plain)]
        first = next((p for module in plain for p in module.parameters() if p.is_floating_point()), None)
        # On the meta device, too, where a sharing only counts sizes.
        shapes = run_shapes(plain, self.rows() if first is None else move_like(self.rows(), first), watched=True)
        return nn.ModuleList(
            module if isinstance(module, Stage) else Stage(module, output_shape=shape)
            for module, shape in zip(plain, shapes, strict=True)
        )


@dataclass(frozen=True)
class OwnBlueprint(Blueprint):
    """A blueprint of stages that a user brings; copy 0 has their weights, further copies are drawn anew."""

    stages: OwnStages = field(kw_only=True)

    def backbone(self, width: float = 1.0, copy: int = 0) -> Modules[Stage]:
        with own_stream(self.seed, "backbone", copy):
            return prepare_stages(self.stages.make(width, fresh=copy > 0), ())  # lazy layers are filled by now


class TasksOfLoop(Suite):
    """Tasks and the shape of their input, as sharings ask for them; there is no data behind it."""

    def __init__(self, names: Sequence[str], stages: OwnStages) -> None:
        super().__init__()
        self.tasks = [Task(name, _refuse, _refuse, _no_metric) for name in names]
        self.stages = stages

    @property
    def input_shape(self) -> Shape:  # type: ignore[override]
        return self.stages.shape

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return self.stages.make(width, fresh=False)

    def dataset(self, split: Split, seed: int) -> NoReturn:
        _refuse()

    def checksums(self) -> dict[str, str]:
        return {}

    def data_status(self) -> dict[str, str]:
        return {}

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        return iter(())


def _refuse(*_: Any) -> NoReturn:
    """Raise UsageError: there are no rows, losses and metrics where the loop is the user's."""
    raise UsageError("A method in a loop of one's own should read no data of a suite. Found a method that asks for it.")


def _no_metric() -> TaskMetric:
    _refuse()


def move_like(rows: Any, like: Tensor) -> Any:
    """Rows on the device of a parameter, real numbers in its type; so are all tensors of named inputs."""
    if isinstance(rows, Mapping):
        return {name: move_like(value, like) for name, value in rows.items()}
    if not isinstance(rows, Tensor):
        return rows
    return rows.to(like.device, like.dtype) if rows.is_floating_point() else rows.to(like.device)


def guess_rows(stages: Sequence[nn.Module]) -> Iterator[Tensor]:
    """Rows that the first layer with weights would take: vectors, sequences, images or volumes of its channels."""
    for stage in stages:
        for module in stage.modules():
            if any(is_lazy(parameter) for parameter in module.parameters(recurse=False)):
                return
            if isinstance(module, nn.Linear):
                yield module.weight.new_zeros(2, module.in_features)
                return
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
                axes = module.weight.dim() - 2
                for side in _SIDES if axes < 3 else _SIDES[-1:]:
                    yield module.weight.new_zeros(2, module.in_channels, *[side] * axes)
                return
            if next(module.parameters(recurse=False), None) is not None:
                return  # a layer that says nothing of its input, as an embedding


@torch.no_grad()
def run_shapes(stages: Sequence[nn.Module], rows: Any, watched: bool = False) -> list[Shape]:
    """The shape of a row behind each stage. Raises what a stage raises; random numbers and statistics stay.

    watched: refuse stages that write into what they are given, which methods read again.
    """
    shapes: list[Shape] = []
    with hold_named_inputs(rows), hold_mode(nn.ModuleList(stages)):
        for number, stage in enumerate(stages):
            before = (rows, rows.clone()) if watched and isinstance(rows, Tensor) and not rows.is_meta else None
            try:
                rows = stage(rows)
            except UsageError:
                raise
            except Exception as error:
                raise UsageError(
                    "Stages should take `example`, each what the one before returns. Found in stage "
                    f"{number}: {cite_error(error)}."
                ) from error
            if before and not torch.equal(*before):
                raise UsageError(
                    f"A stage should leave what it is given, since methods read it again. Found that stage {number} "
                    "writes into its input; write `x = x + 1`, say, in place of `x += 1`."
                )
            if not isinstance(rows, Tensor):
                raise UsageError(
                    "A stage should return one tensor of features, rows first. Found "
                    f"{add_article(type(rows).__name__)} from a `{type(stage).__name__}`; "
                    "wrap it in a module that returns its features."
                )
            shapes.append(tuple(rows.shape[1:]))
    return shapes


def _refuse_ties(stages: Sequence[nn.Module]) -> None:
    """Raise UsageError where two stages have one parameter: a method may give them to different owners."""
    places: dict[int, tuple[int, str]] = {}
    for number, stage in enumerate(stages):
        for name, parameter in stage.named_parameters():
            other, other_name = places.setdefault(id(parameter), (number, name))
            if other != number:
                raise UsageError(
                    f"A weight should belong to one stage. Found `{name}` of stage {number} in stage {other}, too, as "
                    f"`{other_name}`; put these layers into one stage, or untie them."
                )
