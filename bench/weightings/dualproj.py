"""DualProj: the sum of the gradients is projected on the cone of directions that hurt nobody."""

from bench.api import GramianWeighting, call_solver, register

RIDGE = 1e-10  # on the diagonal of G / tr G, so that the quadratic program has one solution


@register(
    "dualproj",
    title="dual projection",
    family="combined gradients",
    version=3,
    paper="Lopez-Paz, Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017; "
    "for several tasks Quinton, Rey, 2024",
)
class DualProj(GramianWeighting):
    """The sum of the task gradients, projected on the dual cone {x: x . g_s >= 0 for all s}.

    Without conflict it is `uniform` on the shared parameters. A quadratic program (quadprog). By TorchJD, whose step
    is the mean, 1 / T of it, with a smaller ridge than its own, which leaves 1 % of the angle.
    """

    sum_of_weights = "1"

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.aggregation import DualProjWeighting
        from torchjd.linalg import QuadprogProjector

        super().__init__(tasks, call_solver(lambda: DualProjWeighting(projector=QuadprogProjector(reg_eps=RIDGE))))
