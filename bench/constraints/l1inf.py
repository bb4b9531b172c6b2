"""The largest of the tasks pays for all: a weight is used by every task, up to one height, or by none.

One of the two parts of `dirty`.
"""

from typing import Annotated, ClassVar

from torch import Tensor

from bench.api import Constraint, Coupled, Ge, Infinite, Schedule, register
from bench.toolbox.proxes import clip_to_ball


@register(
    "l1inf",
    paper="Negahban, Wainwright, Simultaneous Support Recovery in High Dimensions, IEEE Transactions on Information "
    "Theory 57, 2011",
)
class L1Inf(Constraint):
    """R(W) = v sum_j max_t |w_jt|, j one weight and t the tasks: support in common, and magnitudes too.

    prox_{s R}(W)_j = clamp(w_j, -c_j, c_j) with the c_j >= 0 at which sum_t max(|w_jt| - c_j, 0) = s v, 0 where
    |w_j|_1 <= s v. In a linear suite j is a feature. Parameters of two axes or more.

    strength: v, in [0, inf].
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True
    limits: ClassVar = {"strength=0": "single_task"}

    def __init__(
        self,
        coupled: Coupled,
        *,
        strength: Annotated[float, Ge(0), Infinite()] = 1e-3,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength = strength

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        """Parameters of two axes or more: biases and norms are left alone."""
        return len(shape) > 1

    def value(self, W: Tensor) -> Tensor:
        return self.strength * W.abs().amax(dim=-1).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return W if step == 0 or self.strength == 0 else clip_to_ball(W, step * self.strength)

    def dual_norm(self, G: Tensor) -> Tensor | None:
        """max_j sum_t |g_jt| / v; None at strength 0."""
        return G.abs().sum(dim=-1).max() / self.strength if self.strength else None
