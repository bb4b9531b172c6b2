"""Heads of tasks whose features are vectors."""

from torch import nn

from bench.api import Shape


def make_linear_head(outputs: int, shape: Shape) -> nn.Module:
    """A linear layer from features (d,) to `outputs` numbers: one of a regression or a logit, C of classes."""
    return nn.Linear(shape[0], outputs)
