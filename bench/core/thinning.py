"""The dial of missing labels: a suite whose tasks keep a share of their training labels.

Behind the settings `labels` and `labels_by` of the protocol. Which labels are kept follows from the seed and the names
and numbers of the tasks alone, so that all methods of a seed learn from the same ones.
"""

from typing import Literal

import torch
from torch import Tensor

from bench.core.data import Dataset
from bench.core.suite import Split, Suite, derive_suite
from bench.errors import UsageError
from bench.records import derive_seed

By = Literal["random", "block"]


def thin_suite(suite: Suite, share: float, by: By) -> Suite:
    """`suite` with the labels that `thin_labels` keeps in its training split; the suite itself where share is 1."""
    if share == 1:
        return suite

    class Thinned(Suite):
        def dataset(self, split: Split, seed: int) -> Dataset:
            rows: Dataset = super().dataset(split, seed)  # type: ignore[safe-super]
            return thin_labels(rows, share, by, seed) if split == "train" else rows

    return derive_suite(suite, Thinned)


def thin_labels(rows: Dataset, share: float, by: By, seed: int) -> Dataset:
    """`rows` with the labels of some rows only, as `masks` of the data set.

    `random`: of the n labelled rows of a task floor(share n) keep their label, at least one, drawn for seed and task; a
    smaller share keeps a part of those that a larger one keeps. `block`: task t of the T that look at one input keeps
    the labels of floor(share N) of its N rows in a stretch from row floor(t N / T) on, going round at the end; with
    share <= 1 / T no row has labels of two. Block by block, seeds do not differ.

    Raises UsageError where a block has no labelled row.
    """
    masks: dict[str, Tensor] = {}
    for inputs, tasks in rows.groups:
        for number, task in enumerate(tasks):
            labelled = rows.find_labelled_rows(task)
            if by == "random":
                kept = _draw_labels(labelled, share, derive_seed(seed, "labels", task))
            else:
                kept = _cut_block(len(inputs), share, number / len(tasks)) & labelled.cpu()
            if not bool(kept.any()):
                raise UsageError(
                    f"`labels` by block should leave every task a label. Found none for `{task}` with `labels = "
                    f"{share:g}`; take a larger share, or `labels_by=random`."
                )
            masks[task] = kept.to(labelled.device)
    return Dataset(rows.inputs, rows.targets, rows.transform, rows.dtype, masks)


def _count_kept(rows: int, share: float) -> int:
    """floor(share rows), at least 1; a share such as 1/3 that was rounded down counts as what it stands for."""
    return max(1, int(share * rows + 1e-9))


def _draw_labels(labelled: Tensor, share: float, seed: int) -> Tensor:
    """A mask (n,) of a share of the rows in the mask `labelled`."""
    places = labelled.cpu().nonzero()[:, 0]
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))
    kept = torch.zeros(len(labelled), dtype=torch.bool)
    kept[places[order[: _count_kept(len(places), share)]]] = True
    return kept


def _cut_block(rows: int, share: float, start: float) -> Tensor:
    """A mask (n,) of a share of `rows` from the share `start` of them on, going round at the end."""
    places = int(start * rows + 1e-9) + torch.arange(_count_kept(rows, share))
    kept = torch.zeros(rows, dtype=torch.bool)
    kept[places % rows] = True
    return kept
