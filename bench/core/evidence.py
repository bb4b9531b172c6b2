"""The likelihood of normal targets whose means are unknown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Evidence:
    """-log p(y) as `value`, the best `means` (M,), and `alphas`, K_b^-1 (y_b - m_b) of every block."""

    value: float
    means: Tensor
    alphas: list[Tensor]
    factors: list[Tensor]  # Cholesky's, of K_b
    designs: list[Tensor]  # K_b^-1 H_b
    spread: Tensor  # (H^T K^-1 H)^-1, of the means

    def slopes(self) -> list[Tensor]:
        """d value / d K_b = (K_b^-1 - K_b^-1 H_b (H^T K^-1 H)^-1 H_b^T K_b^-1 - alpha_b alpha_b^T) / 2."""
        return [
            (torch.cholesky_inverse(L) - S @ self.spread @ S.T - torch.outer(alpha, alpha)) / 2
            for L, S, alpha in zip(self.factors, self.designs, self.alphas, strict=True)
        ]


@torch.no_grad()
def evidence(blocks: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Evidence:
    """The likelihood of y = H m + e, e ~ N(0, K), in float64, with a flat prior of the means m.

        p(y) = integral N(y; H m, K) dm,   m = (H^T K^-1 H)^-1 H^T K^-1 y

    K is block-diagonal: each block has K_b (n, n), H_b (n, M) and y_b (n,). Known as restricted likelihood (Patterson,
    Thompson, Biometrika 58, 1971): unlike the likelihood at the best means it takes into account that these fit noise.
    Raises torch.linalg.LinAlgError where a K_b is not positive definite.
    """
    factors = [torch.linalg.cholesky(K) for K, _, _ in blocks]
    solved = [
        torch.cholesky_solve(torch.cat([H, y[:, None]], dim=1), L) for L, (_, H, y) in zip(factors, blocks, strict=True)
    ]
    A, c = sum(H.T @ S for S, (_, H, _) in zip(solved, blocks, strict=True)).tensor_split([-1], dim=1)  # type: ignore[union-attr]
    spread = torch.linalg.inv(A)
    means = spread @ c[:, 0]
    alphas = [S[:, -1] - S[:, :-1] @ means for S in solved]
    rest = sum(float((y - H @ means) @ a) for a, (_, H, y) in zip(alphas, blocks, strict=True))
    volume = 2 * sum(float(L.diagonal().log().sum()) for L in factors) + float(torch.logdet(A))
    free = sum(len(y) for _, _, y in blocks) - len(means)
    value = (rest + volume + free * math.log(2 * math.pi)) / 2
    return Evidence(value, means, alphas, factors, [S[:, :-1] for S in solved], spread)
