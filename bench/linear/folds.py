"""Folds of cross-validation: over tasks with rows of their own, and over rows that several tasks have labels in."""

import numpy as np
import torch
from torch import Tensor

from bench.linear.rows import TaskRows
from bench.records import derive_seed

Fold = tuple[list[Tensor], list[Tensor]]  # the rows, task by task, that a model is fitted to, and those it is tried on


def split(rows: TaskRows, folds: int, seed: int, stratify: bool = False) -> list[Fold]:
    """The rows of every task dealt out at random, evenly; folds that would leave out nothing are dropped.

    Tasks with common inputs leave out the same rows, also where they have labels in different ones of them: no target
    of a row left out is fitted. With `stratify` the classes of a task are dealt out apart. The only row of a task, or
    of a class, is never left out.

    Args:
        rows: of all tasks.
        folds: at least 2.
        seed: of the draw; each task has a stream of its own.
        stratify: where targets are classes.
    """
    if rows.places:
        dealt = _deal_together(rows, folds, derive_seed(seed, "folds", "together"), stratify)
    else:
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
    for members in _groups(y, stratify):
        if len(members) > 1:
            start = int(torch.randint(folds, (), generator=generator))  # so that short groups do not crowd one fold
            order = members[torch.randperm(len(members), generator=generator)]
            dealt[order] = (torch.arange(len(members)) + start) % folds
    return dealt


def _groups(y: Tensor, stratify: bool) -> list[Tensor]:
    """Indices of the rows that are dealt out evenly by themselves: those of each class, or all."""
    if not stratify:
        return [torch.arange(len(y))]
    return [(y == label).nonzero().flatten() for label in sorted(set(y.tolist()))]


def _deal_together(rows: TaskRows, folds: int, seed: int, stratify: bool) -> list[Tensor]:
    """The fold of each row of each task, int64 (n_t,), one for all tasks that have a label in it; -1 as in `_deal`.

    A row goes to the fold with the least share of the labels of its tasks so far; rows of tasks with few labels go
    first, while every fold is open to them (Sechidis, Tsoumakas, Vlahavas, On the Stratification of Multi-Label Data,
    ECML PKDD 2011).
    """
    groups = [place[each] for y, place in zip(rows.targets, rows.places, strict=True) for each in _groups(y, stratify)]
    sizes = np.array([len(group) for group in groups])
    has = np.zeros((1 + max(int(group.max()) for group in groups), len(groups)), dtype=bool)  # a row, labels of a group
    for number, group in enumerate(groups):
        has[group.numpy(), number] = True
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randperm(len(has), generator=generator).numpy()
    start = int(torch.randint(folds, (), generator=generator))
    fewest = np.where(has, sizes, len(has) + 1).min(axis=1)
    fold, share = np.full(len(has), -1), np.zeros((folds, len(groups)))  # share: of the labels of a group in a fold
    for count, row in enumerate(mixed[np.argsort(fewest[mixed], kind="stable")]):
        members = has[row].nonzero()[0]
        # Of folds with equal shares another one each time, or the first would have the most rows.
        order = (np.arange(folds) + start + count) % folds
        fold[row] = order[share[order][:, members].sum(axis=1).argmin()]
        share[fold[row], members] += 1 / sizes[members]
    dealt = [torch.from_numpy(fold[place.numpy()]) for place in rows.places]
    for y, of_task in zip(rows.targets, dealt, strict=True):
        for members in _groups(y, stratify):
            if len(set(of_task[members].tolist())) == 1:
                of_task[members] = -1
    return dealt
