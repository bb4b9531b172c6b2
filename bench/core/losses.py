"""Losses that are means over the labels that are there, and how any other loss is called where labels are missing.

With N labelled elements, L = sum over them of l(prediction, target) / N; where N = 0 the loss is 0 and so is its
gradient. Shapes do not depend on how many labels there are, so that models of several seeds can be trained as one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bench.core.missing import find_labelled, find_labelled_rows

LossFunction = Callable[[Tensor, Tensor], Tensor]  # (predictions, targets) of a batch


@dataclass(frozen=True)
class MaskedLoss:
    """A loss in two forms, which agree where no label is missing.

    complete: the plain loss, 0-dimensional; what training calls for a task without a missing label.
    masked: the mean over labelled elements (`bench.core.missing`), 0-dimensional; 0 with a gradient of 0 where there
        are none. It should read no number that stands for a missing label.
    """

    complete: LossFunction
    masked: LossFunction

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The masked form, which is right for any targets."""
        return self.masked(prediction, target)


def average_labelled(elements: LossFunction) -> LossFunction:
    """The masked form of a loss: its mean over labelled elements.

    elements: maps predictions and targets to the loss of every target, in the shape of the targets.
    """

    def average(prediction: Tensor, target: Tensor) -> Tensor:
        labelled = find_labelled(target)
        # Both are replaced before the loss sees them: a factor of 0 on its NaN or infinity would leave NaN.
        if prediction.shape == target.shape:
            prediction = torch.where(labelled, prediction, 0)
        each = elements(prediction, torch.where(labelled, target, 0))
        return torch.where(labelled, each, 0).sum() / labelled.sum().clamp(min=1)

    return average


def compute_loss(loss: LossFunction, prediction: Tensor, target: Tensor, partly_labelled: bool) -> Tensor:
    """The loss of a task on a batch, 0-dimensional; 0 with a gradient of 0 where no row has a label.

    A loss that is no `MaskedLoss` is given the rows that have a label, and no others.

    Args:
        loss: of the task.
        prediction: (n, ...).
        target: (n, ...).
        partly_labelled: whether labels of the task are missing anywhere in the data; where none is, the loss is called
            as it is, whatever it is.
    """
    if not partly_labelled:
        return loss.complete(prediction, target) if isinstance(loss, MaskedLoss) else loss(prediction, target)
    if isinstance(loss, MaskedLoss):
        return loss.masked(prediction, target)
    rows = find_labelled_rows(target)
    # The sum of no rows: 0, and joined to the model, so that its gradient is zero and not absent.
    return loss(prediction[rows], target[rows]) if bool(rows.any()) else prediction[:0].sum()


def _mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).square().mean()


def _mean_absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).abs().mean()


def _mean_log_loss(prediction: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(prediction, target.to(prediction))


def _mean_poisson_loss(prediction: Tensor, target: Tensor) -> Tensor:
    return functional.poisson_nll_loss(prediction, target.to(prediction))


# (prediction - target)^2; predictions and targets (n, ...)
mse_loss = MaskedLoss(_mean_squared_error, average_labelled(lambda z, y: (z - y).square()))
# |prediction - target|; predictions and targets (n, ...)
l1_loss = MaskedLoss(_mean_absolute_error, average_labelled(lambda z, y: (z - y).abs()))
# e^2 / 2 up to |e| = 1, |e| - 1/2 beyond, e = prediction - target; predictions and targets (n, ...)
huber_loss = MaskedLoss(
    functional.huber_loss, average_labelled(lambda z, y: functional.huber_loss(z, y, reduction="none"))
)
# -log softmax(prediction)[target]; logits (n, C, ...), classes (n, ...) as whole numbers
cross_entropy_loss = MaskedLoss(
    functional.cross_entropy, average_labelled(lambda z, y: functional.cross_entropy(z, y, reduction="none"))
)
# log(1 + e^z) - y z; logits z (n, ...), y 0 or 1 of the same shape
bce_loss = MaskedLoss(
    _mean_log_loss,
    average_labelled(lambda z, y: functional.binary_cross_entropy_with_logits(z, y.to(z), reduction="none")),
)
# e^z - y z; logarithms z of rates (n, ...), counts y of the same shape
poisson_loss = MaskedLoss(
    _mean_poisson_loss, average_labelled(lambda z, y: functional.poisson_nll_loss(z, y.to(z), reduction="none"))
)
