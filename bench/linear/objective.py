"""The objective of the solver, its result, and the certificate: a bound on the distance from the minimum."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from bench.core.constraint import Constraint
from bench.linear.loss import Loss

TOLERANCE = 1e-8  # of a certificate: eight digits of the objective
ITERATIONS = 20_000  # proximal gradient steps of one fit, at most
HALF = 0.5  # share of the weights: a step that moves them by more has not arrived


@dataclass(frozen=True)
class Certificate:
    """How far from the minimum a model is at most, as a share of what it is measured against, and its `objective`.

    `gap`, of norms and of what has a conjugate: (objective - dual objective) / objective. `residual`, of all others:
    |W - prox_{sR}(W - s df(W))| / s over |df(0)|, with the penalty's auxiliary buffers at their minimum for W: 0
    where W is stationary, which is the minimum where the problem is convex.

    A stiff penalty has no long steps: where the step moves W by more than half, the residual is its share of W.
    """

    kind: Literal["gap", "residual"]
    value: float
    tolerance: float
    objective: float

    @property
    def met(self) -> bool:
        """Whether it is within its tolerance."""
        return self.value <= self.tolerance


@dataclass(frozen=True)
class SolverResult:
    """`W` as the penalty sees it, ([parts,] *shape, T or 1), its certificate, and the iterations it took."""

    W: Tensor
    certificate: Certificate
    iterations: int

    @property
    def objective(self) -> float:
        """F(W)."""
        return self.certificate.objective


class Objective:
    """F(W) = f(W) + R(W). W is what the penalty takes: (1, d, T) for weights, with a first axis where it has parts.

    f sees their sum as (d, T). The step 1 / L has L = parts * the largest curvature of f over all tasks: the prox
    may couple them.

    loss: f, on the rows.
    penalty: R, in float64. Where it has a closed form without its buffers (`marginal`), that is minimised.
    """

    def __init__(self, loss: Loss, penalty: Constraint) -> None:
        self.loss, self.penalty, self.parts = loss, penalty.marginal() or penalty, penalty.parts
        self.shape = (*[self.parts] * (self.parts > 1), 1, *loss.shape)

    @cached_property
    def step(self) -> float:
        """1 / L; 1 where L = 0, for rows of zeros."""
        return 1 / (self.parts * self.loss.steepest or 1.0)

    @cached_property
    def scale(self) -> float:
        """|df(0)|, 1 where it is 0: what residuals are measured against."""
        return float(self.gradient(self.zeros()).norm()) or 1.0

    def zeros(self) -> Tensor:
        """W = 0, in the shape of the objective."""
        return torch.zeros(self.shape, dtype=torch.float64)

    def sum_parts(self, W: Tensor) -> Tensor:
        """The weights (d, T) that f sees: the sum of the parts of W."""
        return (W.sum(dim=0) if self.parts > 1 else W)[0]

    def gradient(self, W: Tensor) -> Tensor:
        """df/dW, in the shape of W; the same for every part."""
        return self.loss.gradient(self.sum_parts(W)).expand(self.shape)

    def value(self, W: Tensor) -> float:
        """F(W)."""
        return self.loss.value(self.sum_parts(W)) + self._cost(W)

    def _cost(self, W: Tensor) -> float:
        """R(W); 0 at an infinite strength, where the prox leaves only what costs nothing, up to rounding."""
        cost = float(self.penalty.value(W))
        return cost if math.isfinite(cost) else 0.0

    def certificate(self, W: Tensor, tolerance: float = TOLERANCE) -> Certificate:
        """How far W is from the minimum, by the duality gap where R has a dual, else by the residual of a step.

        With a conjugate the dual point is the gradient itself, and the gap R(W) + R*(-df(W)) + <df(W), W>, whatever the
        loss: at that point the loss and its own conjugate have no gap. One pass over the rows. `Certificate` has both
        definitions.
        """
        look = self.loss.look(self.sum_parts(W))
        dual = self.penalty.dual_norm(-look.gradient.expand(self.shape))
        objective = look.value + self._cost(W)
        if (conjugate := self.penalty.conjugate(-look.gradient.expand(self.shape))) is not None:
            left = self._cost(W) + float(conjugate) + float((look.gradient.expand(self.shape) * W).sum())
            return Certificate("gap", max(0.0, left) / objective if objective > 0 else 0.0, tolerance, objective)
        if dual is None:
            moved = self.penalty.prox(W - self.step * look.gradient.expand(self.shape), self.step)
            change = float((W - moved).norm())
            value, size = change / self.step / self.scale, max(float(W.norm()), float(moved.norm()))
            if value <= tolerance and change > HALF * size:
                # Under a stiff penalty W is tiny, and so is its residual before it has arrived.
                value = change / size
            return Certificate("residual", value, tolerance, objective)
        below = look.dual(1 / float(dual) if dual else math.inf)
        value = max(0.0, objective - below) / objective if objective > 0 else 0.0
        return Certificate("gap", value, tolerance, objective)
