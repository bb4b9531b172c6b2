"""Metrics of tasks that are scored together row by row: sets of labels, and decisions between classes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bench.core.task import TaskMetric
from bench.errors import UsageError, count_nouns

ROWS_AT_ONCE = 4096  # whose pairs of labels are looked at: of 64 labels, 16 MB


class JointMetric(TaskMetric):
    """Predictions of the tasks of a pool, side by side, for scores that look at all labels of a row.

    Predictions are logits (n, 1), targets 0 or 1. Every task predicts the same rows in the same order, and every row
    has all labels, which the plan sees to (`check_labels`). All rows are kept until the state is read. A task by
    itself, as under the setting `tasks`, is scored as the only one.

    names: of the tasks of the pool, in the order of the statistics.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self.pieces: dict[str, list[tuple[Tensor, Tensor]]] = {}  # task -> logits and labels, batch after batch

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """A batch of the only task that is scored."""
        self.update_task(self.names[0], prediction, target)

    def update_task(self, task: str, prediction: Tensor, target: Tensor) -> None:
        self.pieces.setdefault(task, []).append((prediction.double().flatten().cpu(), target.flatten().cpu() > 0.5))

    def join(self) -> tuple[Tensor, Tensor]:
        """Logits (n, T), float64, and labels (n, T), bool, of the tasks that were predicted.

        Raises ValueError before the first batch, and UsageError where tasks have labels in different rows.
        """
        if not self.pieces:
            raise ValueError("A metric should see at least one batch before its state is read.")
        columns = [
            [torch.cat(part) for part in zip(*self.pieces[name], strict=True)]
            for name in self.names
            if name in self.pieces
        ]
        lengths = [len(labels) for _, labels in columns]
        if min(lengths) < max(lengths):
            raise UsageError(
                "Tasks that are scored together row by row should each have a label in every row. Found "
                f"{count_nouns(min(lengths), 'label')} of one and {max(lengths)} of another."
            )
        return torch.stack([z for z, _ in columns], dim=1), torch.stack([y for _, y in columns], dim=1)


class MultiLabel(JointMetric):
    """Which labels a row has: how often each is there, was predicted and both, and rows that are right as a whole.

    A label is predicted where its logit is above 0. A pair of a label that is there and one that is not is ranked
    wrongly unless the first has the higher logit, as in `label_ranking_loss` of scikit-learn.
    """

    kind = "multilabel"

    def state(self) -> dict[str, Any]:
        z, y = self.join()
        found = z > 0
        pieces = zip(torch.split(z, ROWS_AT_ONCE), torch.split(y, ROWS_AT_ONCE), strict=True)
        shares = torch.cat([_rank(*piece) for piece in pieces])
        return {
            "rows": len(y),
            "truth": y.sum(dim=0).tolist(),
            "predicted": found.sum(dim=0).tolist(),
            "correct": (y & found).sum(dim=0).tolist(),
            "exact": int((y == found).all(dim=1).sum()),
            "ranking": float(shares.sum()),
        }


def _rank(z: Tensor, y: Tensor) -> Tensor:
    """The share of pairs that are ranked wrongly, of each row (n,); 0 of a row without a pair."""
    pairs = y[:, :, None] & ~y[:, None, :]
    wrong = (pairs & (z[:, :, None] <= z[:, None, :])).sum(dim=(1, 2))
    return wrong.double() / pairs.sum(dim=(1, 2)).clamp(min=1)


class OneAgainstRest(JointMetric):
    """Confusion matrix of C classes from C binary tasks: the class of a row is that whose logit is the highest.

    Every row has one label. A task by itself decides between its class, 1, and the rest, 0, by the sign of its logit.
    """

    kind = "one_against_rest"

    def state(self) -> dict[str, Any]:
        z, y = self.join()
        if z.shape[1] == 1:
            truth, found, classes = y[:, 0].long(), (z[:, 0] > 0).long(), 2
        else:
            if not bool((y.sum(dim=1) == 1).all()):
                raise UsageError(
                    "Every row should be of one class. Found one of "
                    f"{count_nouns(int(y.sum(dim=1)[y.sum(dim=1) != 1][0]), 'class', 'classes')}."
                )
            truth, found, classes = y.int().argmax(dim=1), z.argmax(dim=1), z.shape[1]
        counts = torch.bincount(truth * classes + found, minlength=classes**2)
        return {"confusion": counts.view(classes, classes).tolist()}
