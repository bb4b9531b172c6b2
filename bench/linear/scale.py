"""Rows of any size as rows of ordinary size, whose squares are numbers that float64 can hold, and the way back.

Estimators take inputs of any unit, as 1e-120 or 1e120, whose squares are 0 or infinite. Factors are powers of
two, so that ordinary rows, and all mantissas, keep every digit.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from bench.errors import UsageError
from bench.linear.rows import TaskRows

ORDINARY = 100  # rows between 2^-100 and 2^100 are left as they are, digit for digit
FURTHEST = 503  # beyond 2^-503 or 2^503 sums of squares may be 0 or infinite
STIFFEST = 1e8  # times the squares of the inputs: a penalty of squares beyond it is known to few digits
ABOVE_ALL = 2.0**500  # for a norm: above the critical strength of any rows of ordinary size, so that W = 0


@dataclass(frozen=True)
class Scaled:
    """X = 2^a X' + c and y = 2^b y' + m, a and b whole: the model of `rows`, X' and y', tells that of X and y.

    W = 2^(b-a) W', and the objective is 2^(2b) times that of W' at the strength that `strength` gives.
    """

    rows: TaskRows
    own: bool  # whether every task has an intercept of its own
    inputs: int  # a
    targets: int  # b
    constants: Tensor  # c (T, d): columns that have one value in all rows of a task, where its intercept takes them up
    middle: float  # m, where one intercept, or the mean of all, is free

    @cached_property
    def squares(self) -> float:
        """The largest sum of squares of X' of a task."""
        return max(float((X - X.mean(dim=0) if self.own else X).square().sum()) for X in self.rows.distinct)

    def scale_strength(self, strength: float, degree: int | None) -> float:
        """For X' and y' what `strength` is for X and y.

        degree: p of a penalty with R(c W) = c^p R(W); None where it has none.

        Raises:
            UsageError: rows were scaled and the penalty does not scale with them, or a penalty of squares is
                so stiff that its minimum is known to few digits.
        """
        scaled = strength * self._unit(degree)
        if degree == 1:
            return min(scaled, ABOVE_ALL)
        most = STIFFEST * self.squares
        if 0 < most < scaled and strength < math.inf:
            raise UsageError(
                f"`strength` should be at most {self.strength_back(most, degree):.1e}, {STIFFEST:.0e} times the sum of "
                f"squares of the inputs, with a constraint that is no norm. Found `strength = {strength}`."
            )
        return scaled

    def strength_back(self, strength: float, degree: int | None) -> float:
        """The strength for X and y that stands for `strength` with X' and y'; the inverse of `scale_strength`."""
        return strength / self._unit(degree)

    def model_back(self, weights: Tensor, intercepts: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (d, T) and intercepts (T,) for X and y, of those for X' and y'."""
        weights = weights * 2.0 ** (self.targets - self.inputs)
        return weights, intercepts * 2.0**self.targets + self.middle - (self.constants * weights.T).sum(dim=1)

    def squares_back(self, value: float) -> float:
        """An objective, or squared errors, in the unit of y squared."""
        return value * 2.0 ** (2 * self.targets)

    def _unit(self, degree: int | None) -> float:
        """The factor from a strength for X and y to one for X' and y': 2^(p (b - a) - 2b)."""
        if degree is None and (self.inputs or self.targets):
            raise UsageError(
                "A penalty that is neither a norm nor of squares does not scale with its rows. Found inputs or targets "
                f"beyond 2^-{ORDINARY} or 2^{ORDINARY}; rescale them."
            )
        return float(2.0 ** ((degree or 0) * (self.targets - self.inputs) - 2 * self.targets))


def scale(rows: TaskRows, own: bool, common: bool) -> Scaled:
    """Rows of ordinary size: without constant columns where intercepts are `own`, centred where they are `common`.

    own: every task has an unpenalised intercept, which takes up columns with one value in all its rows.
    common: one intercept, or the mean of all, is free, which takes up the mean of all targets.

    Raises UsageError for numbers whose squares float64 cannot hold even then.
    """
    distinct, targets = list(rows.distinct), list(rows.targets)
    constants = [torch.where((X[0] == X).all(dim=0), X[0], 0.0) if own else torch.zeros_like(X[0]) for X in distinct]
    distinct = [X - c if bool(c.any()) else X for X, c in zip(distinct, constants, strict=True)]
    a, b = _exponent("Inputs", distinct), _exponent("Targets", targets)
    middle = float(torch.cat(targets).mean()) if common else 0.0
    distinct = [X * 2.0**-a for X in distinct] if a else distinct
    targets = [(y - middle) * 2.0**-b for y in targets] if b or middle else targets
    made = replace(rows, inputs=distinct * len(targets) if rows.common else distinct, targets=targets)
    return Scaled(made, own, a, b, torch.stack(constants).expand(len(targets), -1), middle)


def _exponent(what: str, values: list[Tensor]) -> int:
    """The power of two to divide these by; 0 where they are of ordinary size."""
    largest = max(float(value.abs().max()) for value in values)
    exponent = math.frexp(largest)[1]
    if abs(exponent) > FURTHEST:
        raise UsageError(
            f"{what} should be 0, or of a size between 1e-151 and 1e151, so that their squares are numbers too. Found "
            f"{largest:.1e} as the largest; rescale them."
        )
    return exponent if abs(exponent) > ORDINARY else 0
