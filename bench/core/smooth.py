"""Random smooth functions of rows: labels that follow one can be learnt, and say nothing else."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from bench.errors import UsageError

SMOOTH_TERMS = 64  # of a random smooth function: many enough that its values are near a Gaussian process's
SMOOTH_ROWS = 256  # of one pass


def draw_smooth(rows: Tensor, seed: int) -> Tensor:
    """Values (n,) float64 at rows (n, ...) of a random smooth function, on the CPU.

        g(x) = sum_k a_k cos(w_k . z + b_k),   w_k ~ N(0, I / d),   a_k ~ N(0, 1),   b_k ~ U(0, 2 pi)

    with z the d numbers of a row, each shifted and scaled to mean 0 and variance 1 over the rows. The expectation over
    functions of g(x) g(x') falls with distance as exp(-|z - z'|^2 / 2 d) (Rahimi, Recht, NeurIPS 2007, eq. 1).

    Raises UsageError for rows that are numbers of rows, which are read as they are needed.
    """
    if rows.dim() < 2:
        raise UsageError("`smoothed` should be used on a suite whose rows are in memory. Found rows read as needed.")
    generator = torch.Generator().manual_seed(seed)
    size = rows[:1].numel()
    w = torch.randn(size, SMOOTH_TERMS, generator=generator, dtype=torch.float64) / math.sqrt(size)
    b = 2 * math.pi * torch.rand(SMOOTH_TERMS, generator=generator, dtype=torch.float64)
    a = torch.randn(SMOOTH_TERMS, generator=generator, dtype=torch.float64)

    def read() -> Iterator[Tensor]:
        """Rows as float64 (m, d), some at a time: images need not be held twice."""
        for at in range(0, len(rows), SMOOTH_ROWS):
            yield rows[at : at + SMOOTH_ROWS].cpu().double().flatten(1)

    mean = sum((each.sum(dim=0) for each in read()), torch.zeros(size, dtype=torch.float64)) / len(rows)
    squares = sum(((each - mean).square().sum(dim=0) for each in read()), torch.zeros(size, dtype=torch.float64))
    scale = torch.where(squares > 0, squares / len(rows), 1.0).sqrt()
    return torch.cat([((each - mean) / scale @ w + b).cos() @ a for each in read()])
