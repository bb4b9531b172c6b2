"""The largest of the tasks pays for all: a weight is used by every task, up to one height, or by none.

One of the two parts of `dirty`.
"""

from typing import Annotated

from torch import Tensor

from bench.api import Coupled, Ge, Infinite, LayerwiseNorm, Replaces, Schedule, Search, register
from bench.toolbox.proxes import clip_to_ball


@register(
    "l1inf",
    title="l1,inf norm",
    family="common structure",
    version=2,
    paper="Negahban, Wainwright, Simultaneous Support Recovery in High Dimensions, IEEE Transactions on Information "
    "Theory 57, 2011",
)
class L1Inf(LayerwiseNorm):
    """R(W) = v sum_j max_t |w_jt|, j one weight and t the tasks: support in common, and magnitudes too.

    prox_{s R}(W)_j = clamp(w_j, -c_j, c_j) with the c_j >= 0 at which sum_t max(|w_jt| - c_j, 0) = s v, 0 where
    |w_j|_1 <= s v. In a linear suite j is a feature. Parameters of two axes or more.

    Of deviations (`coordinates=mean`), biases included: few weights differ, and those by much the same for all tasks.
    The prox is followed by a projection on deviations that sum to 0. v = inf ties the copies.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf].
    strength: v itself, in [0, inf], instead.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True

    def __init__(
        self,
        coupled: Coupled,
        *,
        hold: Annotated[float | None, Ge(0), Infinite(), Search(0.01, 1.0)] = 0.1,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("hold")] = None,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule, hold=hold, strength=strength)

    def norm(self, W: Tensor) -> Tensor:
        """sum_j max_t |w_jt|."""
        return W.abs().amax(dim=-1).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return W if step == 0 or self.strength == 0 else clip_to_ball(W, step * self.strength)

    def dual(self, G: Tensor) -> Tensor:
        """max_j sum_t |g_jt|."""
        return G.abs().sum(dim=-1).max()
