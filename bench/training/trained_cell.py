"""What training, of whatever kind, ends in: a cell whose test split was not read yet."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench.training.evaluate import Predict
from bench.training.select import Snapshot

Epochs = tuple[int, ...]  # the epoch whose weights each member of an ensemble predicts with


@dataclass(frozen=True)
class TrainedCell:
    """A trained cell, before the test split is read.

    Args:
        fields: of the record, as far as training decides them.
        epochs: selection rule -> task -> the epoch of each member that is selected for the task.
        predictor: opens the prediction function with the weights of such epochs.
        weights: (d, T), where models are linear. They are compared with the true weights in `examine`, since training
            must not know those.
        snapshots: gives the weights of each member at such epochs; None where they are not all that predictions need.
    """

    fields: dict[str, Any]
    epochs: Mapping[str, Mapping[str, Epochs]]
    predictor: Callable[[Epochs], AbstractContextManager[Predict]]
    weights: Tensor | None = None
    snapshots: Callable[[Epochs], Sequence[Snapshot]] | None = None

    @property
    def distinct_epochs(self) -> list[Epochs]:
        """The epochs that a rule selected for any task, each once: rules mostly agree, and predictions cost time."""
        return sorted({each for of_task in self.epochs.values() for each in of_task.values()})
