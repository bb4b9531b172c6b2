"""Accelerated proximal gradient steps with restarts, for a penalty that does not change meanwhile."""

import math

from torch import Tensor

from bench.linear.objective import Objective, SolverResult

EVERY = 10  # iterations between two certificates, each of which costs about as much as one iteration


def descend(objective: Objective, W: Tensor, tolerance: float, iterations: int) -> SolverResult:
    """argmin_W F(W) by V -> prox(V - step df(V)), from W.

        V_{k+1} = W_{k+1} + (m_k - 1) / m_{k+1} (W_{k+1} - W_k),  m_{k+1} = (1 + sqrt(1 + 4 m_k^2)) / 2

    Beck, Teboulle 2009; m starts anew at 1 where the step and the momentum point apart (O'Donoghue,
    Candes 2015). Full references are in `minimise`.

    W: in the shape of the objective. Not written into.
    tolerance: of the certificate.
    iterations: at most, up to the next multiple of `EVERY`.
    """
    V, momentum, prox, step = W, 1.0, objective.penalty.prox, objective.step
    certificate = objective.certificate(W, tolerance)
    count = 0
    while not certificate.met and count < iterations:
        for _ in range(EVERY):
            new = prox(V - step * objective.gradient(V), step)
            change = new - W
            if float(((V - new) * change).sum()) > 0:
                momentum = 1.0
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            V = new + (momentum - 1) / following * change
            W, momentum = new, following
        count += EVERY
        certificate = objective.certificate(W, tolerance)
    return SolverResult(W, certificate, count)
