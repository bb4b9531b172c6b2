"""IMTL-G: the direction with equal projections on all task gradients."""

from bench.api import GramianWeighting, call_solver, register


@register(
    "imtl_g",
    title="IMTL, gradients",
    family="combined gradients",
    version=2,
    paper="Liu et al., Towards Impartial Multi-task Learning, ICLR 2021",
)
class IMTLG(GramianWeighting):
    """Weights that give the combined gradient one projection on every task gradient's direction.

    w = T G^+ d / (1^T G^+ d), d_t = |g_t|: they sum to T, the paper's to 1, and may be negative. Where 1^T G^+ d is 0
    they are 0. By TorchJD.
    """

    sum_of_weights = "1"

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.aggregation import IMTLGWeighting

        super().__init__(tasks, call_solver(lambda: IMTLGWeighting()))
