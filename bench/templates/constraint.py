"""`my_constraint`: what holds the copies of a parameter together. Used as `soft+my_constraint`."""

from typing import Annotated, ClassVar

from torch import Tensor

from bench.api import Constraint, Coupled, Ge, register


@register("my_constraint", paper="")  # the paper's authors, title and year, where there is one
class MyConstraint(Constraint):
    """R(W) = strength sum_t |w_t - m|^2, with m the mean of the T copies w_t of one parameter.

    prox_{s R}(W) = m + (W - m) / (1 + 2 s strength): the mean stays, and deviations from it shrink.

    strength: in [0, inf); 0 leaves the copies alone, which is `single_task`.
    """

    # What `soft` with this constraint equals exactly; `mtlbench check` trains both and compares.
    limits: ClassVar = {"strength=0": "single_task"}

    # One instance for each coupled parameter: `coupled` has its shape, the number of tasks and the learning rate.
    # Options are keyword-only. Annotation and default are their schema: soft+my_constraint:strength=0.1
    def __init__(self, coupled: Coupled, *, strength: Annotated[float, Ge(0)] = 0.01) -> None:
        super().__init__(coupled)
        self.strength = strength
        # A penalty without a prox is added to the loss: set `self.in_loss = True` and leave `prox` out.

    # Change this first. W has shape (*shape of the parameter, T), tasks last; 0-dimensional, never negative.
    def value(self, W: Tensor) -> Tensor:
        return self.strength * (W - W.mean(dim=-1, keepdim=True)).square().sum()

    # And this with it: argmin_V step value(V) + |V - W|^2 / 2, exactly. It runs after the optimiser's step, with the
    # learning rate of that step; `mtlbench check` compares it with a minimiser.
    def prox(self, W: Tensor, step: float) -> Tensor:
        if step == 0 or self.strength == 0:  # exactly W, without rounding
            return W
        mean = W.mean(dim=-1, keepdim=True)
        return mean + (W - mean) / (1 + 2 * step * self.strength)
