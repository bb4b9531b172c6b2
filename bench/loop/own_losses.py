"""The losses that a user gives to a step, read: one for each task, or a sentence on what is wrong with them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from bench.errors import UsageError, add_article, hint

Losses = Mapping[str, Tensor | None]


def read_losses(
    names: list[str], losses: Losses, predictions: Mapping[str, Any], differentiable: bool = True
) -> tuple[list[Tensor], list[int] | None]:
    """T losses in the order of the tasks, and the numbers of those that are there; None where all are.

    The loss of a task without a label is 0 with the graph of its prediction, where there is one: so its parameters have
    gradients of zero, and what two tasks share is shared in this batch too.

    Args:
        names: of the T tasks, in order.
        losses: task -> loss, 0-dimensional, or None for a task without a label in the batch.
        predictions: task -> prediction of the batch.
        differentiable: whether losses have to require a gradient.

    Raises:
        UsageError: a task is missing or unknown, a loss is none, or not finite.
    """
    if not isinstance(losses, Mapping):
        raise UsageError(f"Losses should be a dictionary, task -> loss. Found {add_article(type(losses).__name__)}.")
    for name in losses:
        if name not in names:
            raise UsageError(f"Losses should be of the tasks of the network. Found `{name}`; {hint(name, names)}.")
    there: dict[str, Tensor] = {}
    for name in names:
        if name not in losses:
            raise UsageError(
                f"Losses should name every task. Found none of `{name}`; give `{name!r}: None` where a batch has no "
                "label of it."
            )
        loss = losses[name]
        if loss is not None:
            there[name] = _check_loss(name, loss, differentiable)
    if not there:
        raise UsageError("A step should have the loss of a task at least. Found None for each.")
    if not bool(torch.stack([loss.detach() for loss in there.values()]).isfinite().all()):
        name, loss = next((name, loss) for name, loss in there.items() if not bool(loss.isfinite()))
        raise UsageError(f"A loss should be finite. Found {float(loss.detach())} for `{name}`.")
    like = next(iter(there.values()))
    each = [there[name] if name in there else _make_zero(predictions.get(name), like) for name in names]
    return each, None if len(there) == len(names) else [t for t, name in enumerate(names) if name in there]


def _make_zero(prediction: Any, like: Tensor) -> Tensor:
    """A loss of 0 that depends on a prediction, with a gradient of zero by all that it came from."""
    parts = [x for x in tree_leaves(prediction) if isinstance(x, Tensor) and x.is_floating_point()]
    return sum((x.reshape(-1)[:0].sum().to(like) for x in parts), start=like.new_zeros(()))


def _check_loss(name: str, loss: Any, differentiable: bool) -> Tensor:
    """The loss, 0-dimensional. Raises UsageError for what is no tensor, not one number, or without a gradient."""
    if not isinstance(loss, Tensor):
        raise UsageError(f"The loss of `{name}` should be a tensor. Found {add_article(type(loss).__name__)}.")
    if loss.numel() != 1:
        raise UsageError(
            f"The loss of `{name}` should be one number. Found a tensor of shape {tuple(loss.shape)}; take its mean."
        )
    if differentiable and not loss.requires_grad:
        raise UsageError(
            f"The loss of `{name}` should require a gradient. Found one that does not; compute it from the predictions "
            "of `net(x)`, outside of `torch.no_grad`."
        )
    return loss.reshape(())
