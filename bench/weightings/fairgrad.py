"""FairGrad: alpha-fair shares of the improvement."""

from typing import Annotated

from bench.api import GramianWeighting, Gt, register, with_solver


@register("fairgrad", paper="Ban, Ji, Fair Resource Allocation in Multi-Task Learning, ICML 2024, equation 4")
class FairGrad(GramianWeighting):
    """Weights that solve G w = w^(-1/alpha): the step is alpha-fair in how much each task improves.

    alpha = 1 is proportional fairness (Nash), larger alpha approaches max-min. Weights scale with the inverse size
    of the gradients. By TorchJD, with scipy's least squares.

    alpha: > 0.
    """

    scale_free = False

    def __init__(self, tasks: list[str], *, alpha: Annotated[float, Gt(0)] = 1.0) -> None:
        from torchjd.aggregation import FairGradWeighting

        super().__init__(tasks, with_solver(lambda: FairGradWeighting(alpha)))
