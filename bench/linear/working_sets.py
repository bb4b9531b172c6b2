"""Working sets: problems of many inputs of which few are used are solved on those, and certified on all."""

import torch
from torch import Tensor

from bench.linear.descend import descend
from bench.linear.objective import Certificate, Objective, SolverResult

FIRST = 64  # inputs to begin with
SHARE = 0.3  # of the gap of the whole: to solve a set of inputs further is lost where another set is the right one


@torch.no_grad()
def solve_on_working_sets(objective: Objective, W: Tensor, tolerance: float, iterations: int) -> SolverResult:
    """argmin_W F(W) for a penalty that is a sum over inputs, `by_input`, from W.

    The inputs in use, and those that a proximal gradient step of all inputs would use most, are a problem of their own;
    it is solved to a part of the gap of the whole, until that is within `tolerance`. The set at least doubles the
    number of inputs in use (after Massias, Gramfort, Salmon, Celer, ICML 2018).

    Args as those of `minimise`.
    """
    count, size = 0, FIRST
    certificate = objective.certificate(W, tolerance)
    while not certificate.met and count < iterations:
        used = _sizes(W) > 0
        step = torch.finfo(W.dtype).eps ** 0.5  # any does: an input at 0 moves where its gradient is steep enough
        moved = objective.penalty.prox(-step * objective.gradient(W), step)
        wanted = torch.where(used, torch.inf, _sizes(moved))  # what is in use stays in the set
        size = max(size, 2 * int(used.sum()))
        inputs = wanted.topk(min(size, int((wanted > 0).sum()), len(wanted))).indices.sort().values
        part = Objective(objective.loss.restrict(inputs), objective.penalty)
        solved = descend(part, W[..., inputs, :], max(tolerance / 2, SHARE * certificate.value), iterations - count)
        W = torch.zeros_like(W)
        W[..., inputs, :] = solved.W
        count += max(1, solved.iterations)
        before, certificate = certificate, objective.certificate(W, tolerance)
        size = size if _is_halved(before, certificate) else 2 * size  # a gap that hardly falls lacks inputs
    return SolverResult(W, certificate, count)


def _sizes(W: Tensor) -> Tensor:
    """|W_j| of every input j, over its parts and tasks."""
    axes = [axis for axis in range(W.dim()) if axis != W.dim() - 2]
    sizes: Tensor = torch.linalg.vector_norm(W, dim=axes)
    return sizes


def _is_halved(before: Certificate, after: Certificate) -> bool:
    """Whether a round on the working set brought the gap below half of what it was."""
    return after.value < before.value / 2
