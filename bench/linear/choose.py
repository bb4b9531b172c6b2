"""Models of a family: along a path of strengths, and at the strength that cross-validation chooses."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench.core.constraint import Constraint
from bench.linear.family import Family
from bench.linear.folds import split
from bench.linear.loss import Loss
from bench.linear.minimise import ITERATIONS, TOLERANCE, Objective, Solution, minimise
from bench.linear.rows import Rows

ROUGH, PATIENCE = 1e-4, 500  # tolerance and iterations of one model inside cross-validation
MakeLoss = Callable[[Rows], Loss]
Error = Callable[[Tensor, Tensor], Tensor]  # of predictions (n,) for targets (n,), summed over them


@dataclass(frozen=True)
class Fitted:
    """A model: its penalty with settled buffers, the solution, and how its strength was chosen, if it was.

    `curve` holds (settings, strengths, errors): the errors over all folds of each strength, per row.
    """

    objective: Objective
    penalty: Constraint
    solution: Solution
    settings: dict[str, Any]
    strength: float | None
    curve: list[tuple[dict[str, Any], list[float], list[float]]] = field(default_factory=list)

    @property
    def at_the_end(self) -> bool:
        """Whether the strength chosen is the last of its path: a weaker one may be better."""
        return any(s == self.settings and grid[-1] == self.strength for s, grid, _ in self.curve if len(grid) > 1)


def path(
    loss: Loss,
    family: Family,
    settings: dict[str, Any],
    strengths: Sequence[float],
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Iterator[tuple[Objective, Solution]]:
    """The solution at each strength, in their order, each from the one before."""
    W = None
    for strength in strengths:
        objective = Objective(loss, family.penalty(settings, strength))
        found = minimise(objective, W, tolerance, iterations)
        W = found.W
        yield objective, found


def fit(
    rows: Rows,
    make_loss: MakeLoss,
    family: Family,
    error: Error,
    *,
    points: int = 20,
    span: float = 1e-3,
    folds: int = 5,
    seed: int = 0,
    stratify: bool = False,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
    on_fold: Callable[[int, int], None] | None = None,
) -> Fitted:
    """The model of `family` on all rows; what is open is chosen by cross-validation over them, and nothing else.

    Strengths are those of the path on all rows; the setting and the strength with the least error, summed over the
    rows of all folds, win, the first of equal ones. The path then leads to the model.
    """
    loss = make_loss(rows)
    if not family.open:
        penalty = family.penalty({})
        objective = Objective(loss, penalty)
        return _settled(objective, penalty, minimise(objective, None, tolerance, iterations), {}, None, [])
    settings = family.settings()
    grids = [family.strengths(loss, each, points, span) for each in settings]
    totals = [[0.0] * len(grid) for grid in grids]
    parts = split(rows, folds, seed, stratify)
    for number, (kept, left) in enumerate(parts):
        inside = make_loss(rows.take(kept))
        for each, grid, total in zip(settings, grids, totals, strict=True):
            for at, (objective, found) in enumerate(path(inside, family, each, grid, ROUGH, PATIENCE)):
                total[at] += _outside(inside, objective.whole(found.W), rows, left, error)
        if on_fold:
            on_fold(number + 1, len(parts) + 1)
    curve = [
        (each, grid, [t / float(rows.counts.sum()) for t in total])
        for each, grid, total in zip(settings, grids, totals, strict=True)
    ]
    best = min(range(len(curve)), key=lambda k: min(curve[k][2]))
    chosen, grid, seen = curve[best]
    place = min(range(len(grid)), key=lambda k: seen[k])
    W = None
    for _, found in path(loss, family, chosen, grid[:place], ROUGH, PATIENCE):
        W = found.W
    penalty = family.penalty(chosen, grid[place])
    objective = Objective(loss, penalty)
    found = minimise(objective, W, tolerance, iterations)
    return _settled(objective, penalty, found, chosen, grid[place], curve)


def _outside(loss: Loss, W: Tensor, rows: Rows, left: Sequence[Tensor], error: Error) -> float:
    """The error on rows that were left out."""
    weights, intercepts = loss.model(W)
    return sum(
        float(error(X[index] @ w + b, y[index]))
        for X, y, index, w, b in zip(rows.inputs, rows.targets, left, weights.T, intercepts, strict=True)
        if len(index)
    )


def _settled(
    objective: Objective,
    penalty: Constraint,
    found: Solution,
    settings: dict[str, Any],
    strength: float | None,
    curve: list[tuple[dict[str, Any], list[float], list[float]]],
) -> Fitted:
    with torch.no_grad():
        penalty.settle(found.W)
    return Fitted(objective, penalty, found, settings, strength, curve)
