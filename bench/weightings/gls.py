"""Geometric loss strategy: the geometric mean of the losses."""

from bench.api import Scalarised, register


@register(
    "gls",
    paper="Chennupati et al., MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task "
    "Learning, CVPR Workshops 2019",
)
class GLS(Scalarised):
    """The step descends the geometric mean of the losses: w_t = (prod_s L_s)^(1/T) / (T L_t).

    Equal relative changes of two losses count alike, whatever their units. By TorchJD.
    """

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.scalarization import GeometricMean

        super().__init__(tasks, GeometricMean())
