"""Squared loss, on sums of squares and products where there are more rows than columns."""

import torch
from torch import Tensor

from bench.linear.loss import Loss, best_intercepts
from bench.linear.rows import Rows


class _Quadratic(Loss):
    """f = <u, r> / 2 with r = y - X W and u what the intercepts leave of it; so f = (<u, y> + <df/dW, W>) / 2."""

    def _look(self, W: Tensor) -> tuple[Tensor, float]:
        """df/dW and <u, y>."""
        raise NotImplementedError

    def gradient(self, W: Tensor) -> Tensor:
        return self._look(W)[0]

    def value(self, W: Tensor) -> float:
        gradient, product = self._look(W)
        return max(0.0, (product + float((gradient * W).sum())) / 2)

    def dual(self, W: Tensor, limit: float) -> float:
        """s <u, y> - s^2 f(W) at its best s."""
        gradient, product = self._look(W)
        value = max(0.0, (product + float((gradient * W).sum())) / 2)
        scale = max(-limit, min(limit, product / (2 * value))) if value > 0 else 0.0
        return scale * product - scale**2 * value


class Squared(_Quadratic):
    """sum_ti (y_ti - x_ti w_t - b_t)^2 / 2 + rho sum_t (b_t - mean b)^2.

    Own intercepts are taken out by centring; with more rows than columns only X_t^T X_t and X_t^T y_t are kept.
    """

    def __init__(self, rows: Rows, rho: float | None = None) -> None:
        self.shape = rows.features, len(rows.names)
        self.rho, self.counts, self.common = rho, rows.counts, rows.common
        self.x = torch.stack([X.sum(dim=0) for X in rows.inputs], dim=1)  # (d, T)
        self.y = torch.stack([y.sum() for y in rows.targets])
        inputs, targets = list(rows.inputs), list(rows.targets)
        if rho == 0:
            inputs = (
                [inputs[0] - inputs[0].mean(dim=0)] * len(inputs) if self.common else [X - X.mean(0) for X in inputs]
            )
            targets = [y - y.mean() for y in targets]
        self.squares = float(sum(y @ y for y in targets))
        self.B = torch.stack([X.T @ y for X, y in zip(inputs, targets, strict=True)], dim=1)
        distinct = inputs[:1] if self.common else inputs
        wide = rows.features > 2 * max(len(X) for X in distinct)
        self.X = torch.nn.utils.rnn.pad_sequence(distinct, batch_first=True) if wide else None
        self.A = None if wide else torch.stack([X.T @ X for X in distinct])

    def _times(self, W: Tensor) -> Tensor:
        """X_t^T X_t w_t."""
        if self.common:
            return self.X[0].T @ (self.X[0] @ W) if self.A is None else self.A[0] @ W  # type: ignore[index]
        rows = W.T.contiguous().unsqueeze(1)  # a row times a matrix takes half the time of a matrix times a column
        if self.A is not None:
            return (rows @ self.A).squeeze(1).T
        assert self.X is not None
        return (rows @ self.X.mT @ self.X).squeeze(1).T

    def _look(self, W: Tensor) -> tuple[Tensor, float]:
        gradient = self._times(W) - self.B
        product = self.squares - float((self.B * W).sum())
        if self.rho:
            b = self._intercepts(W)
            gradient, product = gradient + self.x * b, product - float(b @ self.y)
        return gradient, product

    def gradient(self, W: Tensor) -> Tensor:
        gradient = self._times(W) - self.B
        return gradient + self.x * self._intercepts(W) if self.rho else gradient

    def model(self, W: Tensor) -> tuple[Tensor, Tensor]:
        return W, self._intercepts(W)

    def _intercepts(self, W: Tensor) -> Tensor:
        if self.rho is None:
            return torch.zeros_like(self.y)
        return best_intercepts(self.y - (self.x * W).sum(dim=0), self.counts, self.rho)

    def curvature(self, tied: bool) -> float:
        if self.A is not None:
            matrices = self.A * self.shape[1] if tied and self.common else self.A
            return float(torch.linalg.eigvalsh(matrices.sum(dim=0) if tied else matrices).max())
        assert self.X is not None
        if tied:
            return float(torch.linalg.matrix_norm(self.X.flatten(0, 1), 2)) ** 2 * (self.shape[1] if self.common else 1)
        return float(torch.linalg.eigvalsh(self.X @ self.X.mT).max())


class Offsets(_Quadratic):
    """Squared loss as a function of the intercepts, W (1, T); the slopes are one column for all, at their best."""

    def __init__(self, rows: Rows) -> None:
        self.shape = 1, len(rows.names)
        self.counts = rows.counts
        self.x = torch.stack([X.sum(dim=0) for X in rows.inputs], dim=1)
        self.y = torch.stack([y.sum() for y in rows.targets])
        self.squares = float(sum(y @ y for y in rows.targets))
        self.B = sum(X.T @ y for X, y in zip(rows.inputs, rows.targets, strict=True))
        self.inverse = torch.linalg.pinv(sum(X.T @ X for X in rows.inputs), hermitian=True)

    def slopes(self, W: Tensor) -> Tensor:
        """The slopes (d,) that belong to the intercepts."""
        found: Tensor = self.inverse @ (self.B - self.x @ W[0])
        return found

    def _look(self, W: Tensor) -> tuple[Tensor, float]:
        slopes = self.slopes(W)
        gradient = (self.counts * W[0] + slopes @ self.x - self.y)[None]
        return gradient, self.squares - float(slopes @ self.B) - float(W[0] @ self.y)

    def model(self, W: Tensor) -> tuple[Tensor, Tensor]:
        return self.slopes(W)[:, None].expand(-1, self.shape[1]), W[0]

    def curvature(self, tied: bool) -> float:
        return float(self.counts.sum() if tied else self.counts.max())
