"""The rows of a split on the device, in the type and the memory format that the models of a run need."""

from collections.abc import Sequence
from typing import Any

import torch

from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.core.task import Task
from bench.records import Protocol, RunSpec
from bench.training.environment import settle_precision


def choose_memory_format(protocol: Protocol) -> torch.memory_format:
    """The memory format of tensors of four axes: rows of images and weights of convolutions."""
    return torch.channels_last if protocol.memory_format == "channels_last" else torch.contiguous_format


def place_rows(rows: Dataset, protocol: Protocol) -> Dataset:
    """`rows` on the device, in the type and the memory format of `protocol`. Raises UsageError for TF32 off a GPU."""
    device = torch.device(protocol.device)
    return rows.to(device, settle_precision(protocol.precision, device), choose_memory_format(protocol))


def tally_labels(split: str, rows: Dataset, tasks: Sequence[Task]) -> dict[str, dict[str, int]]:
    """split -> reported task -> rows with a label of it, as a record has them; empty where no label is missing."""
    return {split: count_labels_of_tasks(rows, tasks)} if rows.partly_labelled else {}


def count_labels_of_tasks(rows: Dataset, tasks: Sequence[Task]) -> dict[str, int]:
    """Reported task -> rows with a label of it, over all tasks that are reported together."""
    counts: dict[str, int] = {}
    for task in tasks:
        counts[task.reported] = counts.get(task.reported, 0) + int(rows.find_labelled_rows(task.name).sum())
    return counts


def read_split(suite: Suite, spec: RunSpec, split: Any) -> Dataset:
    """A split of `suite` as the run of `spec` reads it; `split` is `train`, `val` or `test`.

    The protocol's `shuffled` and `smoothed` tasks have their training targets dealt out anew, and nothing else: they
    are scored on true targets.
    """
    rows = suite.dataset(split, spec.seed)
    if split == "train" and spec.protocol.shuffled:
        rows = rows.shuffle_targets(spec.protocol.shuffled, spec.seed)
    if split == "train" and spec.protocol.smoothed:
        rows = rows.smooth_targets(spec.protocol.smoothed, spec.seed)
    return place_rows(rows, spec.protocol)
