"""Backbones that break one rule each."""

from typing import Literal

import torch
from torch import nn

from bench.api import Backbone, Stage, UsageError, scale_channels
from tests.bench.check.broken import Broken, change


class Good(Backbone):
    """Two linear layers with a relu or a tanh between them, for rows of numbers.

    between: `relu` or `tanh`.
    """

    def __init__(self, *, between: Literal["relu", "tanh"] = "relu") -> None:
        self.between = nn.ReLU if between == "relu" else nn.Tanh

    def make_stages(self, inputs, width=1.0):
        if len(inputs.shape) != 1:
            raise UsageError(f"`odd` should be given rows of numbers. Found the shape {inputs.shape}.")
        size = scale_channels(8, width)
        first = Stage(nn.Linear(inputs.size, size), self.between(), output_shape=(size,))
        return nn.ModuleList([first, Stage(nn.Linear(size, size), output_shape=(size,))])


class Fixed(Good):
    """The same with no width, which it says.

    between: `relu` or `tanh`.
    """

    scalable = False

    def make_stages(self, inputs, width=1.0):
        if width != 1:
            raise UsageError(f"`odd` has no width. Found `width = {width}`; take 1.")
        return super().make_stages(inputs)


class Spoiling(nn.Module):
    """Works in its input."""

    def forward(self, x):
        return x.add_(1)


class Idle(nn.Linear):
    """A layer with a parameter that nothing reads."""

    def __init__(self, size):
        super().__init__(size, size)
        self.spare = nn.Parameter(torch.zeros(1))


def refuse(self, inputs, width=1.0):
    """No rows at all."""
    raise UsageError("`odd` should be given other rows. Found these; take `mlp`.")


def murmur(self, inputs, width=1.0):
    """A refusal that says nothing."""
    raise UsageError("no")


def fail(self, *, between: Literal["relu", "tanh"] = "relu") -> None:
    """A choice that does not construct."""
    self.between = {"relu": nn.ReLU}[between]


def with_last(layer, shape=(8,)):
    """Stages of `Good`, and one more."""

    def make_stages(self, inputs, width=1.0):
        stages = Good.make_stages(self, inputs, width)
        stages.append(Stage(layer(scale_channels(8, width)), output_shape=shape or (scale_channels(8, width),)))
        return stages

    return make_stages


def draw_elsewhere(self, inputs, width=1.0):
    """Weights of a generator that nobody seeds."""
    stages = Good.make_stages(self, inputs, width)
    generator = torch.Generator()
    generator.seed()
    nn.init.normal_(stages[0][0].weight, generator=generator)
    return stages


def keep(self, inputs, width=1.0):
    """The last layer is the same in every call."""
    stages = Good.make_stages(self, inputs, width)
    return nn.ModuleList([stages[0], Stage(KEPT, output_shape=(8,))]) if width == 1 else stages


KEPT = nn.Linear(8, 8)

BROKEN: list[Broken] = [
    ("builds", "should take rows of one of the shapes", change(Good, make_stages=refuse)),
    ("builds", "should be one sentence", change(Good, make_stages=murmur)),
    ("builds", "`odd:between=tanh`", change(Good, __init__=fail)),
    ("output shapes", "should be what it returns", change(Good, make_stages=with_last(nn.Identity, (5,)))),
    ("output shapes", "should leave its input", change(Good, make_stages=with_last(lambda _: Spoiling(), None))),
    ("output shapes", "at least one stage", change(Good, make_stages=lambda self, inputs, width=1.0: nn.ModuleList())),
    ("scales", "should refuse a width", change(Good, scalable=False)),
    (
        "scales",
        "more parameters",
        change(Good, make_stages=lambda self, inputs, width=1.0: Good.make_stages(self, inputs)),
    ),
    ("same seed same numbers", "same weights", change(Good, make_stages=draw_elsewhere)),
    ("same seed same numbers", "fresh parameters", change(Good, make_stages=keep)),
    ("learns", "no gradient", change(Good, make_stages=with_last(Idle, None))),
]
