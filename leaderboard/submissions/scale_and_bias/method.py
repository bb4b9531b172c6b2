"""A method in one file: one trunk, and after each of its stages a scale and a bias per task and channel."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from bench.api import Blueprint, Ge, ParameterGroup, Sharing, TrainState, register


@register("scale_and_bias", paper="Mudrakarta, Sandler, Zhmoginov, Howard, K for the Price of 1, ICLR 2019")
class ScaleAndBias(Sharing):
    """x_t <- gamma_t * f(x_t) + beta_t for each stage f of a trunk that all tasks own.

    gamma = 1 and beta = 0 at the start. The paper patches every layer of a network, this every stage.
    rate: factor on the learning rate of gamma and beta, in [0, inf); 0 is `hard` exactly.
    """

    limits: ClassVar = {"rate=0": "hard"}

    def __init__(self, blueprint: Blueprint, *, rate: Annotated[float, Ge(0)] = 1.0) -> None:
        super().__init__()
        self.tasks, self.rate, self.trunk = blueprint.tasks, rate, blueprint.backbone()
        self.output_shape = self.trunk[-1].output_shape
        channels = [(stage.output_shape[0], *[1] * len(stage.output_shape[1:])) for stage in self.trunk]
        self.gamma = nn.ParameterList(torch.ones(len(self.tasks), *shape) for shape in channels)
        self.beta = nn.ParameterList(torch.zeros(len(self.tasks), *shape) for shape in channels)

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        features = dict(inputs)
        for stage, gamma, beta in zip(self.trunk, self.gamma, self.beta, strict=True):
            for task, x in features.items():
                t = self.tasks.index(task)
                features[task] = gamma[t] * stage(x) + beta[t]
        return features

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        patches = ParameterGroup([*self.gamma, *self.beta], role="coupling", lr_factor=self.rate)
        return [ParameterGroup(list(self.trunk.parameters()), role="trunk"), patches]
