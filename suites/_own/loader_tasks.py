"""Tasks of loaders: from the text of a kind, as `class:3`, or from a ready `Task`; and their targets, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.api import Affine, LogRate, Task, find_labelled
from bench.errors import UsageError, make_printable, quote_nearest
from suites._own.description import MAP_KINDS, OwnTask
from suites._own.kinds import MAKERS, make_task
from suites._own.table_suite import encode_target, measure_unit

COUNTED = ("class", "ordinal", "segmentation")  # kinds whose text has a number of classes or levels
CHANNELS = {"depth": 1, "normals": 3, "map": 1}  # of maps of numbers


@dataclass(frozen=True)
class LoaderTask:
    """A task, and what its targets are.

    name: as the loader has it.
    text: its kind as written, which tells data sets apart; of a ready task the kind of its metric.
    own: description of the kind; None for a ready task, whose targets are taken as they come.
    ready: the task, where it was given.
    """

    name: str
    text: str
    own: OwnTask | None
    ready: Task | None = None

    @property
    def whole(self) -> bool:
        """Whether a target is one number, which is kept in memory, and not a map or something of the user's own."""
        return self.own is not None and self.own.kind not in MAP_KINDS

    def make(self, target: Tensor) -> Task:
        """The task, for targets (n, ...) like these, from which maps take their size."""
        if self.ready or self.own is None:
            assert self.ready
            return self.ready
        if self.whole:
            return make_task(self.own)
        return make_task(self.own.model_copy(update={"details": self.own.details | {"size": list(target.shape[-2:])}}))

    def check(self, target: Tensor, split: str, first: int) -> Tensor:
        """Targets of some rows in the form that is kept: float64 (n,) of one number, NaN where missing; int64 (n, h, w)
        of a segmentation; float32 (n, c, h, w) of other maps.

        first: number of the first row, for sentences.

        Raises UsageError for another shape, and for values that the kind does not have.
        """
        if self.own is None:
            return target.float() if target.dtype == torch.float64 else target
        if not self.whole:
            return self._check_map(target, split)
        if target.dim() == 2 and target.shape[1] == 1:
            target = target[:, 0]
        if target.dim() != 1:
            raise UsageError(
                f"Targets of `{self.name}`, of kind `{self.text}`, should be one number for each row. Found "
                f"{tuple(target.shape[1:])} in `{split}`; take several tasks, a kind of maps, or a `Task` of your own."
            )
        values = target.double()
        kind, levels, broken = self.own.kind, len(self.own.levels), values != values.round()
        if kind in ("class", "ordinal", "binary"):
            values = torch.where(values < 0, torch.nan, values)
            most = 1 if kind == "binary" else levels - 1
            self._refuse(broken | (values > most), values, f"whole numbers from 0 to {most}", split, first)
        elif kind == "count":
            self._refuse(broken | (values < 0), values, "whole numbers from 0 upwards", split, first)
        self._refuse(values.isinf(), values, "finite", split, first)
        return values

    def _refuse(self, wrong: Tensor, values: Tensor, wanted: str, split: str, first: int) -> None:
        """Raise UsageError for the first value that is `wrong` and there."""
        at = (wrong & ~values.isnan()).nonzero().flatten().tolist()
        if at:
            raise UsageError(
                f"Targets of `{self.name}`, of kind `{self.text}`, should be {wanted}. Found "
                f"{float(values[at[0]]):g} in row {first + at[0]} of `{split}`."
            )

    def _check_map(self, target: Tensor, split: str) -> Tensor:
        """Maps (n, h, w) or (n, c, h, w)."""
        assert self.own
        kind = self.own.kind
        if kind == "segmentation":
            if target.dim() == 4 and target.shape[1] == 1:
                target = target[:, 0]
            classes = int(self.own.details["classes"])
            if target.dim() != 3 or target.is_floating_point() or int(target.max()) >= classes:
                raise UsageError(
                    f"Targets of `{self.name}` should be maps (rows, columns) of whole numbers below {classes}. Found "
                    f"{target.dtype} of shape {tuple(target.shape[1:])}, at most {float(target.max()):g}, in `{split}`."
                )
            return torch.where(target < 0, -1, target.long())
        if target.dim() == 3 and CHANNELS[kind] == 1:
            target = target[:, None]
        if target.dim() != 4 or target.shape[1] != CHANNELS[kind]:
            raise UsageError(
                f"Targets of `{self.name}`, of kind `{kind}`, should be maps ({CHANNELS[kind]}, rows, columns). Found "
                f"shape {tuple(target.shape[1:])} in `{split}`."
            )
        return target.float()

    def measure(self, labels: Tensor) -> Affine | LogRate | None:
        """The unit in which a target is learnt, from its training labels; None for its own."""
        return measure_unit(self.own, labels.numpy()) if self.own and self.whole else None

    def encode(self, labels: Tensor, unit: Affine | LogRate | None) -> Tensor:
        """Targets as they are learnt, from what `check` returned."""
        if self.own is None or not self.whole:
            return labels
        return torch.from_numpy(encode_target(self.own, labels.numpy(), unit))

    def find_rows(self, target: Tensor, split: str, streamed: bool) -> Tensor:
        """Which rows (n, ...) have a label, bool (n,).

        Raises UsageError for streamed rows of a ready task that have labels for some of their elements only.
        """
        labelled = find_labelled(target).reshape(len(target), -1)
        if streamed and self.ready and bool((labelled.any(dim=1) != labelled.all(dim=1)).any()):
            raise UsageError(
                f"A streamed row should have labels for all elements of `{self.name}`, or for none. Found some in "
                f"`{split}`; hold the data in memory, or take several tasks."
            )
        return labelled.any(dim=1)


