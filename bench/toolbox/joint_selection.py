"""Inputs that all tasks use, or none: rows of every task, a path of penalties, and cross-validation over units."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bench.toolbox.proxes import largest_group, shrink_groups

STEPS = 1_000  # of one minimisation, at most
CLOSE = 1e-7  # length of the last step over that of the weights
POINTS = 12  # penalties of a path, evenly in logarithms
SPAN = 1e-2  # the last over the first
Rows = Sequence[tuple[Tensor, Tensor]]  # inputs (n_t, d) and targets (n_t,) of every task, float64


def select_inputs(rows: Rows, folds: Sequence[Tensor]) -> Tensor:
    """Which inputs are used, bool (d,): where W_j is not 0 at the penalty of least error in cross-validation.

    W (d, T) minimises sum_t |y_t - X_t w_t|^2 / 2 + v sum_j |W_j|, with the means of inputs and targets taken out; of
    one task it is the lasso. v goes from where W = 0 down to a hundredth of it.

    folds: the fold of every row of every task, int64 (n_t,). Rows of one unit should be in one fold.
    """
    strengths = _list_strengths(rows)
    errors = [0.0] * len(strengths)
    for fold in range(1 + max(int(each.max()) for each in folds)):
        kept = [(X[at != fold], y[at != fold]) for (X, y), at in zip(rows, folds, strict=True)]
        left = [(X[at == fold], y[at == fold]) for (X, y), at in zip(rows, folds, strict=True)]
        if min(len(y) for _, y in kept) < 2:
            continue
        for number, W in enumerate(_follow(kept, strengths)):
            for (X, y), (tried, target), w in zip(kept, left, W.T, strict=True):
                guess = y.mean() + (tried - X.mean(dim=0)) @ w
                errors[number] += float((guess - target).square().sum())
    best = min(range(len(errors)), key=errors.__getitem__)
    return _follow(rows, strengths[: best + 1])[-1].any(dim=1)


def _centre(rows: Rows) -> tuple[Tensor, Tensor]:
    """X_t^T X_t (T, d, d) and X_t^T y_t (d, T), means taken out."""
    centred = [(X - X.mean(dim=0), y - y.mean()) for X, y in rows]
    return torch.stack([X.T @ X for X, _ in centred]), torch.stack([X.T @ y for X, y in centred], dim=1)


def _list_strengths(rows: Rows) -> list[float]:
    """From the least penalty at which W = 0, evenly in logarithms; 1 alone where nothing is to be fitted."""
    first = float(largest_group(_centre(rows)[1], (1,)))
    return [first * SPAN ** (k / (POINTS - 1)) for k in range(POINTS)] if first > 0 else [1.0]


def _follow(rows: Rows, strengths: Sequence[float]) -> list[Tensor]:
    """W (d, T) at every penalty, each from the one before, by accelerated proximal steps that restart."""
    A, B = _centre(rows)
    step = 1 / (float(torch.linalg.eigvalsh(A).max()) or 1.0)
    W, found = torch.zeros_like(B), []
    for v in strengths:
        V, momentum = W, 1.0
        for _ in range(STEPS):
            new = shrink_groups(V - step * ((A @ V.T[:, :, None])[:, :, 0].T - B), (1,), step * v)
            change = new - W
            if float(((V - new) * change).sum()) > 0:
                momentum = 1.0
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            V, W, momentum = new + (momentum - 1) / following * change, new, following
            if float(change.norm()) <= CLOSE * float(W.norm()):
                break
        found.append(W)
    return found
