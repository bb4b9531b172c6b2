"""Homoscedastic uncertainty: each task learns how noisy it is."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.api import Interval, StepState, Weighting, register


@register(
    "uncertainty",
    title="uncertainty weights",
    family="weighted losses",
    paper="Kendall, Gal, Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses, CVPR 2018",
)
class Uncertainty(Weighting):
    """sum_t exp(-s_t) L_t + s_t / 2 with s_t = log sigma_t^2 learned: w_t = exp(-s_t).

    The form of a classification loss, L / sigma^2 + log sigma, used for every task; the paper halves the
    first term for regression, which only moves s_t by log 2. With s_t = 0 the weights start at 1. The
    weight that a constant loss L settles at is 1 / (2 L).

    start: s_t at the first step, in [-20, 20].
    """

    def __init__(self, tasks: list[str], *, start: Annotated[float, Interval(ge=-20, le=20)] = 0.0) -> None:
        super().__init__(tasks)
        self.log_variance = Parameter(torch.full((len(tasks),), start))
        self._present: Tensor | None = None  # of the last step

    def forward(self, state: StepState) -> Tensor:
        self._present = state.present
        return torch.exp(-state.take(self.log_variance))

    def regulariser(self) -> Tensor:
        """sum_t s_t / 2 over the tasks of the step: without its loss, s_t would fall for ever."""
        return (self.log_variance if self._present is None else self.log_variance[self._present]).sum() / 2
