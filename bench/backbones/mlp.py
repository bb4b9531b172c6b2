"""Fully connected backbones."""

import itertools

from torch import nn

from bench.api import Stage, scale_channels


def mlp(inputs: int, hidden: tuple[int, ...], width: float = 1.0) -> nn.ModuleList:
    """One stage, linear - relu, per entry of `hidden`, for rows of `inputs` numbers."""
    sizes = [inputs, *(scale_channels(size, width) for size in hidden)]
    return nn.ModuleList(Stage(nn.Linear(a, b), nn.ReLU(), output_shape=(b,)) for a, b in itertools.pairwise(sizes))
