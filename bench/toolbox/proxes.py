"""Proxes of norms and the norms dual to them, for constraints that are built from them; all with threshold t >= 0.

prox of t R at W is argmin_V t R(V) + |V - W|^2 / 2. W (..., T) has the tasks last. No function changes its argument.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.toolbox.spectra import gram_eigen, mix_copies, unfoldings


def shrink_groups(W: Tensor, axes: Sequence[int], t: float) -> Tensor:
    """prox of t sum_g |W_g|: max(1 - t / |W_g|, 0) W_g for every group g, the entries that differ along `axes` only."""
    # A group of zeros: dividing by the smallest positive number clips the factor to 0 where 0 would give NaN.
    norms: Tensor = torch.linalg.vector_norm(W, dim=tuple(axes), keepdim=True)
    return W * (1 - t / norms.clamp(min=torch.finfo(W.dtype).tiny)).clamp(min=0)


def largest_group(G: Tensor, axes: Sequence[int]) -> Tensor:
    """max_g |G_g|, dual to the sum of the groups' norms."""
    norms: Tensor = torch.linalg.vector_norm(G, dim=tuple(axes)).max()
    return norms


def scale_singular(W: Tensor, factor: Callable[[Tensor], Tensor]) -> Tensor:
    """U diag(factor(S) S) V^T of W (..., T) as a matrix (P, T), through the smaller of W^T W and W W^T.

    `factor` maps the min(P, T) singular values, ascending, to one number for each.
    """
    # U is never computed: U diag(factor(s) s) V^T = A V diag(factor(s)) V^T, which is stable where s_i is near 0.
    [A] = unfoldings(W, "last")
    wide = A.shape[0] < A.shape[1]
    s, V = gram_eigen(A.T if wide else A)
    scaled = (V * factor(s)) @ V.T
    return (scaled @ A).reshape(W.shape) if wide else mix_copies(W, scaled)


def singular_values(W: Tensor) -> Tensor:
    """The min(P, T) singular values of W (..., T) as a matrix (P, T), ascending; without a gradient."""
    [A] = unfoldings(W, "last")
    return gram_eigen(A.T if A.shape[0] < A.shape[1] else A)[0]


def shrink_singular(W: Tensor, t: float) -> Tensor:
    """prox of t |W|_*, the trace norm: U max(S - t, 0) V^T."""
    return scale_singular(W, lambda s: (1 - t / s.clamp(min=torch.finfo(s.dtype).tiny)).clamp(min=0))


def shrink_singular_squared(W: Tensor, t: float) -> Tensor:
    """prox of t/2 |W|_*^2: U max(S - c, 0) V^T, c = t sum_i max(S_i - c, 0) = max_k t sum_{i<=k} S_i / (1 + k t)."""

    def factor(s: Tensor) -> Tensor:
        # The equation for c is solved by trying all k, the number of singular values that stay: the largest is right.
        counts = torch.arange(1, len(s) + 1, dtype=s.dtype, device=s.device)
        level = (t * s.flip(0).cumsum(dim=0) / (1 + counts * t)).max()
        return (1 - level / s.clamp(min=torch.finfo(s.dtype).tiny)).clamp(min=0)

    return scale_singular(W, factor)


def spectral_norm(G: Tensor) -> Tensor:
    """The largest singular value of G (..., T) as a matrix (P, T), dual to the trace norm."""
    return singular_values(G)[-1]


def clip_to_ball(W: Tensor, t: float) -> Tensor:
    """prox of t max_s |w_s| for every w = W[..., :]: W less its projection on the l1 ball of radius t.

    It is clamp(w, -c, c) with the c >= 0 at which sum_s max(|w_s| - c, 0) = t; 0 where |w|_1 <= t.
    """
    ordered = W.abs().sort(dim=-1, descending=True).values
    counts = torch.arange(1, W.shape[-1] + 1, dtype=W.dtype, device=W.device)
    level = ((ordered.cumsum(dim=-1) - t) / counts).amax(dim=-1, keepdim=True).clamp(min=0)
    return torch.minimum(torch.maximum(W, -level), level)
