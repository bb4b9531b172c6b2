"""UPGrad: every task gradient is projected on the cone of directions that hurt nobody."""

from bench.api import GramianWeighting, call_solver, register

RIDGE = 1e-10  # on the diagonal of G / tr G, so that the quadratic program has one solution


@register(
    "upgrad",
    title="UPGrad",
    family="combined gradients",
    version=3,
    paper="Quinton, Rey, Jacobian Descent For Multi-Objective Optimization, 2024",
)
class UPGrad(GramianWeighting):
    """The sum of the task gradients, each projected on the dual cone {x: x . g_s >= 0 for all s} first.

    Without conflict it is `uniform` on the shared parameters. The projections are quadratic programs (quadprog). The
    paper's step is the mean, 1 / T of it. By TorchJD.
    """

    sum_of_weights = "1"

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.aggregation import UPGradWeighting
        from torchjd.linalg import QuadprogProjector

        super().__init__(tasks, call_solver(lambda: UPGradWeighting(projector=QuadprogProjector(reg_eps=RIDGE))))
