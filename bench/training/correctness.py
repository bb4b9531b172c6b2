"""Which rows of a split the predictions have right, gathered while the split is evaluated."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bench.core.task import Task, TaskMetric
from bench.records import CorrectRows
from bench.records.correct_rows import MOST_ROWS
from bench.scores import find_kind


class Correctness:
    """Which rows each task has right, for tasks whose metric can say so of a single row (`TaskMetric.judge_rows`).

    Rows of a task are in the order of the split, whatever the size of the pieces in which they were predicted.
    """

    def __init__(self) -> None:
        self._pieces: dict[str, list[Tensor]] = {}  # task -> bool (n,), piece after piece

    def add(self, task: str, metric: TaskMetric, prediction: Tensor, target: Tensor) -> None:
        """Note the next rows of `task`, which `metric` judges; nothing where its kind counts no right rows."""
        right = metric.judge_rows(prediction, target)
        if right is not None and find_kind(metric.kind).right:
            self._pieces.setdefault(task, []).append(right)

    def pack(self, tasks: Sequence[Task]) -> dict[str, CorrectRows]:
        """Reported task -> the bits of its rows; those of a pool are one task after the other, in the order of `tasks`.

        Tasks of more than MOST_ROWS rows are left out, as are those whose rows are neither right nor wrong.
        """
        pieces: dict[str, list[Tensor]] = {}
        for task in tasks:
            pieces.setdefault(task.reported, []).extend(self._pieces.get(task.name, []))
        bits = {name: torch.cat(own).cpu().numpy() for name, own in pieces.items() if own}
        return {name: CorrectRows.pack(own) for name, own in bits.items() if len(own) <= MOST_ROWS}
