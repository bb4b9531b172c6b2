"""Labels as columns that can be averaged, and averages as predictions, for learners that are means over rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from bench.core.task import Task
from bench.errors import UsageError

NUMBERS = ("regression", "explained")  # kinds of metrics whose predictions are the targets' own numbers
BINARY = ("ranking", "multilabel", "one_against_rest")  # those of tasks whose labels are 0 and 1
SMOOTHING = 1e-3  # share of a uniform distribution in estimated frequencies, so that no logarithm is infinite


@dataclass(frozen=True)
class Outcome:
    """What a task's labels are: numbers, whose mean is the prediction, or classes, whose frequencies are.

    Args:
        classes: C, 2 or more; 0 for numbers.
        logit: predictions are one number a row, log p_1 - log p_0, in the place of C logarithms.
    """

    classes: int = 0
    logit: bool = False

    @classmethod
    def of(cls, task: Task) -> "Outcome | None":
        """The outcome of a task, by the kind of its metric; None for kinds that no mean over rows predicts."""
        metric = task.metric()
        if metric.kind in NUMBERS:
            return cls()
        if metric.kind == "classification":
            return cls(int(getattr(metric, "classes", 0)))
        return cls(2, logit=True) if metric.kind in BINARY else None

    def write_columns(self, y: Tensor) -> Tensor:
        """Labels (n,) as columns, float64: (n, 1) of numbers, (n, C) of zeros and a one of classes."""
        return one_hot(y.long(), self.classes).double() if self.classes else y.double()[:, None]

    def measure_spread(self, columns: Tensor) -> float:
        """The error of the best constant: variance of numbers, entropy of classes; 1 where it is 0."""
        constant = columns.mean(dim=0, keepdim=True).expand_as(columns)
        return float(self.compare(constant, columns)[0].mean()) or 1.0

    def compare(self, estimates: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """The error of each row (n,), and its derivative by the estimates (n, C).

        (z - y)^2 of numbers; -log p_y of classes, with p = (1 - e) z + e / C and e `SMOOTHING`.
        """
        if not self.classes:
            off = estimates - columns
            return off.square().sum(dim=1), 2 * off
        p = self._smooth(estimates)
        return -(columns * p.log()).sum(dim=1), -(1 - SMOOTHING) * columns / p

    def predict(self, estimates: Tensor) -> Tensor:
        """Predictions as heads give them: (n, 1) of numbers and single logits, log p (n, C) of classes."""
        if not self.classes:
            return estimates
        logs = self._smooth(estimates).log()
        return logs[:, 1:] - logs[:, :1] if self.logit else logs

    def predict_unfitted(self, x: Tensor) -> Tensor:
        """Predictions at rows x (n, d) before any label is known: 0 of numbers, equal frequencies of classes."""
        return self.predict(x.new_full((len(x), max(1, self.classes)), 1 / self.classes if self.classes else 0.0))

    def _smooth(self, estimates: Tensor) -> Tensor:
        # Sums of shares may be below 0 by a rounding.
        return (1 - SMOOTHING) * estimates.clamp(min=0) + SMOOTHING / self.classes


def explain_outcomes(tasks: Sequence[Task]) -> str | None:
    """The end of a sentence where some task is of a kind that no mean over rows predicts; None where all are."""
    for task in tasks:
        if Outcome.of(task) is None:
            kind = task.metric().kind
            return f"predicts numbers, classes and binary labels (here `{task.name}` is of kind `{kind}`)."
    return None


def read_common_rows(name: str, inputs: Mapping[str, Tensor]) -> Tensor:
    """The rows (n, d) that every task has a label in, for learners that look at all labels of a row.

    name: of the learner, for the sentence.
    inputs: task -> its labelled rows; tasks that share them hold one tensor object.

    Raises UsageError where tasks have labels in different rows.
    """
    rows, *others = inputs.values()
    if any(each is not rows for each in others):
        raise UsageError(f"`{name}` needs a label of every task in every row. Found labels in different rows.")
    return rows


def weigh_tasks(main: int, tasks: int, lam: float) -> Tensor:
    """What each task's error counts in the learner of one: 1 its own, lam / (T - 1) each other, (T,) float64."""
    weights = torch.full((tasks,), lam / max(1, tasks - 1), dtype=torch.float64)
    weights[main] = 1.0
    return weights
