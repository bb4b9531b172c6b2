"""CAGrad: the best worst-case improvement near the mean gradient."""

from typing import Annotated

from bench.api import Ge, GramianWeighting, register, with_solver


@register(
    "cagrad",
    paper="Liu, Liu, Jin, Stone, Liu, Conflict-Averse Gradient Descent for Multi-task Learning, NeurIPS 2021",
)
class CAGrad(GramianWeighting):
    """The direction within c |g_0| of the mean gradient g_0 whose smallest product with a task gradient is largest.

    c = 0 is the mean of the gradients. The inner problem is solved by Clarabel through cvxpy, where the authors'
    code uses scipy's SLSQP. Weights act as a mean, not a sum. By TorchJD.

    c: radius over |g_0|, at least 0.
    """

    def __init__(self, tasks: list[str], *, c: Annotated[float, Ge(0)] = 0.5) -> None:
        from torchjd.aggregation import CAGradWeighting

        super().__init__(tasks, with_solver(lambda: CAGradWeighting(c)))
