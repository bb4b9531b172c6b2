"""Accumulators for levels in an order and for counts; rows without a label are left out of both."""

from typing import Any

import torch
from torch import Tensor

from bench.core.missing import find_labelled
from bench.core.task import TaskMetric


class OrdinalLevels(TaskMetric):
    """Confusion matrix of K levels, truth by prediction, int64.

    Predictions are K - 1 logits of "above level k" (n, K - 1); the predicted level is how many of them are above 0.
    Targets are levels from 0, int64 (n,), below 0 where the label is missing.
    """

    kind = "ordinal"

    def __init__(self, levels: int) -> None:
        self.classes = levels  # under the name of `Classification`: what bounds the size of a record
        self.confusion: Tensor | None = None

    def update(self, prediction: Tensor, target: Tensor) -> None:
        labelled = find_labelled(target)
        cells = target[labelled] * self.classes + (prediction[labelled] > 0).sum(dim=1)
        counts = torch.bincount(cells, minlength=self.classes**2)
        self.confusion = counts if self.confusion is None else self.confusion + counts

    def state(self) -> dict[str, Any]:
        if self.confusion is None:
            raise ValueError("A metric should see at least one batch before its state is read.")
        return {"confusion": self.confusion.view(self.classes, self.classes).tolist()}


class PoissonCounts(TaskMetric):
    """Sums of counts and of their Poisson deviance, in float64. Predictions are log rates, (n, ...) as the targets.

    The deviance of a row is 2 (y log(y / mu) - y + mu) with mu = e^z, and 2 mu where y is 0. A target is missing
    where it is NaN.
    """

    kind = "counts"

    def __init__(self) -> None:
        self.count = 0
        self.deviance = self.target_sum = 0.0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        labelled = find_labelled(target)
        z, y = prediction[labelled].double(), target[labelled].double()
        terms = torch.xlogy(y, y) - y * z - y + z.exp()
        self.count += int(labelled.sum())
        # A term is 0 where the rate is the count; rounding may leave a little less.
        self.deviance += float(2 * terms.clamp(min=0).sum())
        self.target_sum += float(y.sum())

    def state(self) -> dict[str, Any]:
        return {"count": self.count, "target_sum": self.target_sum, "deviance": self.deviance}
