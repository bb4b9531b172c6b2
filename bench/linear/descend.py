"""Accelerated proximal gradient steps."""

import math

from torch import Tensor

from bench.linear.objective import Objective, SolverResult

EVERY = 10  # iterations between two looks at the certificate


def descend(objective: Objective, W: Tensor, tolerance: float, iterations: int) -> SolverResult:
    """W for a penalty that stays as it is."""
    V, momentum, prox, step = W, 1.0, objective.penalty.prox, objective.step
    found = objective.certificate(W, tolerance)
    count = 0
    while not found.met and count < iterations:
        for _ in range(EVERY):
            new = prox(V - step * objective.gradient(V), step)
            change = new - W
            if float(((V - new) * change).sum()) > 0:
                momentum = 1.0
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            V = new + (momentum - 1) / following * change
            W, momentum = new, following
        count += EVERY
        found = objective.certificate(W, tolerance)
    return SolverResult(W, found, count)
