"""A table in long form: one row per method, task and metric, and three rows of changes per method."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np

from bench.errors import make_printable
from bench.records import ResultRecord
from bench.scores import Metric
from leaderboard.analysis.certified import uncertified
from leaderboard.analysis.data_worth import Worth, curve, worth
from leaderboard.analysis.standings import NOBODY, Standings, standings
from leaderboard.analysis.statistics import CHANGES, Cells, Selection, changes, collect_cells, interval, status_of
from leaderboard.boards.board import Board, Track
from leaderboard.boards.controls import add_controls
from leaderboard.boards.tuned_track import keep_searched, select_tuned
from leaderboard.intake.submission import Submission, add_submissions
from leaderboard.report.footnotes import notes_of
from leaderboard.store import StoreContents
from leaderboard.trust.ledger import read_checks, state_of_row

MAX_NOTE = 20_000  # characters
MANY_TASKS = 8  # above this, wide formats show the mean over tasks and the worst task only


@dataclass(frozen=True)
class Row:
    """One number of a table. `task` is `*` for a change; `seeds` is the number of runs behind `mean`."""

    table: str
    suite: str
    method: str
    task: str
    metric: str
    higher_is_better: bool
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    seeds: int
    selection: str
    status: str


@dataclass(frozen=True)
class Table:
    """The rows of a board under one selection rule, and sentences that belong below them.

    `summary` holds, for boards with more than MANY_TASKS tasks, rows with task `mean of tasks` or
    `worst: NAME`, which only wide formats show. `units` maps a metric to its unit; `states` a method to how far its
    cells were checked, where any were. `standings` are those of the methods that are ranked: not of controls, of
    protocols that are not ranked, and, where a store was verified, of methods with cells that were not. `worth` is
    what a method is worth in training rows, where the board has a series. `data` and `records` are the numbers and the
    runs that the rows were made from.
    """

    board: Board
    selection: str
    rows: list[Row]
    summary: list[Row]
    notes: list[str]
    units: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    standings: Standings = NOBODY
    worth: dict[str, Worth] = field(default_factory=dict)
    data: Cells | None = None
    records: Mapping[tuple[str, int], ResultRecord] = field(default_factory=dict)

    def status(self, method: str) -> str:
        """`complete`, `incomplete (3/5)` or `missing`."""
        return next(row.status for row in self.rows if row.method == method)


def build_table(
    board: Board,
    contents: StoreContents,
    selection: Selection = "val",
    track: Track = "default",
    submissions: Sequence[Submission] = (),
) -> Table:
    """The table of `board` from what a store holds, with the `submissions` to it that are sound.

    Submissions have no tuned track. Raises ValueError for an unknown selection rule.
    """
    if selection not in get_args(Selection):
        raise ValueError(f"`selection` should be one of {', '.join(get_args(Selection))}. Found `{selection}`.")
    remarks: list[str] = []
    added: list[str] = []  # of submissions
    records = contents.records
    if track == "tuned":
        own = board.methods
        board = keep_searched(board, records)
        chosen = select_tuned(board, records)
    else:
        first = board.methods
        board, records, remarks = add_submissions(board, records, submissions)
        own, added = board.methods, [method for method in board.methods if method not in first]
        board, chosen = add_controls(board, records)
    data = collect_cells(board, chosen.records, selection)
    long = [row for method in board.methods for row in _rows_of(data, method, selection)]
    many = len(data.tasks) > MANY_TASKS
    summary = [row for method in board.methods for row in _summary_of(data, method, selection)] if many else []
    units = {column.metric.name: column.metric.unit for column in data.columns} | {"delta_flat": "%", "delta_task": "%"}
    states = _states(chosen.records, contents.root)
    ranked = all(record.spec.protocol.ranked for record in chosen.records.values())
    unchecked = [method for method in own if states.get(method) == "reported"]
    place = standings(data, [method for method in own if ranked and method not in unchecked])
    doubts = [*_unranked(board, unchecked), *_unrepeated(board, added, states), *remarks]
    left_out = [*doubts, *chosen.notes, *uncertified(board, chosen.records)]
    notes = notes_of(data, selection, [*place.notes, *left_out], contents.problems)
    worths = _worth(data, contents, selection, notes)
    notes = [make_printable(note, MAX_NOTE) for note in notes]  # names in them are those of records
    return Table(board, selection, long, summary, notes, units, states, place, worths, data, chosen.records)


def _worth(data: Cells, contents: StoreContents, selection: Selection, notes: list[str]) -> dict[str, Worth]:
    """method -> its worth in training rows, and a sentence about it at the end of `notes`."""
    known = curve(data.board, contents.records, selection) if data.board.series else None
    size = next((r.spec.protocol.splits["train"] for r in contents.records if r.suite == data.board.suite), 0)
    if known is None or size not in known.rows:
        return {}
    sizes = ", ".join(f"{rows:,.0f}" for rows in known.rows)
    notes.append(
        f"worth: rows with which `{data.board.reference}` reaches the method's error, over the {size:,} that are "
        f"trained on here. Its curve is linear between {sizes} rows, in log error and log rows; the interval is that "
        "of Δ log."
    )
    return worth(data, size, known)


def _unranked(board: Board, methods: list[str]) -> list[str]:
    names = ", ".join(f"`{board.label(method)}`" for method in methods)
    return [f"Not ranked, since not all of their runs were verified (`mtlbench verify`): {names}."] if methods else []


def _unrepeated(board: Board, submissions: list[str], states: dict[str, str]) -> list[str]:
    names = ", ".join(f"`{board.label(method)}`" for method in submissions if states.get(method) == "valid")
    return [f"Run by nobody but who submitted them (`mtlbench verify SUBMISSION --rerun 2`): {names}."] if names else []


def _states(chosen: dict[tuple[str, int], ResultRecord], root: Path | None) -> dict[str, str]:
    """method -> verification state of its row; nothing where the store has never been verified."""
    checks = read_checks(root)
    methods = dict.fromkeys(method for method, _ in chosen) if checks else {}
    return {m: state_of_row([record for (name, _), record in chosen.items() if name == m], checks) for m in methods}


def _rows_of(data: Cells, method: str, selection: str) -> list[Row]:
    values = data.of(method)
    metrics = [
        _row(data, method, selection, column.task, column.metric, values[:, index])
        for index, column in enumerate(data.columns)
    ]
    against = changes(data, method)
    found = [_row(data, method, selection, "*", Metric(name, True), against[name]) for name in CHANGES]
    return metrics + [replace(row, status=status_of(row.seeds, len(data.board.seed_list))) for row in found]


def _summary_of(data: Cells, method: str, selection: str) -> list[Row]:
    """Per metric: the mean over its tasks, run by run, and the task with the worst mean."""
    found = []
    values = data.of(method)
    for metric in dict.fromkeys(column.metric for column in data.columns):
        at = [index for index, column in enumerate(data.columns) if column.metric == metric]
        found.append(_row(data, method, selection, "mean of tasks", metric, values[:, at].mean(axis=1)))
        known = [index for index in at if np.isfinite(values[:, index]).any()]
        if known:
            sign = 1.0 if metric.higher_is_better else -1.0
            worst = min(known, key=lambda index: sign * float(np.nanmean(values[:, index])))
            found.append(_row(data, method, selection, f"worst: {data.columns[worst].task}", metric, values[:, worst]))
    return found


def _row(data: Cells, method: str, selection: str, task: str, metric: Metric, sample: np.ndarray) -> Row:
    found = interval(sample, overlap=data.overlap)
    return Row(
        table=data.board.name,
        suite=data.board.suite,
        method=method,
        task=task,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        mean=None if math.isnan(found.mean) else found.mean,
        ci_low=found.low,
        ci_high=found.high,
        seeds=found.n,
        selection=selection,
        status=data.status(method),
    )
