"""What was learned about tasks, as matrices that records store and people look at."""

from collections.abc import Mapping

import torch
from torch import Tensor

LARGEST = 40  # tasks of which a covariance is stored


def describe_beside_truth(weights: Tensor, truth: Tensor | None) -> dict[str, Tensor]:
    """What was recovered by weights (d, T), each beside the truth where that is known.

    A support is left out where all is in use, and in truth too.
    """
    shown = describe_weights(weights)
    known = {} if truth is None else describe_weights(truth)
    if all(bool(part["support"].all()) for part in (shown, known) if part):
        shown.pop("support")  # every weight is in use, as it should be
    pairs = {name: part for key in shown for name, part in ((key, shown), (f"true {key}", known)) if key in part}
    return {name: part[name.removeprefix("true ")] for name, part in pairs.items()}


def select_storable(matrices: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The learned task matrices that are small enough for a record."""
    return {f"learned {name}": matrix for name, matrix in matrices.items() if matrix.shape[-1] <= LARGEST}


def describe_weights(W: Tensor) -> dict[str, Tensor]:
    """Weights (d, T) as people look at them: their support, their spectrum and the covariance of the tasks.

    1 where a weight is not 0; singular values over the largest; W^T W over the mean of its diagonal (up to 40 tasks).
    All lie in one range, so that one scale of colours does.
    """
    values = torch.linalg.svdvals(W)
    found = {"support": (W != 0).double()}
    found["spectrum"] = (values / values[0].clamp(min=torch.finfo(W.dtype).tiny))[None]
    if W.shape[1] <= LARGEST:
        gram = W.T @ W
        found["covariance"] = gram / gram.diagonal().mean().clamp(min=torch.finfo(W.dtype).tiny)
    return found
