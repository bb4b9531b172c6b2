"""Aligned-MTL: task gradients are replaced by their nearest orthogonal system of one length."""

from typing import Literal

from bench.api import GramianWeighting, call_solver, register


@register(
    "aligned_mtl",
    title="Aligned-MTL",
    family="combined gradients",
    version=2,
    paper="Senushkin, Patakin, Kuznetsov, Konushin, Independent Component Alignment for Multi-Task Learning, CVPR 2023",
)
class AlignedMTL(GramianWeighting):
    """The sum of the task gradients after their singular values were set to one value.

    w = sigma V diag(1 / sigma_i) V^T 1 over the eigenvectors of G. The paper's combination is a mean, 1 / T of it. By
    TorchJD.

    scale: sigma is the smallest singular value (`min`, the paper), the `median`, or `rmse`, the root of the mean
        eigenvalue, as in the authors' code.
    """

    sum_of_weights = "1"

    def __init__(self, tasks: list[str], *, scale: Literal["min", "median", "rmse"] = "min") -> None:
        from torchjd.aggregation import AlignedMTLWeighting

        super().__init__(tasks, call_solver(lambda: AlignedMTLWeighting(scale_mode=scale)))
