"""Nash-MTL: the bargaining solution among the tasks."""

from typing import Annotated

from torch import Tensor

from bench.api import Ge, GramianWeighting, StepState, register
from bench.toolbox.bargaining import bargain


@register(
    "nash_mtl",
    version=3,
    paper="Navon et al., Multi-Task Learning as a Bargaining Game, ICML 2022, equation 1",
)
class NashMTL(GramianWeighting):
    """Weights that solve G w = 1 / w: the direction in a ball that maximises the product of the tasks' gains.

    The equation is that of `fairgrad` with alpha = 1, and is solved to the end, as there. The authors stop after at
    most 20 convex problems that start from the last weights, so that their answer depends on the steps before.

    clip: largest norm of the combined gradient of the shared parameters; 0 leaves it as it is.
    """

    degree = -0.5

    def __init__(self, tasks: list[str], *, clip: Annotated[float, Ge(0)] = 1.0) -> None:
        super().__init__(tasks, lambda G: bargain(G, 1.0))
        self.clip = clip

    def forward(self, state: StepState) -> Tensor:
        """w, scaled down where |sum_t w_t g_t| = sqrt(w^T G w) is above `clip`."""
        weights = super().forward(state)
        if not self.clip or len(self.tasks) == 1 or state.gramian is None:
            return weights
        length = (weights @ state.gramian.detach().to(weights) @ weights).clamp(min=0).sqrt()
        return weights * (self.clip / length).clamp(max=1.0)
