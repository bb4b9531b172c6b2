"""Weights that are given."""

from typing import Annotated

import torch
from torch import Tensor

from bench.api import Ge, StepState, Weighting, register


@register("static", title="fixed weights")
class Static(Weighting):
    """w_t as given, the same at every step.

    weights: one number >= 0 per task, in the order of the suite's tasks, as in `static:weights=0.5/1.5`;
        none (the default) means 1 for each.
    """

    def __init__(self, tasks: list[str], *, weights: tuple[Annotated[float, Ge(0)], ...] | None = None) -> None:
        super().__init__(tasks)
        weights = (1.0,) * len(tasks) if weights is None else weights
        if len(weights) != len(tasks):
            raise ValueError(
                f"`weights` of `static` should hold {len(tasks)} numbers, one per task. Found {len(weights)}."
            )
        if not any(weights):
            raise ValueError("`weights` of `static` should not all be 0.")
        self.weights = weights

    def forward(self, state: StepState) -> Tensor:
        return state.take(torch.tensor(self.weights, dtype=state.losses.dtype, device=state.losses.device))
