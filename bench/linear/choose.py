"""Fits of a penalty family: along a path of strengths, and at the strength that cross-validation chooses."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench.core.constraint import Constraint
from bench.linear.family import PenaltyFamily
from bench.linear.folds import Fold, split
from bench.linear.loss import Loss
from bench.linear.minimise import minimise
from bench.linear.objective import ITERATIONS, TOLERANCE, Objective, SolverResult
from bench.linear.rows import TaskRows

ROUGH = 1e-4  # tolerance of models inside cross-validation: their errors differ by far more
PATIENCE = 200  # iterations of such a model, from the one before it on the path
WORSE = 3  # strengths in a row that have to be clearly worse before a path ends: errors are not smooth
CLEARLY = 1.05  # times the least error, and more, is clearly worse
MakeLoss = Callable[[TaskRows], Loss]
Error = Callable[[Tensor, Tensor], Tensor]  # of predictions (n,) for targets (n,), summed over them


@dataclass(frozen=True)
class StrengthCurve:
    """The error of every strength of a path, for one choice of the other options.

    settings: the other options, as {"k": 3}.
    strengths: falling; those at which the path was followed.
    errors: the loss per row that was left out, one for each strength.
    """

    settings: dict[str, Any]
    strengths: list[float]
    errors: list[float]

    @property
    def best(self) -> int:
        """Index of the least error, the first of equal ones: the strongest penalty among them."""
        return min(range(len(self.errors)), key=self.errors.__getitem__)


@dataclass(frozen=True)
class Fitted:
    """A model: the penalty with settled buffers, the solution, what was chosen for it, and from which curves.

    seconds: of the final fit alone, without cross-validation.
    strength: that was chosen; None where it was given, as are `chosen` and an empty `curves`.
    """

    objective: Objective
    penalty: Constraint
    solution: SolverResult
    seconds: float  # of this fit alone
    strength: float | None = None
    chosen: StrengthCurve | None = None
    curves: list[StrengthCurve] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """Other options that cross-validation chose; empty where it chose none."""
        return self.chosen.settings if self.chosen else {}

    @property
    def at_the_end(self) -> bool:
        """Whether the strength chosen is the last of its path: a weaker one may be better."""
        last = len(self.chosen.errors) - 1 if self.chosen else 0
        return self.chosen is not None and self.chosen.best == last > 0

    def model(self) -> tuple[Tensor, Tensor]:
        """Weights (d, T) and intercepts (T,)."""
        return self.objective.loss.model(self.objective.sum_parts(self.solution.W))


def follow_path(
    loss: Loss,
    family: PenaltyFamily,
    settings: dict[str, Any],
    strengths: Sequence[float],
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Iterator[tuple[Objective, SolverResult]]:
    """The solution at each strength, in their order, each from the one before.

    Args:
        loss: f, on the rows that the path is fitted to.
        family: whose penalty is built anew for each strength.
        settings: other options of the penalty.
        strengths: falling, so that few weights are in use at first and each start is near its solution.
        tolerance: of each certificate.
        iterations: for each strength, at most.
    """
    W = None
    for strength in strengths:
        objective = Objective(loss, family.build_penalty(settings, strength))
        solution = minimise(objective, W, tolerance, iterations)
        W = solution.W
        yield objective, solution


def fit_family(
    rows: TaskRows,
    make_loss: MakeLoss,
    family: PenaltyFamily,
    error: Error,
    *,
    points: int = 20,
    span: float = 1e-3,
    folds: int | Sequence[Fold] = 5,
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

    Args:
        rows: of the training part; test rows have no place here.
        make_loss: rows -> f, called once for all rows and once for each fold.
        family: the penalty, with its open options.
        error: what cross-validation adds up over rows left out.
        points: strengths of a path.
        span: the last strength over the first.
        folds: of cross-validation: how many, or which rows of every task each keeps and leaves out.
        seed: of the folds.
        stratify: deal out the classes of a task apart.
        tolerance: of the final certificate.
        iterations: of the final fit, at most.
        on_curve: called after each curve with the number of steps done and of all, to show progress.

    Raises:
        UsageError: the constraint has no strength or no prox, or the rows cannot be fitted by the loss.
    """
    loss = make_loss(rows)
    if not family.open:
        return _fit(loss, family.build_penalty({}), None, tolerance, iterations)
    parts = split(rows, folds, seed, stratify) if isinstance(folds, int) else folds
    settings, curves = family.list_settings(), []
    inside, left = [make_loss(rows.take(kept)) for kept, _ in parts], [out for _, out in parts]
    for number, each in enumerate(settings):
        strengths = family.list_strengths(loss, each, points, span)
        curves.append(_curve(inside, left, rows, family, each, strengths, error))
        if on_curve:
            on_curve(number + 1, len(settings) + 1)
    chosen = min(curves, key=lambda curve: curve.errors[curve.best])
    strength = chosen.strengths[chosen.best]
    start = None
    for _, solution in follow_path(loss, family, chosen.settings, chosen.strengths[: chosen.best], ROUGH, PATIENCE):
        start = solution.W
    made = _fit(loss, family.build_penalty(chosen.settings, strength), start, tolerance, iterations)
    return Fitted(made.objective, made.penalty, made.solution, made.seconds, strength, chosen, curves)


