"""Task: what is predicted, how it is trained and how it is measured.

A metric accumulates statistics only. `bench.scores` turns them into scores whenever a record is read, so that a stored
score cannot differ from its statistics.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.core.losses import LossFunction
from bench.core.missing import find_labelled
from bench.errors import UsageError

Shape = tuple[int, ...]  # of one row, without the batch


class TaskMetric(ABC):
    """Accumulates the sufficient statistics of one task over a split, on the device of its inputs.

    `kind` names what turns the statistics into scores: a kind of `bench.scores`, or one added by `register_kind`.
    One object per evaluation, never reset. It counts labels that are there: rows without one are not shown to it, but
    a row of several numbers may lack some of them (`find_labelled`).
    """

    kind: str

    @abstractmethod
    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add one batch of head outputs and targets, rows first."""

    def update_task(self, task: str, prediction: Tensor, target: Tensor) -> None:
        """Add one batch of `task`, one of those that are scored together; by default it counts as any other's."""
        self.update(prediction, target)

    def judge_rows(self, prediction: Tensor, target: Tensor) -> Tensor | None:
        """Which rows of a batch are right, bool (n,), for a kind that counts them (`Kind.right`); None where rows are
        neither right nor wrong. It leaves the statistics as they are.
        """
        return None

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """The statistics so far as numbers and nested lists, ready for a record."""


@dataclass(frozen=True)
class Task:
    """One thing to predict.

    Args:
        name: unique in a suite; seeds the weights of the head.
        head: maps the shape of a row of features to a fresh module.
        loss: maps (prediction, target) to the mean over labelled elements, 0-dimensional. Targets of as many numbers
            as the predictions have their shape, (n, 1) for one number per row (`refuse_broadcasting`). A `MaskedLoss`
            leaves missing labels out by itself; any other is called on the rows that have a label.
        metric: makes a fresh accumulator.
        pool: tasks with the same pool are scored together, under that name, on the statistics of all their rows.
    """

    name: str
    head: Callable[[Shape], nn.Module]
    loss: LossFunction
    metric: Callable[[], TaskMetric]
    pool: str = ""

    @property
    def reported(self) -> str:
        """The name under which scores are reported."""
        return self.pool or self.name


def refuse_broadcasting(name: str, prediction: Tensor, target: Tensor) -> None:
    """Raise UsageError where torch would broadcast predictions and targets of task `name` against each other.

    In arithmetic (n, 1) and (n,) become (n, n), every row against every other: a loss of the wrong rows, silently.
    """
    one, other = prediction.shape, target.shape
    if one == other or one.numel() != other.numel():  # such as logits and classes, which losses tell apart
        return
    if all(a == b or 1 in (a, b) for a, b in zip(reversed(one), reversed(other), strict=False)):
        raise UsageError(
            f"The targets of `{name}` should have the shape of its predictions, {tuple(one)}. Found {tuple(other)}, "
            "which torch would set against every row; reshape one of the two, as with "
            "`targets[:, None]` in `dataset`."
        )


class Classification(TaskMetric):
    """Confusion matrix of C classes, truth by prediction, int64. Predictions are logits (n, C)."""

    kind = "classification"

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.confusion: Tensor | None = None

    def update(self, prediction: Tensor, target: Tensor) -> None:
        labelled = find_labelled(target)
        # One number per (truth, prediction): a single bincount is the whole matrix, without leaving the device.
        cells = (target * self.classes + prediction.argmax(dim=1))[labelled]
        counts = torch.bincount(cells, minlength=self.classes**2)
        self.confusion = counts if self.confusion is None else self.confusion + counts

    def judge_rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.argmax(dim=1) == target

    def state(self) -> dict[str, Any]:
        if self.confusion is None:
            raise ValueError("A metric should see at least one batch before its state is read.")
        return {"confusion": self.confusion.view(self.classes, self.classes).tolist()}


class Regression(TaskMetric):
    """Count and sum of squared errors in float64. Predictions and targets have one shape, (n, ...)."""

    kind = "regression"

    def __init__(self) -> None:
        self.count: Tensor | int = 0
        self.squared_error: Tensor | None = None

    def update(self, prediction: Tensor, target: Tensor) -> None:
        if prediction.shape != target.shape:
            raise UsageError(
                f"Predictions of numbers should have the shape of their targets, {tuple(target.shape)}. Found "
                f"{tuple(prediction.shape)}; reshape one of the two."
            )
        labelled = find_labelled(target)
        squares = torch.where(labelled, prediction.double() - target.double(), 0).square().sum()
        self.squared_error = squares if self.squared_error is None else self.squared_error + squares
        self.count += labelled.sum()

    def state(self) -> dict[str, Any]:
        if self.squared_error is None:
            raise ValueError("A metric should see at least one batch before its state is read.")
        return {"count": int(self.count), "squared_error": float(self.squared_error)}


class Explained(Regression):
    """As `Regression`, with the sums of the targets and of their squares, which explained variance needs.

    Sums are Python floats, in double precision.
    """

    kind = "explained"

    def __init__(self) -> None:
        super().__init__()
        self.target_sum = self.target_squares = 0.0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        super().update(prediction, target)
        known = torch.where(find_labelled(target), target, 0).double()
        self.target_sum += float(known.sum())
        self.target_squares += float(known.square().sum())

    def state(self) -> dict[str, Any]:
        return super().state() | {"target_sum": self.target_sum, "target_squares": self.target_squares}


class Ranking(TaskMetric):
    """Pairs of a positive and a negative row, and in how many of them the positive one is ranked higher, ties half.

    wins / (positives * negatives) is the area under the ROC curve. Predictions are scores (n, ...), one per row,
    targets 0 or 1. All rows are kept until the state is read.
    """

    kind = "ranking"

    def __init__(self) -> None:
        self.scores: list[Tensor] = []
        self.labels: list[Tensor] = []

    def update(self, prediction: Tensor, target: Tensor) -> None:
        labelled = find_labelled(target.flatten())
        self.scores.append(prediction.double().flatten()[labelled])
        self.labels.append(target.flatten()[labelled] > 0.5)

    def state(self) -> dict[str, Any]:
        if not self.scores:
            raise ValueError("A metric should see at least one batch before its state is read.")
        scores, labels = torch.cat(self.scores), torch.cat(self.labels)
        positives, negatives = scores[labels], scores[~labels].sort().values
        # Negatives below each positive, and those not above it: their mean counts a tie as half a win.
        below = torch.searchsorted(negatives, positives)
        up_to = torch.searchsorted(negatives, positives, right=True)
        wins = float((below + up_to).sum()) / 2
        return {"positives": len(positives), "negatives": len(negatives), "wins": wins}
