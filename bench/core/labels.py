"""Whether a suite's labels can be trained on: what would end or spoil a run is refused before.

Called by the plan, before any cell is trained, and by `mtlbench check`: one NaN that a loss takes for a label would
make every weight NaN. What a missing label is stands in `bench.core.missing`.
"""

import torch

from bench.core.data import Dataset
from bench.core.joint import JointMetric
from bench.core.missing import find_labelled
from bench.core.suite import Suite
from bench.core.task import Task
from bench.errors import UsageError
from bench.scores import score


def check_labels(suite: Suite, split: str, rows: Dataset) -> None:
    """Raise UsageError, with one sentence, where labels that are missing would end or spoil a run.

    Refused are a task without labels in a split, and a loss or a metric that takes a missing number of a row for a
    label; rows without any label are not shown to them. Of tasks that are scored together row by row, rows of their own
    are refused, and rows that lack a label of one. Of rows with a `transform` the masks alone are looked at: their
    stored form may mark missing labels in another way.
    """
    if split != "train":  # on which nothing is scored
        _check_rows_are_common(suite, split, rows)
    for task in (task for task in suite.tasks if task.name in rows.partly_labelled):
        if not bool(rows.find_labelled_rows(task.name).any()):
            raise UsageError(
                f"Every split should have labels of every task. Found none of `{task.name}` in `{split}`; give it "
                "some, or leave the task out."
            )
        if rows.transform is None:
            _check_gaps_are_left_out(suite, task, split, rows)


def _check_rows_are_common(suite: Suite, split: str, rows: Dataset) -> None:
    """Raise UsageError where tasks that a `JointMetric` scores together are not of the same rows, all with a label.

    The metric itself sees how many rows each task has, not which.
    """
    pools: dict[str, list[str]] = {}
    for task in suite.tasks:
        if isinstance(task.metric(), JointMetric):
            pools.setdefault(task.reported, []).append(task.name)
    for pool, [first, *others] in pools.items():
        of = f"Tasks that `{pool}` scores together should have the same rows, each with a label of every task. Found"
        for name in others:
            if rows.inputs[name] is not rows.inputs[first]:
                raise UsageError(f"{of} `{first}` and `{name}` with rows of their own in `{split}`.")
        for name in [first, *others]:
            if others and name in rows.partly_labelled:
                raise UsageError(f"{of} rows without a label of `{name}` in `{split}`.")


def _check_gaps_are_left_out(suite: Suite, task: Task, split: str, rows: Dataset) -> None:
    """Raise UsageError where loss or metric of `task` is not finite on a row that lacks labels beside one that does
    not, or which lacks others.
    """
    labelled = find_labelled(rows.targets[task.name]).reshape(len(rows.targets[task.name]), -1)
    partial = labelled.any(dim=1) & ~labelled.all(dim=1)
    if not bool(partial.any()):
        return
    two = torch.stack([partial.int().argmax(), labelled.int().sum(dim=1).argmax()])
    inputs, target = rows.inputs[task.name][two], rows.targets[task.name][two]
    found = f"where {int(partial.sum())} of {len(partial)} rows of `{split}` have labels for some of their elements"
    remedy = "look only at labels with `find_labelled`, or take a loss of bench.api, as `mse_loss`."
    # The throw-away backbone draws weights; without the fork the run would start from others.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for stage in (stages := suite.backbone().eval()):
            inputs = stage(inputs)
        prediction = task.head(stages[-1].output_shape).eval()(inputs)  # type: ignore[arg-type]
        try:
            loss, metric = float(task.loss(prediction, target)), task.metric()
        except (ArithmeticError, LookupError, RuntimeError) as error:
            loss, found = float("nan"), f"{type(error).__name__}, {found}"
    if not torch.tensor(loss).isfinite():
        raise UsageError(
            f"The loss of `{task.name}` should leave out labels that are missing. Found {loss:g}, {found}; {remedy}"
        )
    try:
        metric.update(prediction, target)
        score(metric.kind, metric.state())
    except (ArithmeticError, LookupError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"The metric of `{task.name}` should leave out labels that are missing. Found {found}: "
            f"{str(error).rstrip('.')}; {remedy}"
        ) from error