def read_tasks(tasks: Mapping[str, str | Task] | Sequence[Task]) -> list[LoaderTask]:
    """The tasks of a mapping name -> kind or `Task`, or of a sequence of `Task`.

    Raises UsageError for an unknown kind, with the nearest, and for one that lacks its number of classes.
    """
    pairs = list(tasks.items()) if isinstance(tasks, Mapping) else [(task.name, task) for task in tasks]
    if not pairs:
        raise UsageError("`tasks` should have a task, as `tasks={'price': 'real', 'colour': 'class:3'}`. Found none.")
    return [_read_task(name, given) for name, given in pairs]


def _read_task(name: str, given: Any) -> LoaderTask:
    """One task."""
    if not name.isidentifier() or not name.isascii():
        raise UsageError(
            f"The name of a task should be letters, digits and `_`. Found `{make_printable(name)}`; rename it."
        )
    if isinstance(given, Task):
        if given.name != name:
            raise UsageError(f"The `Task` under `{name}` should have this name. Found `{given.name}`.")
        return LoaderTask(name, given.metric().kind, None, given)
    kind, _, count = str(given).partition(":")
    if kind not in MAKERS:
        raise UsageError(
            f"The kind of `{name}` should be one of those known; the nearest: {quote_nearest(kind, MAKERS)}. Found "
            f"`{make_printable(str(given))}`."
        )
    counted = kind in COUNTED
    if (counted and not (count.isdecimal() and int(count) >= 2)) or (count and not counted):
        form = f"{kind}:3`, with the number of its classes or levels" if counted else f"{kind}`"
        raise UsageError(f"The kind of `{name}` should be written as `{form}. Found `{make_printable(str(given))}`.")
    values: dict[str, Any] = {"name": name, "title": name, "kind": kind}
    if kind == "segmentation":
        values["details"] = {"classes": int(count)}
    elif count:
        values["levels"] = tuple(map(str, np.arange(int(count)).tolist()))
    return LoaderTask(name, str(given), OwnTask.model_validate(values))
