"""The rows of linear problems: inputs and targets per task, as many as each has."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bench.errors import UsageError


@dataclass(frozen=True)
class TaskRows:
    """Rows of every task, in float64; tasks that share inputs hold one tensor.

    inputs: (n_t, d) of every task.
    targets: (n_t,) of every task.
    names: of the tasks, for sentences.

    Raises UsageError, with one sentence, for what no model can be fitted to: shapes that do not match, no rows, or
    numbers that are not finite.
    """

    inputs: Sequence[Tensor]
    targets: Sequence[Tensor]
    names: Sequence[str]

    def __post_init__(self) -> None:
        if not self.inputs or not len(self.inputs) == len(self.targets) == len(self.names):
            raise UsageError(
                f"Every task should have inputs and targets. Found {len(self.inputs)} and {len(self.targets)} for "
                f"{len(self.names)} tasks."
            )
        columns = self.inputs[0].shape[-1]
        for name, X, y in zip(self.names, self.inputs, self.targets, strict=True):
            if X.dim() != 2 or X.shape[1] != columns:
                raise UsageError(
                    f"The inputs of `{name}` should be rows of {columns} columns, as those of `{self.names[0]}`. Found "
                    f"shape {tuple(X.shape)}."
                )
            if y.shape != X.shape[:1]:
                raise UsageError(f"`{name}` should have a target per row, {len(X)}. Found shape {tuple(y.shape)}.")
            if not len(X):
                raise UsageError(f"`{name}` should have rows. Found none.")
            if not (X.isfinite().all() and y.isfinite().all()):
                raise UsageError(f"Inputs and targets of `{name}` should be finite. Found NaN or infinity.")

    @property
    def features(self) -> int:
        """d."""
        return int(self.inputs[0].shape[1])

    @property
    def counts(self) -> Tensor:
        """n_t, float64 (T,)."""
        return torch.tensor([len(X) for X in self.inputs], dtype=torch.float64)

    @cached_property
    def common(self) -> bool:
        """Whether all tasks have the same inputs."""
        return all(X is self.inputs[0] for X in self.inputs)

    @property
    def distinct(self) -> Sequence[Tensor]:
        """The inputs, once where all tasks have the same."""
        return self.inputs[:1] if self.common else self.inputs

    def pad(self) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (T, n, d), targets (T, n) and a mask of true rows (T, n), n the largest n_t; 0 elsewhere."""
        pad = torch.nn.utils.rnn.pad_sequence
        ones = [torch.ones(len(X), dtype=torch.bool) for X in self.inputs]
        padded = pad(list(self.inputs), batch_first=True), pad(list(self.targets), batch_first=True)
        return *padded, pad(ones, batch_first=True)

    def take(self, kept: Sequence[Tensor]) -> "TaskRows":
        """The rows at the indices `kept`, one tensor of indices per task.

        One index tensor for all tasks keeps common inputs common, which losses use.
        """
        if self.common and all(index is kept[0] for index in kept):
            inputs = [self.inputs[0][kept[0]]] * len(self.names)
        else:
            inputs = [X[index] for X, index in zip(self.inputs, kept, strict=True)]
        return TaskRows(inputs, [y[index] for y, index in zip(self.targets, kept, strict=True)], self.names)
