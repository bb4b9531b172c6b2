"""Equal weights."""

from typing import Literal

import torch
from torch import Tensor

from bench.api import StepState, Weighting, register


@register("uniform", title="equal weights")
class Uniform(Weighting):
    """w_t = 1 (`sum`), or w_t = 1/T (`mean`), which also divides the trunk's learning rate by T under sgd.

    reduction: `sum` or `mean`.
    """

    def __init__(self, tasks: list[str], *, reduction: Literal["sum", "mean"] = "sum") -> None:
        super().__init__(tasks)
        self.weight = 1.0 if reduction == "sum" else 1.0 / len(tasks)

    def forward(self, state: StepState) -> Tensor:
        return torch.full_like(state.losses, self.weight)
