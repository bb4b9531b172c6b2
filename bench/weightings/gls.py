"""Geometric loss strategy: the geometric mean of the losses."""

from bench.api import Scalarised, register


@register(
    "gls",
    title="geometric mean of losses",
    family="weighted losses",
    version=2,
    paper="Chennupati et al., MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task "
    "Learning, CVPR Workshops 2019",
)
class GLS(Scalarised):
    """The step descends T times the geometric mean of the losses: w_t = (prod_s L_s)^(1/T) / L_t.

    Equal relative changes of two losses count alike, whatever their units; equal losses weigh 1 each. The paper's
    loss is the geometric mean itself. By TorchJD.
    """

    sum_of_weights = "1"

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.scalarization import GeometricMean

        super().__init__(tasks, GeometricMean())
