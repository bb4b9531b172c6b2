"""The likelihood of normal targets y = F m + e with unknown effects m: means, and functions that tasks have in common.

Linear algebra only: `gaussian_process` builds K and F from kernels, and optimises over their parameters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Evidence:
    """A marginal likelihood with what predictions and gradients need of it, block by block.

    Args:
        value: -log p(y).
        effects: their mean given y, (M,).
        alphas: K_b^-1 (y_b - F_b effects), (n_b,): predictions are k(., x_b) alpha_b plus effects.
        factors: Cholesky factors of K_b.
        solved: K_b^-1 F_b.
        spread: (F^T K^-1 F + P)^-1, the covariance of the effects given y, (M, M).
    """

    value: float
    effects: Tensor
    alphas: list[Tensor]
    factors: list[Tensor]
    solved: list[Tensor]
    spread: Tensor

    def slopes(self) -> list[tuple[Tensor, Tensor]]:
        """d value / d K_b and d value / d F_b of every block.

        (K_b^-1 - S_b C S_b^T - alpha_b alpha_b^T) / 2 and S_b C - alpha_b effects^T, S_b = K_b^-1 F_b, C the `spread`.
        """
        slopes = []
        for L, S, alpha in zip(self.factors, self.solved, self.alphas, strict=True):
            SC = S @ self.spread
            of_K = (torch.cholesky_inverse(L) - SC @ S.T - torch.outer(alpha, alpha)) / 2
            slopes.append((of_K, SC - torch.outer(alpha, self.effects)))
        return slopes


@torch.no_grad()
def evidence(blocks: Sequence[tuple[Tensor, Tensor, Tensor]], precision: Tensor) -> Evidence:
    """The likelihood of y = F m + e, e ~ N(0, K), in float64.

        p(y) = integral N(y; F m, K) p(m) dm

    `precision` (M,) of the effects is 1 for normal ones, N(0, 1), and 0 for a flat prior, p(m) = 1. K is
    block-diagonal: each block has K_b (n, n), F_b (n, M) and y_b (n,). With flat priors it is known as restricted
    likelihood (Patterson, Thompson, Biometrika 58, 1971): unlike the likelihood at the best means it takes into account
    that these fit noise. Raises torch.linalg.LinAlgError where a K_b is not positive definite.
    """
    # One solve for F and y together: G = [F y]^T K^-1 [F y] then holds every product that is needed.
    factors = [torch.linalg.cholesky(K) for K, _, _ in blocks]
    both = [torch.cat([F, y[:, None]], dim=1) for _, F, y in blocks]
    solved = [torch.cholesky_solve(b, L) for b, L in zip(both, factors, strict=True)]
    G = torch.stack([b.T @ S for b, S in zip(both, solved, strict=True)]).sum(dim=0)
    A, c = G[:-1, :-1] + torch.diag(precision), G[:-1, -1]
    root = torch.linalg.cholesky(A)
    effects = torch.cholesky_solve(c[:, None], root)[:, 0]
    volume = 2 * sum(float(L.diagonal().log().sum()) for L in (*factors, root))
    free = sum(len(y) for _, _, y in blocks) - int((precision == 0).sum())
    value = (float(G[-1, -1] - c @ effects) + volume + free * math.log(2 * math.pi)) / 2
    alphas = [S[:, -1] - S[:, :-1] @ effects for S in solved]
    return Evidence(value, effects, alphas, factors, [S[:, :-1] for S in solved], torch.cholesky_inverse(root))
