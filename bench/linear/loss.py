"""Losses of linear models: functions of the weights alone, since the intercepts are always at their best.

The contract that the solver needs of a loss (`Loss`), and one column of weights for all tasks (`Tied`).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor


@dataclass(frozen=True)
class LossEvaluation:
    """A loss at some weights: its value, its gradient (d, T), and its dual objective.

    `dual(limit)` is the largest dual objective at s u over 0 <= s <= limit, u = -dl/dz. For a norm R with R*(X^T u) =
    1 / limit it is at most min f + R, and equal to it at the minimum: the difference is the duality gap.
    """

    value: float
    gradient: Tensor
    dual: Callable[[float], float]


class Loss(ABC):
    """f(W) = min_b sum_t sum_i l(y_ti, x_ti w_t + b_t) + rho sum_t (b_t - mean b)^2, W (d, T) in float64.

    A sum over rows, not a mean: a task weighs as much as it has rows. l is (y - z)^2 / 2 (`Squared`) or
    log(1 + e^z) - y z with y in {0, 1} (`Logistic`). rho = 0 leaves every task its own intercept, unpenalised;
    rho = inf pools them; in between they shrink to a common one. Without rho there are none, b = 0.

    shape: (d, T), of the weights.
    """

    shape: tuple[int, int]

    @abstractmethod
    def look(self, W: Tensor) -> LossEvaluation:
        """Value, gradient and dual objective at W, from one pass over the rows."""

    @abstractmethod
    def gradient(self, W: Tensor) -> Tensor:
        """df/dW alone, (d, T); what an iteration needs, in less time than `look`."""

    @abstractmethod
    def model(self, W: Tensor) -> tuple[Tensor, Tensor]:
        """The weights (d, T) and intercepts (T,) of all tasks that belong to W."""

    @abstractmethod
    def curvature(self, tied: bool) -> float:
        """The largest curvature of f: in W, or in a column that all tasks share (`tied`).

        Tasks do not interact in f, so that the first is the largest of theirs; a constraint that couples them takes
        one step size for all.
        """

    def value(self, W: Tensor) -> float:
        """f(W)."""
        return self.look(W).value

    def restrict(self, inputs: Tensor) -> "Loss":
        """f of the weights of some inputs, (len(inputs), T), the others at 0.

        inputs: int64 indices, ascending. Losses without working sets need not have it.
        """
        raise NotImplementedError

    @cached_property
    def steepest(self) -> float:
        """The largest curvature in W."""
        return self.curvature(tied=False)


def solve_intercepts(sums: Tensor, weights: Tensor, rho: float) -> Tensor:
    """argmin_b sum_t weights_t b_t^2 / 2 - sums_t b_t + rho (b_t - mean b)^2, for rho in [0, inf].

    b_t = (sums_t + 2 rho m) / (weights_t + 2 rho), m = sum_t sums_t / (weights_t + 2 rho) over that of weights_t.

    sums, weights: float64 (T,), weights above 0.
    """
    if rho == 0:
        return sums / weights
    if math.isinf(rho):
        return (sums.sum() / weights.sum()).expand_as(sums)
    spread = weights + 2 * rho
    mean = (sums / spread).sum() / (weights / spread).sum()
    return (sums + 2 * rho * mean) / spread


class Tied(Loss):
    """`loss` of one column of weights that all tasks share: W (d, 1), for `hard`."""

    def __init__(self, loss: Loss) -> None:
        self.loss, self.shape = loss, (loss.shape[0], 1)

    def _expand(self, W: Tensor) -> Tensor:
        """The column for every task, (d, T), without a copy."""
        return W.expand(self.loss.shape)

    def look(self, W: Tensor) -> LossEvaluation:
        each = self.loss.look(self._expand(W))
        return LossEvaluation(each.value, each.gradient.sum(dim=1, keepdim=True), each.dual)

    def gradient(self, W: Tensor) -> Tensor:
        return self.loss.gradient(self._expand(W)).sum(dim=1, keepdim=True)

    def model(self, W: Tensor) -> tuple[Tensor, Tensor]:
        return self.loss.model(self._expand(W))

    def restrict(self, inputs: Tensor) -> Loss:
        return Tied(self.loss.restrict(inputs))

    def curvature(self, tied: bool) -> float:
        return self.loss.curvature(tied=True)
