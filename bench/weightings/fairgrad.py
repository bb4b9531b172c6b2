"""FairGrad: alpha-fair shares of the improvement."""

from typing import Annotated

from bench.api import Ge, GramianWeighting, register, with_solver


@register(
    "fairgrad", version=2, paper="Ban, Ji, Fair Resource Allocation in Multi-Task Learning, ICML 2024, equation 4"
)
class FairGrad(GramianWeighting):
    """Weights that solve G w = w^(-1/alpha): the step is alpha-fair in how much each task improves.

    alpha = 1 is proportional fairness (Nash), larger alpha approaches max-min. w(c G) = c^(-alpha / (1 + alpha)) w(G):
    with alpha = 1 weights scale with the inverse size of the gradients. By TorchJD, with scipy's least squares.

    alpha: in [0.01, inf).
    """

    def __init__(self, tasks: list[str], *, alpha: Annotated[float, Ge(0.01)] = 1.0) -> None:
        from torchjd.aggregation import FairGradWeighting

        self.degree = -alpha / (1 + alpha)
        super().__init__(tasks, with_solver(lambda: FairGradWeighting(alpha)))
