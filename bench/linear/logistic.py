"""Logistic loss of two classes, with intercepts by Newton's method."""

import math
from copy import copy

import torch
from torch import Tensor

from bench.errors import UsageError
from bench.linear.loss import Loss, LossEvaluation, solve_intercepts
from bench.linear.rows import TaskRows

STEPS = 100  # of Newton's method for the intercepts, at most; from a warm start it takes a few
CLOSE = 1e-13  # size of the last step, relative to the intercepts: near the rounding of float64
LONGEST = 2.0  # size of a step at most, since on saturated rows Newton's own would overshoot


class Logistic(Loss):
    """sum_ti log(1 + e^z_ti) - y_ti z_ti + rho sum_t (b_t - mean b)^2, z_ti = x_ti w_t + b_t, y in {0, 1}.

    Intercepts are found by Newton's method from where they were, so an instance is not for several threads. Rows are
    padded to (T, n, d), n the largest number of rows. Curvature is bounded by p (1 - p) <= 1/4.

    Raises UsageError for other targets, and for a task of one class.
    """

    def __init__(self, rows: TaskRows, rho: float | None = 0.0) -> None:
        self.shape = rows.features, len(rows.names)
        for name, y in zip(rows.names, rows.targets, strict=True):
            classes = sorted(set(y.tolist()))
            if not set(classes) <= {0.0, 1.0}:
                raise UsageError(f"The targets of `{name}` should be 0 or 1. Found {classes[:3]}.")
            if len(classes) < 2:
                raise UsageError(f"`{name}` should have rows of both classes. Found class {classes[0]:g} only.")
        self.rho = rho
        self.X, self.Y, self.mask = rows.pad()
        self.b = torch.zeros(self.shape[1], dtype=torch.float64)

    def _logits(self, W: Tensor) -> Tensor:
        """z (T, n), with the intercepts at their best; sets `b`."""
        z = (self.X @ W.T.unsqueeze(-1)).squeeze(-1)
        if self.rho is None:
            return z
        for _ in range(STEPS):
            p = torch.sigmoid(z + self.b[:, None])
            slope = torch.where(self.mask, p - self.Y, 0.0).sum(dim=1)
            bend = torch.where(self.mask, p * (1 - p), 0.0).sum(dim=1).clamp(min=1e-12)
            step = solve_intercepts(bend * self.b - slope, bend, self.rho) - self.b
            longest = float(step.abs().max())
            self.b = self.b + step * min(1.0, LONGEST / longest if longest else 1.0)
            if longest <= CLOSE * (1 + float(self.b.abs().max())):
                break
        return z + self.b[:, None]

    def _tie(self) -> float:
        """rho sum_t (b_t - mean b)^2."""
        if not self.rho or math.isinf(self.rho):
            return 0.0
        return self.rho * float((self.b - self.b.mean()).square().sum())

    def look(self, W: Tensor) -> LossEvaluation:
        z = self._logits(W)
        each = torch.nn.functional.softplus(z) - self.Y * z
        tie = self._tie()
        residual = torch.where(self.mask, self.Y - torch.sigmoid(z), 0.0)  # u = y - p, 0 on padding

        def dual(limit: float) -> float:
            """-sum p log p + (1 - p) log(1 - p) at p = y - s u, less s^2 times the tie of the intercepts."""
            scale = max(0.0, min(1.0, limit))
            p = (self.Y - scale * residual)[self.mask]
            return float((torch.special.entr(p) + torch.special.entr(1 - p)).sum()) - scale**2 * tie

        return LossEvaluation(float(torch.where(self.mask, each, 0.0).sum()) + tie, self._gradient(residual), dual)

    def gradient(self, W: Tensor) -> Tensor:
        return self._gradient(torch.where(self.mask, self.Y - torch.sigmoid(self._logits(W)), 0.0))

    def _gradient(self, residual: Tensor) -> Tensor:
        return -(self.X.mT @ residual.unsqueeze(-1)).squeeze(-1).T

    def model(self, W: Tensor) -> tuple[Tensor, Tensor]:
        self._logits(W)
        return W, torch.zeros_like(self.b) if self.rho is None else self.b

    def restrict(self, inputs: Tensor) -> Loss:
        part = copy(self)
        vars(part).pop("steepest", None)
        part.shape, part.X = (len(inputs), self.shape[1]), self.X[..., inputs]
        return part

    def curvature(self, tied: bool) -> float:
        if tied:
            return float(torch.linalg.matrix_norm(self.X.flatten(0, 1), 2)) ** 2 / 4
        return float(torch.linalg.matrix_norm(self.X, 2).max()) ** 2 / 4
