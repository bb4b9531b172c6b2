"""MGDA: the shortest vector in the convex hull of the task gradients."""

from typing import Annotated

from bench.api import Ge, GramianWeighting, Gt, call_solver, register


@register(
    "mgda",
    paper="Desideri, Multiple-gradient descent algorithm (MGDA), Comptes Rendus 2012; "
    "solver of Sener, Koltun, NeurIPS 2018, algorithm 2",
)
class MGDA(GramianWeighting):
    """Weights on the simplex that make the combined gradient shortest: min |sum_t w_t g_t|^2.

    By Frank-Wolfe steps. Weights sum to 1: under sgd the trunk learns at 1 / T of the rate that `uniform` gives it.
    Gradients enter unnormalised, so that small ones get most of the weight. By TorchJD.

    epsilon: step below which the solver stops, > 0.
    iterations: at most so many, at least 1.
    """

    def __init__(
        self, tasks: list[str], *, epsilon: Annotated[float, Gt(0)] = 1e-3, iterations: Annotated[int, Ge(1)] = 100
    ) -> None:
        from torchjd.aggregation import MGDAWeighting

        super().__init__(tasks, call_solver(lambda: MGDAWeighting(epsilon, iterations)))
