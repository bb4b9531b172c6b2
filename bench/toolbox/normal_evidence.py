"""The likelihood of normal targets with effects that are known or unknown: means, and functions in common."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Evidence:
    """-log p(y) as `value`, the mean of the `effects` (M,) given y, and `alphas`, K_b^-1 (y_b - F_b effects)."""

    value: float
    effects: Tensor
    alphas: list[Tensor]
    factors: list[Tensor]  # Cholesky's, of K_b
    solved: list[Tensor]  # K_b^-1 F_b
    spread: Tensor  # (F^T K^-1 F + P)^-1, the covariance of the effects given y

    def slopes(self) -> list[tuple[Tensor, Tensor]]:
        """d value / d K_b and d value / d F_b of every block.

        (K_b^-1 - S_b C S_b^T - alpha_b alpha_b^T) / 2 and S_b C - alpha_b effects^T, S_b = K_b^-1 F_b, C the `spread`.
        """
        found = []
        for L, S, alpha in zip(self.factors, self.solved, self.alphas, strict=True):
            SC = S @ self.spread
            of_K = (torch.cholesky_inverse(L) - SC @ S.T - torch.outer(alpha, alpha)) / 2
            found.append((of_K, SC - torch.outer(alpha, self.effects)))
        return found


@torch.no_grad()
def evidence(blocks: Sequence[tuple[Tensor, Tensor, Tensor]], precision: Tensor) -> Evidence:
    """The likelihood of y = F m + e, e ~ N(0, K), in float64.

        p(y) = integral N(y; F m, K) p(m) dm

    `precision` (M,) is that of the effects: 1 of normal ones, N(0, 1), and 0 of those with a flat prior, p(m) = 1. K is
    block-diagonal: each block has K_b (n, n), F_b (n, M) and y_b (n,). With flat priors it is known as restricted
    likelihood (Patterson, Thompson, Biometrika 58, 1971): unlike the likelihood at the best means it takes into account
    that these fit noise. Raises torch.linalg.LinAlgError where a K_b is not positive definite.
    """
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
