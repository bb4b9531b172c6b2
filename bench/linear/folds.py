"""Folds of cross-validation over tasks with rows of their own."""

import torch
from torch import Tensor

from bench.linear.rows import TaskRows
from bench.records import derive_seed

Fold = tuple[list[Tensor], list[Tensor]]  # the rows, task by task, that a model is fitted to, and those it is tried on


def split(rows: TaskRows, folds: int, seed: int, stratify: bool = False) -> list[Fold]:
    """The rows of every task dealt out at random, evenly; folds that would leave out nothing are dropped.

    Tasks with common inputs leave out the same rows: no target of a row left out is fitted. With
    `stratify` the classes of a task are dealt out apart. The only row of a task, or of a class, is never left out.

    Args:
        rows: of all tasks.
        folds: at least 2.
        seed: of the draw; each task has a stream of its own.
        stratify: where targets are classes.
    """
    distinct = rows.targets[:1] if rows.common else rows.targets
    dealt = [_deal(y, folds, derive_seed(seed, "folds", task), stratify) for task, y in enumerate(distinct)]
    splits = []
    for fold in range(folds):
        kept, left = ([pick.nonzero().flatten() for pick in picks] for picks in _picks(dealt, fold))
        if rows.common:
            kept, left = kept * len(rows.names), left * len(rows.names)
        if any(len(index) for index in left):
            splits.append((kept, left))
    return splits


def _picks(dealt: list[Tensor], fold: int) -> tuple[list[Tensor], list[Tensor]]:
    """Masks of the rows kept and of those left out in a fold, task by task."""
    return [of_task != fold for of_task in dealt], [of_task == fold for of_task in dealt]


def _deal(y: Tensor, folds: int, seed: int, stratify: bool) -> Tensor:
    """The fold of each row, int64 (n,); -1 where it is never left out."""
    generator = torch.Generator().manual_seed(seed)
    dealt = torch.full((len(y),), -1)
    labels = sorted(set(y.tolist())) if stratify else []
    groups = [(y == label).nonzero().flatten() for label in labels] or [torch.arange(len(y))]
    for members in groups:
        if len(members) > 1:
            start = int(torch.randint(folds, (), generator=generator))  # so that short groups do not crowd one fold
            order = members[torch.randperm(len(members), generator=generator)]
            dealt[order] = (torch.arange(len(members)) + start) % folds
    return dealt
