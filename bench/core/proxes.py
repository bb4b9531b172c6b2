"""Proxes of norms and the norms dual to them, for constraints that are built from them; all with threshold t >= 0."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.core.spectra import gram_eigen, mixed, unfoldings


def shrink_groups(W: Tensor, axes: Sequence[int], t: float) -> Tensor:
    """max(1 - t / |W_g|, 0) W_g for every group g, the entries that differ along `axes` only."""
    norms: Tensor = torch.linalg.vector_norm(W, dim=tuple(axes), keepdim=True)
    return W * (1 - t / norms.clamp(min=torch.finfo(W.dtype).tiny)).clamp(min=0)


def largest_group(G: Tensor, axes: Sequence[int]) -> Tensor:
    """max_g |G_g|, dual to the sum of the groups' norms."""
    norms: Tensor = torch.linalg.vector_norm(G, dim=tuple(axes)).max()
    return norms


def shrink_singular(W: Tensor, t: float) -> Tensor:
    """U max(S - t, 0) V^T of W (..., T) as a matrix (P, T), through the smaller of W^T W and W W^T."""
    [A] = unfoldings(W, "last")
    wide = A.shape[0] < A.shape[1]
    s, V = gram_eigen(A.T if wide else A)
    kept = (1 - t / s.clamp(min=torch.finfo(s.dtype).tiny)).clamp(min=0)
    projected = (V * kept) @ V.T
    return (projected @ A).reshape(W.shape) if wide else mixed(W, projected)


def spectral_norm(G: Tensor) -> Tensor:
    """The largest singular value of G (..., T) as a matrix (P, T), dual to the trace norm."""
    [A] = unfoldings(G, "last")
    return gram_eigen(A.T if A.shape[0] < A.shape[1] else A)[0].max()


def clip_to_ball(W: Tensor, t: float) -> Tensor:
    """prox of t max_s |w_s| for every w = W[..., :]: W less its projection on the l1 ball of radius t.

    It is clamp(w, -c, c) with the c >= 0 at which sum_s max(|w_s| - c, 0) = t; 0 where |w|_1 <= t.
    """
    ordered = W.abs().sort(dim=-1, descending=True).values
    counts = torch.arange(1, W.shape[-1] + 1, dtype=W.dtype, device=W.device)
    level = ((ordered.cumsum(dim=-1) - t) / counts).amax(dim=-1, keepdim=True).clamp(min=0)
    return torch.minimum(torch.maximum(W, -level), level)
