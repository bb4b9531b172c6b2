"""Consistency checks between the fields of one record; fabricated results tend to fail them.

They hold for every method: statistics of one split count the same labels, epochs that were kept are the best ones of
the validation curves, curves have every epoch of the protocol. Values that no run has are the subject of `ranges`.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bench.records import ResultRecord, digest
from bench.scores import Kind, find_kind

AHEAD = timedelta(days=1)  # that a clock may be
ROUNDED = 1e-4  # relative, of an error that is computed from a rounded metric


def count_labels(record: ResultRecord, rule: str) -> dict[str, list[int]]:
    """Numbers in the statistics that the targets alone decide, as how often each class occurs.

    Args:
        record: a finished record.
        rule: one of its selection rules.

    Returns:
        task -> counts, equal for every method on the same test split; empty for kinds of metrics that have none.
    """
    metrics = record.spec.protocol.metrics
    return {task: find_kind(metrics[task]).truth(state) for task, state in record.statistics[rule].items()}


def find_inconsistencies(record: ResultRecord) -> Iterator[str]:
    """Find contradictions within one record, a sentence each.

    Expects a record for which `find_problems()` is empty. Failed runs are checked for their time only; trials of a
    search have no statistics of the test split.
    """
    yield from _check_created(record.created)
    if record.status != "done":
        return
    if digest(record.data) != record.spec.data:
        yield "data: should have the checksum that the specification names"
    if record.cosines and record.cosines.shape != [len(record.curves.train_loss or record.tasks)] * 2:
        yield f"cosines: should be tasks x tasks, found {record.cosines.shape}"
    yield from _check_curves(record)
    yield from _check_labels(record)
    if not record.spec.is_trial:
        yield from _check_statistics(record)
        if record.spec.protocol.selection != "cv":  # which has no epochs
            yield from _check_selection(record)


def digest_numbers(record: ResultRecord) -> str:
    """Digest of the statistics, validation errors and curves of a run.

    Two runs share it only where one is a copy of the other, or where both compute the same model.
    """
    return digest([record.statistics, record.validation, record.curves.model_dump()])


def _check_created(text: str) -> Iterator[str]:
    """Whether the time of a record is one, with a time zone, and not in the future."""
    try:
        when = datetime.fromisoformat(text) if text else None
    except ValueError:
        yield f"created: should be a time, ISO 8601, found {text[:40]}"
        return
    if when and when.tzinfo is None:
        yield f"created: should name its time zone, found {text}"
    elif when and when > datetime.now(UTC) + AHEAD:
        yield f"created: should not lie ahead, found {text}"


def _check_labels(record: ResultRecord) -> Iterator[str]:
    """Check the numbers of labels: of the splits and tasks of the run, some of them missing, and at least one there."""
    splits, share = record.spec.protocol.splits, record.spec.protocol.labels
    for split, counts in record.labels.items():
        if split not in splits or counts.keys() != set(record.tasks):
            yield f"labels.{split}: should be of a split, for every task"
        elif not all(1 <= count <= splits[split] for count in counts.values()):
            yield f"labels.{split}: should count from 1 to {splits[split]} rows of each task"
    if record.status == "done" and share < 1 and "train" not in record.labels:
        yield f"labels.train: should be there, since tasks keep a share of {share:g} of them"


def _check_statistics(record: ResultRecord) -> Iterator[str]:
    """Check the statistics, which are those of one test split under every rule.

    Labels are the same under every rule, and so is everything of a task under two rules that kept the same epoch.
    """
    metrics = record.spec.protocol.metrics
    # Any rule will do as the standard: all of them should count the same labels.
    first = next(iter(record.statistics))
    for rule, states in record.statistics.items():
        for task, state in states.items():
            own = find_kind(metrics[task])
            if strange := sorted(state.keys() - set(own.keys or state)):
                yield f"statistics.{rule}.{task}: should not have `{strange[0]}`"
            if extra := sorted(record.scores[rule][task].keys() - {metric.name for metric in own.metrics}):
                yield f"scores.{rule}.{task}: should not have `{extra[0]}`"
            yield from (f"statistics.{rule}.{task}: {sentence}" for sentence in own.contradictions(state))
        if extra := sorted(record.scores[rule].keys() - states.keys()):
            yield f"scores.{rule}: should not have `{extra[0]}`"
        if count_labels(record, rule) != count_labels(record, first):
            yield f"statistics.{rule}: should count the same labels as {first}"
    if record.spec.protocol.members > 1:
        return  # the others kept epochs of their own
    for task in record.tasks:
        by_epoch: dict[int, tuple[str, dict[str, Any]]] = {}
        for rule, states in record.statistics.items():
            epoch = record.selection[rule][task]
            other, state = by_epoch.setdefault(epoch, (rule, states[task]))
            if state != states[task]:
                yield f"statistics.{rule}.{task}: should be those of {other}, of the same epoch {epoch}"


def _check_selection(record: ResultRecord) -> Iterator[str]:
    """Check the epochs that were kept against the validation curves.

    `last` is the last epoch; `per_task` the best epoch of each task; `val` the epoch with the least sum of log errors,
    or the same epochs as `per_task`. Nothing is said where the errors do not follow from the metrics of the curves.
    """
    epochs, metrics = record.spec.protocol.epochs, record.spec.protocol.metrics
    if set(record.selection["last"].values()) != {epochs}:
        yield f"selection.last: should be epoch {epochs} for every task"
    try:
        errors = np.array([_compute_errors(record.curves.val[task], find_kind(metrics[task])) for task in record.tasks])
    except (KeyError, ValueError):
        return  # there are none, or of other lengths, which is said elsewhere
    if "val" not in record.selection or errors.shape[1] != epochs:
        return
    own = {task: record.selection["per_task"][task] for task in record.tasks}
    for task, path in zip(record.tasks, errors, strict=True):
        if path[own[task] - 1] > path.min() * (1 + ROUNDED):
            yield f"selection.per_task.{task}: validation is best at epoch {path.argmin() + 1}, kept is {own[task]}"
    if not (errors > 0).all():
        return  # a perfect epoch: what its logarithm was taken of is not in the curves
    joint = np.log(errors).sum(axis=0)
    kept = set(record.selection["val"].values())
    # A sum of rounded logarithms is off by at most one rounding for each task.
    together = len(kept) == 1 and joint[min(kept) - 1] <= joint.min() + ROUNDED * len(errors)
    if not together and record.selection["val"] != own:
        yield f"selection.val: validation is best at epoch {joint.argmin() + 1}, kept is {sorted(kept)}"


def _compute_errors(scores: Mapping[str, list[float | None]], own: Kind) -> list[float]:
    """[epoch] of the primary error of a task on validation; infinite where a metric was not finite.

    Raises:
        ValueError: the kind of metric does not say how its error follows from its metrics.
    """
    if own.error_of is None:
        raise ValueError("an error that does not follow from the metrics")
    by_epoch = [dict(zip(scores, at, strict=True)) for at in zip(*scores.values(), strict=True)]
    known = [{name: value for name, value in at.items() if value is not None} for at in by_epoch]
    return [own.error_of(at) if len(at) == len(scores) else math.inf for at in known]


def _check_curves(record: ResultRecord) -> Iterator[str]:
    """Check that curves are those of the run's tasks: every metric of each, in its range, over all epochs."""
    epochs, metrics, tasks = record.spec.protocol.epochs, record.spec.protocol.metrics, set(record.tasks)
    curves = record.curves
    # Several tasks of a suite may be scored together under one name: then more are trained than are scored.
    trained = set(curves.train_loss)
    if (trained and trained != tasks and len(trained) <= len(tasks)) or (curves.val and set(curves.val) != tasks):
        yield "curves: should be those of the tasks"
        return
    for task, paths in curves.val.items():
        own = find_kind(metrics[task]).metrics
        if paths.keys() != {metric.name for metric in own}:
            yield f"curves.val.{task}: should be those of the metrics"
        for metric in own:
            values = [value for value in paths.get(metric.name, []) if value is not None]
            if any(not metric.low <= value <= metric.high for value in values):
                yield f"curves.val.{task}.{metric.name}: should lie in its range"
    lengths = {len(path) for path in curves.train_loss.values()}
    lengths |= {len(path) for paths in curves.val.values() for path in paths.values()}
    if lengths - {epochs}:
        yield f"curves: should have {epochs} epochs, found {sorted(lengths)}"
