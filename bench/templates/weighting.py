"""`my_weighting`: how T losses become one step. Used as `hard@my_weighting`."""

from typing import Annotated

import torch
from torch import Tensor

from bench.api import Interval, StepState, Weighting, clamp_losses, register


@register("my_weighting", paper="")  # the paper's authors, title and year, where there is one
class MyWeighting(Weighting):
    """w_t = T L_t^power / sum_s L_s^power: tasks of a large loss weigh more, or less where `power` is negative.

    power: in [-10, 10]; 0 is `uniform`, 1 weighs by the losses themselves.
    """

    # A rule on the gradients instead: `class MyWeighting(GramianWeighting)`, which is given G = J J^T (T, T).

    # Options are keyword-only. Annotation and default are their schema: hard@my_weighting:power=0.5
    def __init__(self, tasks: list[str], *, power: Annotated[float, Interval(ge=-10, le=10)] = 1.0) -> None:
        super().__init__(tasks)
        self.power = power
        # What is remembered between updates is a buffer, so that a run that was killed goes on from it:
        # self.register_buffer("average", torch.ones(len(tasks)))

    # Change this first: T weights that do not depend on the model's parameters. Those of T equal tasks sum to T, as
    # those of `uniform` do: any other scale would be another learning rate.
    def forward(self, state: StepState) -> Tensor:
        logarithms = clamp_losses(state.losses).log()  # of losses that are 0, too
        # As many weights as losses: a task without a label in the batch is not among them.
        return len(logarithms) * torch.softmax(self.power * logarithms, dim=0)
