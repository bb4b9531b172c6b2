"""Random loss weighting: the litmus test for every other weighting."""

from bench.api import Scalarised, register


@register(
    "rlw",
    paper="Lin, Ye, Zhang, Tsang, Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning, "
    "TMLR 2022, algorithm 2",
)
class RLW(Scalarised):
    """Weights drawn anew at every step: w = softmax(z), z normal.

    They sum to 1: under sgd the trunk learns at 1 / T of the rate that `uniform` gives it. By TorchJD.
    """

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.scalarization import Random

        super().__init__(tasks, Random())
