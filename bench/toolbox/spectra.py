"""Singular values and symmetric matrices of constraints.

One side is the tasks, so decompositions are of T x T matrices, and the long side is met in products only.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def gram_eigen(A: Tensor) -> tuple[Tensor, Tensor]:
    """(s, V): singular values of A (m, n), m >= n, and its right singular vectors, by A^T A in float64.

    s (n,) ascends; V (n, n) has a vector per column. Values below 1e-7 of the largest are rounding, and come back
    as 0.
    """
    G = A.double().T @ A.double()
    values, V = torch.linalg.eigh(G)
    values = values.clamp(min=0)
    # Eigenvalues are squares: 1e-14 of the largest is what rounding in float64 leaves of a zero.
    values = torch.where(values > 1e-14 * values.max(), values, 0.0)
    return values.sqrt().to(A.dtype), V.to(A.dtype)


def sqrt_psd(G: Tensor) -> Tensor:
    """The symmetric square root of a symmetric positive semidefinite matrix G (n, n)."""
    # Rounding makes eigenvalues that are 0 slightly negative.
    values, Q = torch.linalg.eigh(G)
    root: Tensor = (Q * values.clamp(min=0).sqrt()) @ Q.T
    return root


def water_filling(s: Tensor, eta: float, total: float) -> Tensor:
    """m (n,) that minimises sum_i s_i^2 / (eta + m_i) under 0 <= m <= 1 and sum_i m_i = total.

    m_i = clip(c s_i - eta, 0, 1), whose sum is piecewise linear in c: exact between the two corners around `total`.
    What is left where every s_i > 0 has m_i = 1 is spread evenly over the others. All m_i are 1 if total >= n.

    Args:
        s: singular values (n,), >= 0.
        eta: > 0; the least denominator.
        total: the amount to distribute, >= 0.
    """
    n = len(s)
    if total >= n:
        return torch.ones_like(s)
    live = s > 0
    if total >= int(live.sum()):
        left = (total - int(live.sum())) / (n - int(live.sum()))
        return torch.where(live, 1.0, left).to(s)
    positive = s[live].double()
    corners = torch.cat([eta / positive, (eta + 1) / positive]).sort().values
    sums = (corners[:, None] * positive - eta).clamp(0, 1).sum(dim=1)
    after = int(torch.searchsorted(sums, total).clamp(1, len(corners) - 1))
    low, high = sums[after - 1], sums[after]
    share = (total - low) / (high - low) if high > low else 1.0
    c = corners[after - 1] + share * (corners[after] - corners[after - 1])
    return (c * s - eta).clamp(0, 1).to(s)


def mix_copies(W: Tensor, M: Tensor) -> Tensor:
    """sum_s W_s M_st for W (..., T), M (T, T): `W @ M`, in the memory of copies that lie one after the other."""
    tasks = W.shape[-1]
    rows = M.T @ W.movedim(-1, 0).reshape(tasks, -1)
    return rows.reshape(tasks, *W.shape[:-1]).movedim(0, -1)


class _TraceNorm(torch.autograd.Function):
    """sum_i sqrt(s_i^2 + eps^2) - eps of A (m, n), with the gradient A (A^T A + eps^2 I)^(-1/2) written out."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, eps: float) -> Tensor:
        tall = A if A.shape[0] >= A.shape[1] else A.T
        s, V = gram_eigen(tall)
        smooth = (s.square() + eps**2).sqrt()
        scale = torch.where(smooth > 0, 1 / smooth, 0.0)
        slope = ((tall @ V) * scale) @ V.T
        ctx.save_for_backward(slope if tall is A else slope.T)
        return (smooth - eps).sum()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        [slope] = ctx.saved_tensors
        return grads[0] * slope, None


def trace_norm(A: Tensor, eps: float = 0.0) -> Tensor:
    """sum_i sqrt(s_i^2 + eps^2) - eps over the singular values of a matrix; at eps = 0 the trace norm.

    Differentiable once, also at 0 and where singular values repeat; at eps = 0 the subgradient U V^T.
    """
    value: Tensor = _TraceNorm.apply(A, eps)  # type: ignore[no-untyped-call]
    return value


def unfoldings(W: Tensor, mode: str) -> Iterator[Tensor]:
    """The matrices of a tensor (..., T).

    `last`: (P, T). `tucker`: one axis against all others, each in turn. `tt`: the first axes against the rest.
    """
    if mode == "last":
        yield W.reshape(-1, W.shape[-1])
    elif mode == "tucker":
        for axis, size in enumerate(W.shape):
            yield W.movedim(axis, 0).reshape(size, -1)
    else:
        for rows in itertools.accumulate(W.shape[:-1], lambda a, b: a * b):
            yield W.reshape(rows, -1)
