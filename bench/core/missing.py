"""Missing labels: NaN in targets of numbers, below 0 in targets of classes (whole numbers); -1 is what is written.

The one convention that data sets, losses, metrics and training go by. Unlike a mask beside the targets, nothing that
reads a target can forget it.
"""

import torch
from torch import Tensor

from bench.errors import UsageError

NO_CLASS = -1  # written where a class is missing


def find_labelled(target: Tensor) -> Tensor:
    """Where `target` has a label, bool of its shape."""
    return ~target.isnan() if target.is_floating_point() else target >= 0


def find_labelled_rows(target: Tensor) -> Tensor:
    """Which rows of `target` (n, ...) have a label, one number of many being enough, bool (n,)."""
    return find_labelled(target).reshape(len(target), -1).any(dim=1)


def mark_missing(target: Tensor, labelled: Tensor) -> Tensor:
    """A copy of `target` that has no label where `labelled` is False, and no trace of what stood there.

    Args:
        target: (n, ...), real or of signed whole numbers.
        labelled: bool, of the shape of `target` or (n,), a row as a whole.
    """
    mask = labelled.reshape(labelled.shape + (1,) * (target.dim() - labelled.dim()))
    # A write, not a product: NaN and infinity times 0 are NaN.
    return target.masked_fill(~mask, float("nan") if target.is_floating_point() else NO_CLASS)


def check_mask(task: str, target: Tensor, labelled: Tensor, rows_only: bool) -> None:
    """Raise UsageError where `labelled` is no mask for `target`.

    Args:
        task: for the sentence.
        target: (n, ...).
        labelled: bool, of the shape of `target` or (n,).
        rows_only: whether it has to be (n,).
    """
    shapes = [tuple(target.shape[:1])] if rows_only else list(dict.fromkeys((tuple(target.shape), (len(target),))))
    if labelled.dtype != torch.bool or tuple(labelled.shape) not in shapes:
        why = ", since its rows have a `transform`" if rows_only else ""
        raise UsageError(
            f"The mask of `{task}` should be bool of shape {' or '.join(map(str, shapes))}{why}. Found "
            f"{labelled.dtype} of shape {tuple(labelled.shape)}; make it True where there is a label."
        )
    if not (rows_only or target.is_floating_point() or target.dtype.is_signed):
        raise UsageError(
            f"Targets of `{task}` that have a mask should be real or signed whole numbers. Found {target.dtype}, which "
            "has no number for a missing label; convert them with `.long()`."
        )
