"""Every number of a board as one array; a missing cell is NaN."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.records import Protocol
from bench.scores import Metric
from leaderboard.boards.board import Board

SelectionRule = Literal["val", "per_task", "last"]  # which epoch of a run counts


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
        return self.protocol.overlap if self.protocol else 0.0

    def values_of(self, method: str) -> np.ndarray:
        """[seed, column] of one method."""
        values: np.ndarray = self.values[self.board.methods.index(method)]
        return values

    def errors_of(self, method: str) -> np.ndarray:
        """[seed, task] primary errors of one method."""
        errors: np.ndarray = self.errors[self.board.methods.index(method)]
        return errors

    def count_finished(self, method: str) -> int:
        """How many seeds of `method` have every number."""
        return int(np.isfinite(self.values_of(method)).all(axis=1).sum()) if self.columns else 0

    def status(self, method: str) -> str:
        """`complete`, `incomplete (3/5)` or `missing`, against the seeds of the board."""
        started = bool(self.columns) and bool(np.isfinite(self.values_of(method)).any())
        return status_of(self.count_finished(method), len(self.board.seed_list), started)


def status_of(finished: int, wanted: int, started: bool = False) -> str:
    """`complete`, `incomplete (3/5)`, or `missing` where nothing was `started`."""
    if finished == wanted:
        return "complete"
    return f"incomplete ({finished}/{wanted})" if finished or started else "missing"
