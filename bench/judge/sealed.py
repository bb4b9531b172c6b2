"""A second test, on rows from a seed that nobody could know: does a method do there what it does on the public rows?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bench.core.data import Dataset
from bench.core.task import Task
from bench.scores import primary_error
from bench.training.evaluate import Predict, collect_statistics

BLOCKS = 20  # stretches of rows that are scored by themselves


@dataclass(frozen=True)
class SealedScore:
    """The primary error of one task on the public and on the sealed rows: means over blocks, and their difference.

    `p` is that of Welch's t test, one-sided: small where the sealed rows are done worse than chance explains.
    """

    task: str
    public: float
    sealed: float
    p: float


def compare_with_sealed(
    predict: Predict, tasks: Sequence[Task], kinds: Mapping[str, str], public: Dataset, sealed: Dataset
) -> list[SealedScore]:
    """Score both sets of rows, block by block.

    A block is one of 20 stretches of rows, so that the spread of the blocks says how much an error varies by the
    choice of rows alone, whatever the metric.
    """
    errors = [errors_of_blocks(predict, tasks, kinds, rows) for rows in (public, sealed)]
    pairs = {task: (errors[0][task], errors[1][task]) for task in errors[0]}
    return [SealedScore(task, float(a.mean()), float(b.mean()), _welch(a, b)) for task, (a, b) in pairs.items()]


def errors_of_blocks(
    predict: Predict, tasks: Sequence[Task], kinds: Mapping[str, str], rows: Dataset
) -> dict[str, np.ndarray]:
    """reported task -> its primary error on each block of rows."""
    blocks = min(BLOCKS, *(len(x) for x, _ in rows.groups))
    cuts = [[round(len(x) * number / blocks) for number in range(blocks + 1)] for x, _ in rows.groups]
    found: dict[str, list[float]] = {}
    for number in range(blocks):
        index = [torch.arange(cut[number], cut[number + 1]) for cut in cuts]
        inputs, targets = rows.take(index)
        block = Dataset(inputs, targets, dtype=rows.dtype)
        for task, state in collect_statistics(predict, tasks, block).items():
            found.setdefault(task, []).append(primary_error(kinds[task], state))
    return {task: np.array(errors) for task, errors in found.items()}


def _welch(public: np.ndarray, sealed: np.ndarray) -> float:
    """One-sided p of Welch's t test that errors on sealed rows are larger."""
    from scipy.special import stdtr

    shares = [float(errors.var(ddof=1)) / len(errors) for errors in (public, sealed)]
    difference = float(sealed.mean() - public.mean())
    if not sum(shares):
        return float(difference <= 0)
    freedom = sum(shares) ** 2 / sum(s**2 / (len(e) - 1) for s, e in zip(shares, (public, sealed), strict=True))
    return float(stdtr(freedom, -difference / math.sqrt(sum(shares))))
