"""PCGrad: conflicting parts of task gradients are projected away."""

from bench.api import GramianWeighting, call_solver, register


@register(
    "pcgrad",
    title="PCGrad",
    family="combined gradients",
    paper="Yu, Kumar, Gupta, Levine, Hausman, Finn, Gradient Surgery for Multi-Task Learning, NeurIPS "
    "2020, algorithm 1",
)
class PCGrad(GramianWeighting):
    """Each task gradient loses its component along every other that it conflicts with, in random order; then they add.

    g_i <- g_i - (g_i . g_j / |g_j|^2) g_j for all j with g_i . g_j < 0, j in a random order, g_j as it was. Without
    conflict it is `uniform` on the shared parameters. By TorchJD.
    """

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.aggregation import PCGradWeighting

        super().__init__(tasks, call_solver(lambda: PCGradWeighting()))
