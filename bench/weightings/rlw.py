"""Random loss weighting: the litmus test for every other weighting."""

from bench.api import Scalarised, register


@register(
    "rlw",
    title="random loss weights",
    family="weighted losses",
    version=2,
    paper="Lin, Ye, Zhang, Tsang, Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning, "
    "TMLR 2022, algorithm 2",
)
class RLW(Scalarised):
    """Weights drawn anew at every step: w = T softmax(z), z normal.

    Each is 1 in expectation, so that the step is `uniform` on average; the paper's sum to 1. By TorchJD.
    """

    sum_of_weights = "1"
    unlike_uniform = "its weights are drawn, and 1 in expectation only."

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.scalarization import Random

        super().__init__(tasks, Random())
