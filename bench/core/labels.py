"""Rows without a label: NaN in targets of numbers, below 0 in targets of classes; what cannot be trained is refused.

Called by the plan, before any cell is trained, and by `mtlbench check`: one NaN among the labels would otherwise make
every weight NaN.
"""

import torch
from torch import Tensor

from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.core.task import Task
from bench.errors import UsageError
from bench.scores import find_kind, score


def find_unlabelled(target: Tensor) -> Tensor:
    """Mask of the rows of `target` (n, ...) that have no label at all, bool (n,)."""
    absent = target.isnan() if target.is_floating_point() else target < 0
    return absent.reshape(len(target), -1).all(dim=1)


def check_labels(suite: Suite, split: str, rows: Dataset) -> None:
    """Raise UsageError, with one sentence, where rows without a label would end or spoil a run.

    Refused are a task without labels in a split, missing labels under a metric whose statistics count every row, and a
    loss or a metric that takes NaN for a label. Rows with a `transform` are not checked: their stored form may mark
    missing labels in another way.
    """
    if rows.transform is not None:
        return
    for task in (task for task in suite.tasks if task.name in rows.targets):
        target, own = rows.targets[task.name], suite.protocol.metrics[task.reported]
        without = int(find_unlabelled(target).sum())
        if without == len(target):
            raise UsageError(
                f"Every split should have labels of every task. Found none of `{task.name}` in `{split}`; give it "
                "some, or leave the task out."
            )
        if without and find_kind(own).rows:
            raise UsageError(
                f"Every row should have a label of `{task.name}`, since the statistics of `{own}` count all rows of a "
                f"split. Found {without} of {len(target)} without one in `{split}`; leave those rows out, give tasks "
                "inputs of their own, or register a kind that counts none (`register_kind`)."
            )
        if target.is_floating_point() and bool(target.isnan().any()):
            _check_nan_is_left_out(suite, task, split, rows)


def _check_nan_is_left_out(suite: Suite, task: Task, split: str, rows: Dataset) -> None:
    """Raise UsageError where loss or metric of `task` is not finite on one row with NaN and one without."""
    holes = rows.targets[task.name].isnan().reshape(len(rows.targets[task.name]), -1).any(dim=1)
    two = torch.stack([holes.int().argmax(), holes.int().argmin()])
    inputs, target = rows.inputs[task.name][two], rows.targets[task.name][two]
    # The throw-away backbone draws weights; without the fork the run would start from others.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for stage in (stages := suite.backbone().eval()):
            inputs = stage(inputs)
        prediction = task.head(stages[-1].output_shape).eval()(inputs)  # type: ignore[arg-type]
        loss, metric = task.loss(prediction, target), task.metric()
    found = f"where {int(holes.sum())} of {len(holes)} rows of `{split}` have NaN for a label"
    remedy = "look only at labels with `target.isfinite()`."
    if not bool(loss.isfinite()):
        raise UsageError(
            f"The loss of `{task.name}` should leave out labels that are missing. Found {loss.item():g}, {found}; "
            f"{remedy}"
        )
    metric.update(prediction, target)
    try:
        score(metric.kind, metric.state())
    except ValueError as error:
        raise UsageError(
            f"The metric of `{task.name}` should leave out labels that are missing. Found {found}: "
            f"{str(error).rstrip('.')}; {remedy}"
        ) from error
