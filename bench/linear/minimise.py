"""The minimum of loss plus penalty, with a certificate of how close it is.

The one entry to the solver: it picks plain descent, working sets or alternation by what the penalty declares.
"""

import torch
from torch import Tensor

from bench.linear.descend import descend
from bench.linear.objective import ITERATIONS, TOLERANCE, Objective, SolverResult
from bench.linear.working_sets import solve_on_working_sets

SHARE = 0.3  # of the residual at hand: how far a model is fitted to buffers that will still move
MANY = 64  # inputs, or more, for which working sets pay: below, all of them are as fast


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

    start: in the shape of the objective; not written into.
    tolerance: of the certificate, relative.
    iterations: proximal gradient steps at most; the result says how many were taken, and whether it is `met`.
    """
    W = objective.zeros() if start is None else start.clone()
    if objective.penalty.by_input and objective.shape[-2] >= MANY:
        return solve_on_working_sets(objective, W, tolerance, iterations)
    if objective.penalty.refresh_every is None:
        return descend(objective, W, tolerance, iterations)
    count = 0
    while True:
        objective.penalty.refresh_to_optimum(W)
        certificate = objective.certificate(W, tolerance)
        # At least one step: a start may be stationary for the buffers that were settled for it.
        if (certificate.met and count) or count >= iterations:
            return SolverResult(W, certificate, count)
        step = descend(objective, W, max(tolerance / 2, SHARE * certificate.value), iterations - count)
        W, count = step.W, count + max(1, step.iterations)
