"""The minimum of loss plus penalty, with a certificate of how close it is."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bench.core.constraint import Constraint
from bench.linear.loss import Loss

TOLERANCE, ITERATIONS = 1e-8, 20_000
EVERY = 10  # iterations between two looks at the certificate
SHARE = 0.3  # of the residual at hand: how far a model is fitted to buffers that will still move


@dataclass(frozen=True)
class Certificate:
    """How far from the minimum a model is at most, as a share of what it is measured against.

    `gap`, of norms: (objective - dual objective) / objective. `residual`, of all others:
    |W - prox_{sR}(W - s df(W))| / s over |df(0)|, with the penalty's auxiliary buffers at their minimum for W: 0
    where W is stationary, which is the minimum where the problem is convex.
    """

    kind: Literal["gap", "residual"]
    value: float
    tolerance: float

    @property
    def met(self) -> bool:
        """Whether it is within its tolerance."""
        return self.value <= self.tolerance


@dataclass(frozen=True)
class Solution:
    """`W` as the penalty sees it, ([parts,] *shape, T or 1), its `objective`, and how it was found."""

    W: Tensor
    objective: float
    certificate: Certificate
    iterations: int


class Objective:
    """F(W) = f(W) + R(W). W is what the penalty takes: (1, d, T) for weights, with a first axis where it has parts.

    f sees their sum as (d, T). The step 1 / L has L = parts * the largest curvature of f over all tasks: the prox
    may couple them.
    """

    def __init__(self, loss: Loss, penalty: Constraint) -> None:
        self.loss, self.penalty, self.parts = loss, penalty.marginal() or penalty, penalty.parts
        self.shape = (*[self.parts] * (self.parts > 1), 1, *loss.shape)
        self.step = 1 / max(self.parts * loss.steepest, torch.finfo(torch.float64).tiny)
        self.scale = float(self.gradient(self.zeros()).norm()) or 1.0

    def zeros(self) -> Tensor:
        """W = 0."""
        return torch.zeros(self.shape, dtype=torch.float64)

    def whole(self, W: Tensor) -> Tensor:
        """What f sees of W."""
        return (W.sum(dim=0) if self.parts > 1 else W)[0]

    def gradient(self, W: Tensor) -> Tensor:
        """df/dW, in the shape of W; the same for every part."""
        return self.loss.gradient(self.whole(W)).expand(self.shape)

    def value(self, W: Tensor) -> float:
        """F(W)."""
        return self.loss.value(self.whole(W)) + float(self.penalty.value(W))

    def moved(self, W: Tensor) -> Tensor:
        """W after one proximal gradient step."""
        return self.penalty.prox(W - self.step * self.gradient(W), self.step)

    def certificate(self, W: Tensor, tolerance: float = TOLERANCE) -> Certificate:
        """Of W, by the duality gap where R is a norm, else by the residual of a step."""
        dual = self.penalty.dual_norm(-self.gradient(W))
        if dual is None:
            return Certificate("residual", float((W - self.moved(W)).norm()) / self.step / self.scale, tolerance)
        value, norm = self.value(W), float(dual)
        below = self.loss.dual(self.whole(W), 1 / norm if norm else math.inf)
        return Certificate("gap", max(0.0, value - below) / value if value > 0 else 0.0, tolerance)


@torch.no_grad()
def minimise(
    objective: Objective, start: Tensor | None = None, tolerance: float = TOLERANCE, iterations: int = ITERATIONS
) -> Solution:
    """argmin_W F(W), from `start` (default 0), until the certificate is within `tolerance` or `iterations` are over.

    Accelerated proximal gradient steps (Beck, Teboulle, A Fast Iterative Shrinkage-Thresholding Algorithm, SIAM J.
    Imaging Sciences 2, 2009) that start anew where momentum points uphill (O'Donoghue, Candes, Adaptive Restart for
    Accelerated Gradient Schemes, Foundations of Computational Mathematics 15, 2015). A penalty with buffers of its
    own (covariances, clusters) is alternated with: buffers in closed form, then W for them.
    """
    W = objective.zeros() if start is None else start.clone()
    if objective.penalty.refresh_every is None:
        return _descend(objective, W, tolerance, iterations)
    count = 0
    while True:
        objective.penalty.settle(W)
        found = objective.certificate(W, tolerance)
        if (found.met and count) or count >= iterations:
            return Solution(W, objective.value(W), found, count)
        step = _descend(objective, W, max(tolerance / 2, SHARE * found.value), iterations - count)
        W, count = step.W, count + max(1, step.iterations)


def _descend(objective: Objective, W: Tensor, tolerance: float, iterations: int) -> Solution:
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
    return Solution(W, objective.value(W), found, count)
