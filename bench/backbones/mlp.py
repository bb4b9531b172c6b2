"""Fully connected backbones."""

import itertools
from typing import Annotated, cast

from torch import nn

from bench.api import Backbone, Ge, InputForm, Stage, register, scale_channels


def mlp(inputs: int, hidden: tuple[int, ...], width: float = 1.0) -> nn.ModuleList:
    """One stage, linear - relu, per entry of `hidden`, for rows of `inputs` numbers."""
    sizes = [inputs, *(scale_channels(size, width) for size in hidden)]
    return nn.ModuleList(Stage(nn.Linear(a, b), nn.ReLU(), output_shape=(b,)) for a, b in itertools.pairwise(sizes))


@register("mlp")
class PerceptronBackbone(Backbone):
    """A multi-layer perceptron: one stage, linear - relu, per entry of `hidden`.

    Rows of any shape; those of more than one axis are flattened first. Codes of categories are taken as numbers:
    `resmlp` embeds them.
    hidden: units of each layer, written 64/64.
    """

    def __init__(self, *, hidden: tuple[Annotated[int, Ge(1)], ...] = (64, 64)) -> None:
        if not hidden:
            raise ValueError("`hidden` of `mlp` should have at least one layer, as in `mlp:hidden=64/64`.")
        self.hidden = hidden

    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """One stage per layer."""
        stages = mlp(inputs.size, self.hidden, width)
        if len(inputs.shape) > 1:
            first = cast(Stage, stages[0])
            stages[0] = Stage(nn.Flatten(), *first, output_shape=first.output_shape)
        return stages
