"""Gradients that became noise: the setting `noised`, a control for what extra tasks do without any information."""

from typing import Any

import torch
from torch import Tensor

from bench.loop.ranks import Ranks


class _FlipRows(torch.autograd.Function):
    """The features as they are; on the way back the gradient of each row times its sign."""

    @staticmethod
    def forward(context: Any, features: Tensor, signs: Tensor) -> Tensor:
        context.save_for_backward(signs)
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        [gradient], [signs] = gradients, context.saved_tensors
        return gradient * signs.to(gradient.dtype), None


def flip_gradients(features: Tensor, generator: torch.Generator | None, ranks: Ranks | None = None) -> Tensor:
    """Features (n, ...), whose gradient g_i of row i becomes s_i g_i, s_i = +1 or -1 with equal chance.

    Over the signs, sum_i s_i g_i has mean 0 and covariance sum_i g_i g_i^T, the second moment of the rows' gradients:
    noise of the size and the directions of the task's own gradient. What the features feed learns as before.

    Args:
        features: of the rows of this process.
        generator: on the CPU, where signs are drawn.
        ranks: the processes that share the batch; each draws the signs of all rows, which are those of one process.
    """
    own, rank, size = len(features), ranks.rank if ranks else 0, ranks.size if ranks else 1
    drawn = torch.randint(0, 2, (own * size,) + (1,) * (features.dim() - 1), generator=generator) * 2 - 1
    signs = drawn[rank * own : (rank + 1) * own]
    flipped: Tensor = _FlipRows.apply(features, signs.to(features.device))
    return flipped
