"""FairGrad: alpha-fair shares of the improvement."""

import functools
from typing import Annotated

from bench.api import Ge, GramianWeighting, register
from bench.toolbox.bargaining import bargain


@register(
    "fairgrad",
    title="FairGrad",
    family="combined gradients",
    version=4,
    paper="Ban, Ji, Fair Resource Allocation in Multi-Task Learning, ICML 2024, equation 4",
)
class FairGrad(GramianWeighting):
    """Weights that solve G w = w^(-1/alpha): the step is alpha-fair in how much each task improves.

    alpha = 1 is proportional fairness (Nash), larger alpha approaches max-min. w(c G) = c^(-alpha / (1 + alpha)) w(G):
    with alpha = 1 weights scale with the inverse size of the gradients. Solved by Newton's method, as the minimum of
    a convex function; the authors' code uses a general least-squares routine, which misses the solution where the
    gradients of the tasks differ in size. Where no w solves it (a mixture of the gradients is zero) it is `uniform`.

    alpha: in [0.01, inf).
    """

    unlike_uniform = "the size of its weights is part of the equation they solve: G w = w^(-1/alpha)."

    def __init__(self, tasks: list[str], *, alpha: Annotated[float, Ge(0.01)] = 1.0) -> None:
        self.degree = -alpha / (1 + alpha)
        super().__init__(tasks, functools.partial(bargain, p=1 / alpha))
