"""The rows of linear problems: inputs and targets per task, as many as each has."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bench.core.missing import find_labelled_rows
from bench.errors import UsageError, count_nouns


@dataclass(frozen=True)
class TaskRows:
    """Rows of every task, in float64; tasks that share inputs hold one tensor.

    inputs: (n_t, d) of every task.
    targets: (n_t,) of every task.
    names: of the tasks, for sentences.
    places: (n_t,) of every task, which rows of the inputs in common these are, where tasks have labels in different
        rows of them; empty elsewhere.

    Raises UsageError, with one sentence, for what no model can be fitted to: shapes that do not match, no rows, or
    numbers that are not finite.
    """

    inputs: Sequence[Tensor]
    targets: Sequence[Tensor]
    names: Sequence[str]
    places: Sequence[Tensor] = ()

    def __post_init__(self) -> None:
        _check_shapes(self.inputs, self.targets, self.names)
        for name, X, y in zip(self.names, self.inputs, self.targets, strict=True):
            if not (X.isfinite().all() and y.isfinite().all()):
                raise UsageError(f"Inputs and targets of `{name}` should be finite. Found NaN or infinity.")

    @classmethod
    def keep_labelled(cls, inputs: Sequence[Tensor], targets: Sequence[Tensor], names: Sequence[str]) -> "TaskRows":
        """The rows of every task in which it has a label: others are no rows of it, and nothing behind sees them.

        Tasks that share inputs share those that are left where their labels are in the same rows. Rows without a label
        may hold anything. Args as those of the class; what a label is, `find_labelled_rows` says. Raises UsageError as
        the class does, and for a task without a label.
        """
        _check_shapes(inputs, targets, names)
        masks = [find_labelled_rows(y) for y in targets]
        for name, mask in zip(names, masks, strict=True):
            if not mask.any():
                raise UsageError(
                    f"`{name}` should have a label in some row. Found none in {count_nouns(len(mask), 'row')}."
                )
        if all(bool(mask.all()) for mask in masks):
            return cls(inputs, targets, names)
        # One tensor for all tasks with the same rows of the same inputs, by which `common` knows them.
        cut: dict[tuple[int, bytes], Tensor] = {}
        keys = [(id(X), mask.numpy().tobytes()) for X, mask in zip(inputs, masks, strict=True)]
        for key, X, mask in zip(keys, inputs, masks, strict=True):
            if key not in cut:
                cut[key] = X[mask]
        apart = len(cut) > 1 and all(X is inputs[0] for X in inputs)
        return cls(
            [cut[key] for key in keys],
            [y[mask] for y, mask in zip(targets, masks, strict=True)],
            names,
            [mask.nonzero().flatten() for mask in masks] if apart else (),
        )

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
        targets = [y[index] for y, index in zip(self.targets, kept, strict=True)]
        places = [place[index] for place, index in zip(self.places, kept, strict=bool(self.places))]
        return TaskRows(inputs, targets, self.names, places)


def _check_shapes(inputs: Sequence[Tensor], targets: Sequence[Tensor], names: Sequence[str]) -> None:
    """Raise UsageError where tasks, rows or columns do not match, and for a task without rows."""
    if not inputs or not len(inputs) == len(targets) == len(names):
        raise UsageError(
            f"Every task should have inputs and targets. Found {len(inputs)} and {len(targets)} for {len(names)} tasks."
        )
    columns = inputs[0].shape[-1]
    for name, X, y in zip(names, inputs, targets, strict=True):
        if X.dim() != 2 or X.shape[1] != columns:
            raise UsageError(
                f"The inputs of `{name}` should be rows of {columns} columns, as those of `{names[0]}`. Found shape "
                f"{tuple(X.shape)}."
            )
        if y.shape != X.shape[:1]:
            raise UsageError(f"`{name}` should have a target per row, {len(X)}. Found shape {tuple(y.shape)}.")
        if not len(X):
            raise UsageError(f"`{name}` should have rows. Found none.")
