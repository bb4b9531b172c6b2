"""Squared loss, on sums of squares and products where there are more rows than columns.

With X_t^T X_t at hand an iteration costs d^2 T, whatever the number of rows.
"""

from copy import copy

import torch
from torch import Tensor

from bench.linear.loss import Loss, LossEvaluation, solve_intercepts
from bench.linear.rows import TaskRows

FEW = 4  # times fewer inputs in use than there are: then only theirs are multiplied


def _quadratic(gradient: Tensor, product: float, W: Tensor) -> LossEvaluation:
    """f = <u, r> / 2 with r = y - X W and u what the intercepts leave of it, from df/dW and <u, y> = `product`.

    <u, X W> = -<df/dW, W>, and the dual objective at s u is s <u, y> - s^2 f.
    """
    value = max(0.0, (product + float((gradient * W).sum())) / 2)

    def dual(limit: float) -> float:
        # Not below 0, where a penalty of W >= 0 has no bound; a norm has its best there far from the minimum only.
        scale = max(0.0, min(limit, product / (2 * value))) if value > 0 else 0.0
        return scale * product - scale**2 * value

    return LossEvaluation(value, gradient, dual)


class Squared(Loss):
    """sum_ti (y_ti - x_ti w_t - b_t)^2 / 2 + rho sum_t (b_t - mean b)^2.

    Own intercepts are taken out by centring; with more rows than columns only X_t^T X_t and X_t^T y_t are kept.
    Tasks with common inputs keep one matrix for all.

    rows: in float64.
    rho: as in `Loss`: None for no intercepts, 0 for own ones, inf for one in common.
    """

    def __init__(self, rows: TaskRows, rho: float | None = None) -> None:
        self.shape = rows.features, len(rows.names)
        self.rho, self.counts, self.common = rho, rows.counts, rows.common
        distinct, targets = list(rows.inputs[:1] if self.common else rows.inputs), list(rows.targets)
        sums = torch.stack([X.sum(dim=0) for X in distinct], dim=1)
        self.x = sums.expand(self.shape) if self.common else sums  # (d, T)
        self.y = torch.stack([y.sum() for y in targets])
        if rho == 0:
            distinct, targets = [X - X.mean(dim=0) for X in distinct], [y - y.mean() for y in targets]
        self.squares = float(sum(y @ y for y in targets))
        if self.common:
            self.B = distinct[0].T @ torch.stack(targets, dim=1)
        else:
            self.B = torch.stack([X.T @ y for X, y in zip(distinct, targets, strict=True)], dim=1)
        # Half as many rows as columns, or fewer: two products with X are then cheaper than one with X^T X.
        wide = rows.features > 2 * max(len(X) for X in distinct)
        self.X = torch.nn.utils.rnn.pad_sequence(distinct, batch_first=True) if wide else None
        self.A = None if wide else torch.stack([X.T @ X for X in distinct])

    def _times(self, W: Tensor) -> Tensor:
        """X_t^T X_t w_t of every task, (d, T)."""
        if self.common:
            return self.A[0] @ W if self.A is not None else self._through_rows(W)
        rows = W.T.contiguous().unsqueeze(1)  # a row times a matrix takes half the time of a matrix times a column
        if self.A is not None:
            return (rows @ self.A).squeeze(1).T
        assert self.X is not None
        return (rows @ self.X.mT @ self.X).squeeze(1).T

    def _through_rows(self, W: Tensor) -> Tensor:
        """X^T (X W) of common inputs; where few inputs are in use, only their columns are multiplied."""
        assert self.X is not None
        X = self.X[0]
        used = W.any(dim=1).nonzero().flatten()
        if not len(used):
            return torch.zeros_like(W)
        return X.T @ (X[:, used] @ W[used] if FEW * len(used) < len(W) else X @ W)

    def look(self, W: Tensor) -> LossEvaluation:
        gradient = self._times(W) - self.B
        product = self.squares - float((self.B * W).sum())
        if self.rho:
            b = self._intercepts(W)
            gradient, product = gradient + self.x * b, product - float(b @ self.y)
        return _quadratic(gradient, product, W)

    def gradient(self, W: Tensor) -> Tensor:
        gradient = self._times(W) - self.B
        return gradient + self.x * self._intercepts(W) if self.rho else gradient

    def model(self, W: Tensor) -> tuple[Tensor, Tensor]:
        return W, self._intercepts(W)

    def _intercepts(self, W: Tensor) -> Tensor:
        if self.rho is None:
            return torch.zeros_like(self.y)
        return solve_intercepts(self.y - (self.x * W).sum(dim=0), self.counts, self.rho)

    def restrict(self, inputs: Tensor) -> Loss:
        part = copy(self)
        vars(part).pop("steepest", None)
        if 2 * len(inputs) > self.shape[0]:
            # That of a part is no more, and hardly less: eigenvalues of many inputs take longer than they save.
            part.steepest = self.steepest
        part.shape = len(inputs), self.shape[1]
        part.x, part.B = self.x[inputs], self.B[inputs]
        if self.A is None:
            assert self.X is not None
            X = self.X[..., inputs]
            part.A, part.X = (X.mT @ X, None) if len(inputs) <= X.shape[1] else (None, X)
        else:
            part.A = self.A[:, inputs][..., inputs]
        return part

    def curvature(self, tied: bool) -> float:
        if self.A is not None:
            matrices = self.A * self.shape[1] if tied and self.common else self.A
            return float(torch.linalg.eigvalsh(matrices.sum(dim=0) if tied else matrices).max())
        assert self.X is not None
        if tied:
            return float(torch.linalg.matrix_norm(self.X.flatten(0, 1), 2)) ** 2 * (self.shape[1] if self.common else 1)
        return float(torch.linalg.eigvalsh(self.X @ self.X.mT).max())


class Offsets(Loss):
    """Squared loss as a function of the intercepts, W (1, T); the slopes are one column for all, at their best.

    For a constraint on intercepts with common weights, as `hard:split=1+l2`. The slopes solve
    (sum_t X_t^T X_t) w = sum_t X_t^T (y_t - b_t), by a pseudo-inverse that is computed once.
    """

    def __init__(self, rows: TaskRows) -> None:
        self.shape = 1, len(rows.names)
        self.counts = rows.counts
        self.x = torch.stack([X.sum(dim=0) for X in rows.inputs], dim=1)
        self.y = torch.stack([y.sum() for y in rows.targets])
        self.squares = float(sum(y @ y for y in rows.targets))
        self.B = sum(X.T @ y for X, y in zip(rows.inputs, rows.targets, strict=True))
        self.inverse = torch.linalg.pinv(sum(X.T @ X for X in rows.inputs), hermitian=True)

    def slopes(self, W: Tensor) -> Tensor:
        """The slopes (d,) that minimise the loss at the intercepts W (1, T)."""
        slopes: Tensor = self.inverse @ (self.B - self.x @ W[0])
        return slopes

    def look(self, W: Tensor) -> LossEvaluation:
        slopes = self.slopes(W)
        gradient = (self.counts * W[0] + slopes @ self.x - self.y)[None]
        return _quadratic(gradient, self.squares - float(slopes @ self.B) - float(W[0] @ self.y), W)

    def gradient(self, W: Tensor) -> Tensor:
        return (self.counts * W[0] + self.slopes(W) @ self.x - self.y)[None]

    def model(self, W: Tensor) -> tuple[Tensor, Tensor]:
        return self.slopes(W)[:, None].expand(-1, self.shape[1]), W[0]

    def curvature(self, tied: bool) -> float:
        return float(self.counts.sum() if tied else self.counts.max())
