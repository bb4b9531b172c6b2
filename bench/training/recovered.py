"""Matrices of what was learned about tasks, as records store them and the site draws them."""

from collections.abc import Mapping

import torch
from torch import Tensor

LARGEST = 40  # tasks: a larger covariance is left out, as a record should stay small and a picture legible


def describe_with_truth(weights: Tensor, truth: Tensor | None) -> dict[str, Tensor]:
    """`describe_weights` of weights (d, T) and, where it is known, of the truth (d, T), matrix by matrix.

    The support is left out where all weights are in use, in the truth too: a picture of one colour.
    """
    learned = describe_weights(weights)
    known = {} if truth is None else describe_weights(truth)
    if all(bool(part["support"].all()) for part in (learned, known) if part):
        learned.pop("support")
    pairs = {name: part for key in learned for name, part in ((key, learned), (f"true {key}", known)) if key in part}
    return {name: part[name.removeprefix("true ")] for name, part in pairs.items()}


def select_storable(matrices: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The learned task matrices that are small enough for a record."""
    return {f"learned {name}": matrix for name, matrix in matrices.items() if matrix.shape[-1] <= LARGEST}


def describe_weights(W: Tensor) -> dict[str, Tensor]:
    """The support, the spectrum and the task covariance of weights W (d, T).

    `support` (d, T): 1 where a weight is not 0. `spectrum` (1, min(d, T)): singular values over the largest.
    `covariance` (T, T): W^T W over the mean of its diagonal, up to 40 tasks. Their ranges are alike, so that one scale
    of colours fits all.
    """
    values = torch.linalg.svdvals(W)
    tiny = torch.finfo(W.dtype).tiny  # weights may all be 0
    matrices = {"support": (W != 0).double()}
    matrices["spectrum"] = (values / values[0].clamp(min=tiny))[None]
    if W.shape[1] <= LARGEST:
        gram = W.T @ W
        matrices["covariance"] = gram / gram.diagonal().mean().clamp(min=tiny)
    return matrices
