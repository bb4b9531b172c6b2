"""The minimum of loss plus penalty, with a certificate of how close it is."""

import torch
from torch import Tensor

from bench.linear.descend import descend
from bench.linear.objective import ITERATIONS, TOLERANCE, Objective, SolverResult
from bench.linear.working_sets import on_working_sets

SHARE = 0.3  # of the residual at hand: how far a model is fitted to buffers that will still move
MANY = 64  # inputs from which on those in use are worth looking for


@torch.no_grad()
def minimise(
    objective: Objective, start: Tensor | None = None, tolerance: float = TOLERANCE, iterations: int = ITERATIONS
) -> SolverResult:
    """argmin_W F(W), from `start` (default 0), until the certificate is within `tolerance` or `iterations` are over.

    Accelerated proximal gradient steps (Beck, Teboulle, A Fast Iterative Shrinkage-Thresholding Algorithm, SIAM J.
    Imaging Sciences 2, 2009) that start anew where momentum points uphill (O'Donoghue, Candes, Adaptive Restart for
    Accelerated Gradient Schemes, Foundations of Computational Mathematics 15, 2015). A penalty with buffers of its
    own (covariances, clusters) is alternated with: buffers in closed form, then W for them. Of many inputs those in use
    are found first, where the penalty is a sum over inputs.
    """
    W = objective.zeros() if start is None else start.clone()
    if objective.penalty.by_input and objective.shape[-2] >= MANY:
        return on_working_sets(objective, W, tolerance, iterations)
    if objective.penalty.refresh_every is None:
        return descend(objective, W, tolerance, iterations)
    count = 0
    while True:
        objective.penalty.refresh_to_optimum(W)
        found = objective.certificate(W, tolerance)
        if (found.met and count) or count >= iterations:
            return SolverResult(W, found, count)
        step = descend(objective, W, max(tolerance / 2, SHARE * found.value), iterations - count)
        W, count = step.W, count + max(1, step.iterations)
