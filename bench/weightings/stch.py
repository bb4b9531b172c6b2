"""Smooth Tchebycheff: descends a smooth maximum of the losses."""

from typing import Annotated

from bench.api import Gt, Scalarised, register


@register(
    "stch",
    title="smooth Tchebycheff",
    family="weighted losses",
    version=2,
    paper="Lin, Zhang, Yang, Liu, Wang, Zhang, Smooth Tchebycheff Scalarization for Multi-Objective Optimization, "
    "ICML 2024",
)
class STCH(Scalarised):
    """The step descends T^2 mu log sum_t exp(L_t / (T mu)): w_t = T softmax(L / (T mu))_t.

    The largest loss weighs most; mu -> 0 trains the worst task alone, mu -> inf is `uniform`. It is T^2 times the
    paper's scalarisation with preferences 1 / T, so that weights sum to T and not to 1 / T. By TorchJD. Losses enter
    as they are, with the ideal point at 0. The authors' code for networks does otherwise: a warm-up on sum_t log L_t,
    whose last epoch gives a nadir n_t, the mean loss; from then on T mu log sum_t exp(log(L_t / n_t) / mu).

    mu: smoothing, > 0.
    """

    sum_of_weights = "1/T"

    def __init__(self, tasks: list[str], *, mu: Annotated[float, Gt(0)] = 1.0) -> None:
        from torchjd.scalarization import STCH as Rule

        super().__init__(tasks, Rule(mu))
