"""Nash-MTL: the bargaining solution among the tasks."""

import functools
from typing import Annotated

from torch import Tensor

from bench.api import Ge, GramianWeighting, StepState, register
from bench.toolbox.bargaining import bargain


@register(
    "nash_mtl",
    title="Nash-MTL",
    family="combined gradients",
    version=4,
    paper="Navon et al., Multi-Task Learning as a Bargaining Game, ICML 2022, equation 1",
)
class NashMTL(GramianWeighting):
    """Weights that solve G w = 1 / w: the direction in a ball that maximises the product of the tasks' gains.

    The equation is that of `fairgrad` with alpha = 1, and is solved to the end, as there. The authors stop after at
    most 20 convex problems that start from the last weights, so that their answer depends on the steps before.

    G w = 1 / w fixes the length of the combined gradient: w^T G w = T. It is sqrt(T), at every step and whatever the
    losses, so that a `clip` below sqrt(T) always binds: by default the shared parameters take normalised gradient
    descent, with a gradient of norm 1. The authors clip at 1 as well, by default; they divide G by its Frobenius norm
    first, which makes the length sqrt(T |G|_F) before it is clipped. Their weights multiply whole losses; here heads
    keep the gradient of their own loss, unclipped and unscaled. Where no w solves the equation, as in `fairgrad`, the
    weights are 1 each, clipped.

    clip: norm that the combined gradient of the shared parameters is cut down to, at least 0; 0 leaves sqrt(T).
    """

    unlike_uniform = "the equation G w = 1 / w and `clip` fix the length of its step."

    degree = -0.5

    def __init__(self, tasks: list[str], *, clip: Annotated[float, Ge(0)] = 1.0) -> None:
        super().__init__(tasks, functools.partial(bargain, p=1.0))
        self.clip = clip

    def forward(self, state: StepState) -> Tensor:
        """w, scaled down where |sum_t w_t g_t| = sqrt(w^T G w) is above `clip`."""
        weights = super().forward(state)
        if not self.clip or len(weights) == 1 or state.gramian is None:
            return weights
        length = (weights @ state.gramian.detach().to(weights) @ weights).clamp(min=0).sqrt()
        return weights * (self.clip / length).clamp(max=1.0)
