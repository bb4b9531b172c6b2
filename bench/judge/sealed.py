"""A second test, on rows from a seed that nobody could know: does a method do there what it does on the public rows?

A method that has the public test targets by heart does worse on fresh rows of the same distribution. Both sets of rows
are cut into blocks, and the blocks' errors are compared by Welch's t test.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bench.core.data import Dataset
from bench.core.task import Task
from bench.scores import primary_error
from bench.training.evaluate import Predict, collect_statistics

BLOCKS = 20  # of rows that are scored by themselves: enough for a variance, and still many rows in each


@dataclass(frozen=True)
class SealedScore:
    """The primary error of one task on the public and on the sealed rows.

    `public` and `sealed` are means over blocks. `p` is the one-sided p-value of Welch's t test, small where the error
    on sealed rows is larger than chance explains.
    """

    task: str
    public: float
    sealed: float
    p: float


def compare_with_sealed(
    predict: Predict, tasks: Sequence[Task], kinds: Mapping[str, str], public: Dataset, sealed: Dataset
) -> list[SealedScore]:
    """Score both sets of rows, block by block, and test their difference; one result per reported task.

    The spread of the blocks tells how much an error varies by the choice of rows alone, whatever the metric.

    Args:
        predict: Maps inputs by task to predictions by task.
        tasks: The suite's tasks.
        kinds: reported task -> kind of metric, whose primary error is compared.
        public: Rows of the test split.
        sealed: Fresh rows of the same distribution.
    """
    of_public, of_sealed = (score_blocks(predict, tasks, kinds, rows) for rows in (public, sealed))
    pairs = {task: (of_public[task], of_sealed[task]) for task in of_public}
    return [SealedScore(task, float(a.mean()), float(b.mean()), _welch_p_value(a, b)) for task, (a, b) in pairs.items()]


def score_blocks(
    predict: Predict, tasks: Sequence[Task], kinds: Mapping[str, str], rows: Dataset
) -> dict[str, np.ndarray]:
    """reported task -> its primary error on each of at most BLOCKS blocks, shape (blocks,).

    Blocks are consecutive rows; with fewer rows than BLOCKS in a group there are as many blocks as rows.
    """
    blocks = min(BLOCKS, *(len(x) for x, _ in rows.groups))
    cuts = [[round(len(x) * number / blocks) for number in range(blocks + 1)] for x, _ in rows.groups]
    errors: dict[str, list[float]] = {}
    for number in range(blocks):
        index = [torch.arange(cut[number], cut[number + 1]) for cut in cuts]
        inputs, targets = rows.take(index)
        block = Dataset(inputs, targets, dtype=rows.dtype)
        for task, state in collect_statistics(predict, tasks, block).items():
            errors.setdefault(task, []).append(primary_error(kinds[task], state))
    return {task: np.array(values) for task, values in errors.items()}


def _welch_p_value(public: np.ndarray, sealed: np.ndarray) -> float:
    """One-sided p-value of Welch's t test that errors on sealed rows are larger.

    t = (mean_s - mean_p) / sqrt(v_s / n_s + v_p / n_p), with the degrees of freedom of Welch and Satterthwaite. Where
    no error varies, 1 if the sealed mean is no larger, else 0.
    """
    from scipy.special import stdtr

    shares = [float(errors.var(ddof=1)) / len(errors) for errors in (public, sealed)]
    difference = float(sealed.mean() - public.mean())
    if not sum(shares):
        return float(difference <= 0)
    freedom = sum(shares) ** 2 / sum(s**2 / (len(e) - 1) for s, e in zip(shares, (public, sealed), strict=True))
    return float(stdtr(freedom, -difference / math.sqrt(sum(shares))))
