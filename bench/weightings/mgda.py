"""MGDA: the shortest vector in the convex hull of the task gradients."""

from typing import Annotated

from bench.api import Ge, GramianWeighting, Gt, call_solver, register


@register(
    "mgda",
    title="MGDA",
    family="combined gradients",
    version=2,
    paper="Desideri, Multiple-gradient descent algorithm (MGDA), Comptes Rendus 2012; "
    "solver of Sener, Koltun, NeurIPS 2018, algorithm 2",
)
class MGDA(GramianWeighting):
    """T times the convex combination of the task gradients that is shortest: min |sum_t w_t g_t|^2, sum_t w_t = T.

    By Frank-Wolfe steps, by TorchJD. The authors' weights sum to 1, as a factor on whole losses; here heads keep the
    gradient of their own loss. It is MGDA proper, on the gradients by all shared parameters: MGDA-UB, the authors'
    approximation by the gradients at the trunk's features, is not here. Nor is an option of their code which is not
    in the paper and divides each gradient by its norm, its loss, or both (`loss+`): gradients enter as they are, so
    that small ones get most of the weight.

    epsilon: step below which the solver stops, > 0.
    iterations: at most so many, at least 1.
    """

    sum_of_weights = "1"

    def __init__(
        self, tasks: list[str], *, epsilon: Annotated[float, Gt(0)] = 1e-3, iterations: Annotated[int, Ge(1)] = 100
    ) -> None:
        from torchjd.aggregation import MGDAWeighting

        super().__init__(tasks, call_solver(lambda: MGDAWeighting(epsilon, iterations)))