def fit_at(rows: TaskRows, make_loss: MakeLoss, family: PenaltyFamily, tolerance: float, iterations: int) -> Fitted:
    """The model at the options that `family` has, whatever they are; nothing is chosen.

    Args as those of `fit_family`.
    """
    return _fit(make_loss(rows), family.build_penalty({}), None, tolerance, iterations)


def _curve(
    inside: Sequence[Loss],
    left: Sequence[Sequence[Tensor]],
    rows: TaskRows,
    family: PenaltyFamily,
    settings: dict[str, Any],
    strengths: list[float],
    error: Error,
) -> StrengthCurve:
    """Errors over all folds, strength by strength; it ends where several in a row are clearly worse than the best.

    Args:
        inside: the loss of each fold, on the rows that it keeps.
        left: for each fold the indices of the rows left out, task by task.
        rows: all rows, which the indices refer to.
        settings: other options of the penalty.
        strengths: falling, the same for all folds.
        error: of predictions for targets, summed.
    """
    starts: list[Tensor | None] = [None] * len(inside)
    count = max(1, sum(len(index) for of_fold in left for index in of_fold))
    errors: list[float] = []
    for strength in strengths:
        total = 0.0
        for fold, loss in enumerate(inside):
            objective = Objective(loss, family.build_penalty(settings, strength))
            starts[fold] = W = minimise(objective, starts[fold], ROUGH, PATIENCE).W
            total += _error_left_out(loss, objective.sum_parts(W), rows, left[fold], error)
        errors.append(total / count)
        if len(errors) > WORSE and min(errors[-WORSE:]) > CLEARLY * min(errors):
            break
    return StrengthCurve(settings, strengths[: len(errors)], errors)


def _error_left_out(loss: Loss, W: Tensor, rows: TaskRows, left: Sequence[Tensor], error: Error) -> float:
    """The error on the rows of one fold that were left out, summed over tasks, of the weights W (d, T)."""
    weights, intercepts = loss.model(W)
    return sum(
        float(error(X[index] @ w + b, y[index]))
        for X, y, index, w, b in zip(rows.inputs, rows.targets, left, weights.T, intercepts, strict=True)
        if len(index)
    )


def _fit(loss: Loss, penalty: Constraint, start: Tensor | None, tolerance: float, iterations: int) -> Fitted:
    """One model from `start` (0 where it is None), with its time and the buffers of its penalty at their minimum."""
    objective, began = Objective(loss, penalty), time.perf_counter()
    solution = minimise(objective, start, tolerance, iterations)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        # Buffers (covariances, clusters) that the record shows: the solver may have used their minimum instead.
        penalty.refresh_to_optimum(solution.W)
    return Fitted(objective, penalty, solution, seconds)


def half_squares(z: Tensor, y: Tensor) -> Tensor:
    """sum (z - y)^2 / 2, as the loss has it."""
    return (z - y).square().sum() / 2
