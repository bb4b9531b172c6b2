"""Every number of a board as one array; a missing cell is NaN."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.records import Protocol, ResultRecord
from bench.scores import KINDS, Metric, primary_error
from leaderboard.boards.board import Board

Selection = Literal["val", "per_task", "last"]


@dataclass(frozen=True)
class Column:
    """One metric of one task."""

    task: str
    metric: Metric


@dataclass(frozen=True)
class Cells:
    """Every number of a board: `values` is [method, seed, column], `errors` is [method, seed, task]; NaN is missing.

    A column is a (task, metric) pair, since tasks need not have the same metrics. `protocol` is that of the runs.
    """

    board: Board
    tasks: list[str]
    columns: list[Column]
    values: np.ndarray
    errors: np.ndarray
    protocol: Protocol | None = None

    @property
    def overlap(self) -> float:
        """Test rows over training rows where seeds are random splits of the same rows, else 0: of `interval`."""
        if self.protocol is None or not self.protocol.overlapping:
            return 0.0
        return self.protocol.splits["test"] / self.protocol.splits["train"]

    def of(self, method: str) -> np.ndarray:
        """[seed, column] of one method."""
        values: np.ndarray = self.values[self.board.methods.index(method)]
        return values

    def finished(self, method: str) -> int:
        """How many seeds of `method` have every number."""
        return int(np.isfinite(self.of(method)).all(axis=1).sum()) if self.columns else 0

    def status(self, method: str) -> str:
        """`complete`, `incomplete (3/5)` or `missing`, against the seeds of the board."""
        started = bool(self.columns) and bool(np.isfinite(self.of(method)).any())
        return status_of(self.finished(method), len(self.board.seed_list), started)


def status_of(finished: int, wanted: int, started: bool = False) -> str:
    """`complete`, `incomplete (3/5)`, or `missing` where nothing was `started`."""
    if finished == wanted:
        return "complete"
    return f"incomplete ({finished}/{wanted})" if finished or started else "missing"


def collect_cells(board: Board, records: Mapping[tuple[str, int], ResultRecord], selection: Selection = "val") -> Cells:
    """Lay the records, by method and seed, out as an array; scores are those under the rule `selection`."""
    first = next(iter(records.values()), None)
    kinds = first.spec.protocol.metrics if first else {}
    tasks = [task for task in (first.tasks if first else []) if kinds.get(task) in KINDS]
    columns = [Column(task, metric) for task in tasks for metric in KINDS[kinds[task]].metrics]
    shape = len(board.methods), len(board.seed_list)
    values = np.full((*shape, len(columns)), np.nan)
    errors = np.full((*shape, len(tasks)), np.nan)
    rows, places = ({name: at for at, name in enumerate(names)} for names in (board.methods, board.seed_list))
    for (method, seed), record in records.items():
        at = rows[method], places[seed]
        scores, states = record.scores.get(selection, {}), record.statistics.get(selection, {})
        values[at] = [scores.get(column.task, {}).get(column.metric.name, np.nan) for column in columns]
        errors[at] = [primary_error(kinds[task], states[task]) if task in states else np.nan for task in tasks]
    return Cells(board, tasks, columns, values, errors, first.spec.protocol if first else None)
