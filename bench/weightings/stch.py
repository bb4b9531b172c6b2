"""Smooth Tchebycheff: descends a smooth maximum of the losses."""

from typing import Annotated

from bench.api import Gt, Scalarised, register


@register(
    "stch",
    paper="Lin, Zhang, Yang, Liu, Wang, Zhang, Smooth Tchebycheff Scalarization for Multi-Objective Optimization, "
    "ICML 2024",
)
class STCH(Scalarised):
    """The step descends mu log sum_t exp(L_t / (T mu)): w_t = softmax(L / (T mu))_t / T.

    The largest loss weighs most; mu -> 0 trains the worst task alone, mu -> inf all alike. Losses enter as they
    are, with the ideal point at 0. Weights sum to 1 / T. By TorchJD.

    mu: smoothing, > 0.
    """

    def __init__(self, tasks: list[str], *, mu: Annotated[float, Gt(0)] = 1.0) -> None:
        from torchjd.scalarization import STCH as Rule

        super().__init__(tasks, Rule(mu))
