"""Models of a family: along a path of strengths, and at what cross-validation chooses."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench.core.constraint import Constraint
from bench.linear.family import PenaltyFamily
from bench.linear.folds import split
from bench.linear.loss import Loss
from bench.linear.minimise import minimise
from bench.linear.objective import ITERATIONS, TOLERANCE, Objective, SolverResult
from bench.linear.rows import TaskRows

ROUGH, PATIENCE = 1e-4, 200  # tolerance and iterations of one model inside cross-validation
WORSE, CLEARLY = 3, 1.05  # a path ends after so many strengths with errors beyond so many times the least
MakeLoss = Callable[[TaskRows], Loss]
Error = Callable[[Tensor, Tensor], Tensor]  # of predictions (n,) for targets (n,), summed over them


@dataclass(frozen=True)
class StrengthCurve:
    """The error of every strength of a path, per row that was left out, for one choice of the other options."""

    settings: dict[str, Any]
    strengths: list[float]
    errors: list[float]

    @property
    def best(self) -> int:
        """The place of the least error, the first of equal ones."""
        return min(range(len(self.errors)), key=self.errors.__getitem__)


@dataclass(frozen=True)
class Fitted:
    """A model: the penalty with settled buffers, the solution, what was chosen for it, and from which curves."""

    objective: Objective
    penalty: Constraint
    solution: SolverResult
    seconds: float  # of this fit alone
    strength: float | None = None
    chosen: StrengthCurve | None = None
    curves: list[StrengthCurve] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """Other options that were chosen."""
        return self.chosen.settings if self.chosen else {}

    @property
    def at_the_end(self) -> bool:
        """Whether the strength chosen is the last of its path: a weaker one may be better."""
        last = len(self.chosen.errors) - 1 if self.chosen else 0
        return self.chosen is not None and self.chosen.best == last > 0

    def model(self) -> tuple[Tensor, Tensor]:
        """Weights (d, T) and intercepts (T,)."""
        return self.objective.loss.model(self.objective.whole(self.solution.W))


def path(
    loss: Loss,
    family: PenaltyFamily,
    settings: dict[str, Any],
    strengths: Sequence[float],
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Iterator[tuple[Objective, SolverResult]]:
    """The solution at each strength, in their order, each from the one before."""
    W = None
    for strength in strengths:
        objective = Objective(loss, family.penalty(settings, strength))
        found = minimise(objective, W, tolerance, iterations)
        W = found.W
        yield objective, found


def fit_family(
    rows: TaskRows,
    make_loss: MakeLoss,
    family: PenaltyFamily,
    error: Error,
    *,
    points: int = 20,
    span: float = 1e-3,
    folds: int = 5,
    seed: int = 0,
    stratify: bool = False,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
    on_curve: Callable[[int, int], None] | None = None,
) -> Fitted:
    """The model of `family` on all rows; what is open is chosen by cross-validation over them, and nothing else.

    Strengths are those of the path on all rows. The options and the strength with the least error, summed over the
    rows of all folds, win; the path on all rows, down to it, is where the model starts from. A path of
    cross-validation ends where three strengths in a row have 5 % more error than the best one.
    """
    loss = make_loss(rows)
    if not family.open:
        return _fitted(loss, family.penalty({}), None, tolerance, iterations)
    parts, settings, curves = split(rows, folds, seed, stratify), family.settings(), []
    inside, left = [make_loss(rows.take(kept)) for kept, _ in parts], [out for _, out in parts]
    for number, each in enumerate(settings):
        strengths = family.strengths(loss, each, points, span)
        curves.append(_curve(inside, left, rows, family, each, strengths, error))
        if on_curve:
            on_curve(number + 1, len(settings) + 1)
    chosen = min(curves, key=lambda curve: curve.errors[curve.best])
    strength = chosen.strengths[chosen.best]
    start = None
    for _, found in path(loss, family, chosen.settings, chosen.strengths[: chosen.best], ROUGH, PATIENCE):
        start = found.W
    made = _fitted(loss, family.penalty(chosen.settings, strength), start, tolerance, iterations)
    return Fitted(made.objective, made.penalty, made.solution, made.seconds, strength, chosen, curves)


def fit_at(rows: TaskRows, make_loss: MakeLoss, family: PenaltyFamily, tolerance: float, iterations: int) -> Fitted:
    """The model at the options that `family` has, whatever they are."""
    return _fitted(make_loss(rows), family.penalty({}), None, tolerance, iterations)


def _curve(
    inside: Sequence[Loss],
    left: Sequence[Sequence[Tensor]],
    rows: TaskRows,
    family: PenaltyFamily,
    settings: dict[str, Any],
    strengths: list[float],
    error: Error,
) -> StrengthCurve:
    """Errors over all folds, strength by strength; it ends where several in a row are clearly worse than the best."""
    starts: list[Tensor | None] = [None] * len(inside)
    count = max(1, sum(len(index) for of_fold in left for index in of_fold))
    errors: list[float] = []
    for strength in strengths:
        total = 0.0
        for fold, loss in enumerate(inside):
            objective = Objective(loss, family.penalty(settings, strength))
            starts[fold] = W = minimise(objective, starts[fold], ROUGH, PATIENCE).W
            total += _outside(loss, objective.whole(W), rows, left[fold], error)
        errors.append(total / count)
        if len(errors) > WORSE and min(errors[-WORSE:]) > CLEARLY * min(errors):
            break
    return StrengthCurve(settings, strengths[: len(errors)], errors)


def _outside(loss: Loss, W: Tensor, rows: TaskRows, left: Sequence[Tensor], error: Error) -> float:
    """The error on rows that were left out."""
    weights, intercepts = loss.model(W)
    return sum(
        float(error(X[index] @ w + b, y[index]))
        for X, y, index, w, b in zip(rows.inputs, rows.targets, left, weights.T, intercepts, strict=True)
        if len(index)
    )


def _fitted(loss: Loss, penalty: Constraint, start: Tensor | None, tolerance: float, iterations: int) -> Fitted:
    objective, began = Objective(loss, penalty), time.perf_counter()
    found = minimise(objective, start, tolerance, iterations)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        penalty.refresh_to_optimum(found.W)
    return Fitted(objective, penalty, found, seconds)
