"""From the records of a board to its numbers: estimates with intervals, changes, standings, worth in data.

`analyse` is the only way in. It decides no statistics itself: formulas and tests are in
`leaderboard.analysis.statistics`, ranks in `standings`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from bench.records import ResultRecord
from bench.scores import KINDS, Metric, primary_error
from leaderboard.analysis.certified import count_uncertified
from leaderboard.analysis.costs import collect_costs, is_alike
from leaderboard.analysis.data_worth import DataCurve, Worth, estimate_worth, fit_curve
from leaderboard.analysis.standings import Standings, rank_methods
from leaderboard.analysis.statistics import (
    CHANGES,
    Cells,
    Column,
    Interval,
    SelectionRule,
    change_matrix,
    gains,
    interval,
    status_of,
    win_probability,
)
from leaderboard.boards.board import Board
from leaderboard.boards.record_selection import Role, Selection
from leaderboard.boards.twins import collect_twins, write_twin

Quantity = Literal["metric", "change", "mean", "worst", "worth"]
# Δ log has no unit: it is a log ratio.
CHANGE_UNITS = {"delta_flat": "%", "delta_task": "%"}
WORTH_IN_ROWS = Metric("worth", higher_is_better=True, unit="x")


@dataclass(frozen=True)
class Row:
    """One number of a board: an estimate over seeds with its 95 % interval.

    Attributes:
        table, suite: names of the board and its suite.
        method, role: a row of the board, and what it is there.
        quantity: `metric` of a task; `change` against the reference over all tasks, named by `metric`; `mean` of a
            metric over its tasks, taken run by run; that metric in the task where its mean is `worst`; or the
            `worth` in training rows.
        task: empty for changes and means, and for the worth over all tasks.
        metric, unit, higher_is_better: what is measured, in which unit, and which direction is better.
        mean: None where nothing was run.
        ci_low, ci_high: None where there is no interval.
        seeds: the number of runs behind `mean`.
        selection: which epoch of each run counts.
        status: `complete`, `incomplete (3/5)` or `missing`.
    """

    table: str
    suite: str
    method: str
    role: Role
    quantity: Quantity
    task: str
    metric: str
    unit: str
    higher_is_better: bool
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    seeds: int
    selection: SelectionRule
    status: str

    @property
    def sign(self) -> int:
        """+1 where the whole interval is above zero, -1 where it is below, else 0."""
        if self.ci_low is None or self.ci_high is None:
            return 0
        return 1 if self.ci_low > 0 else -1 if self.ci_high < 0 else 0


@dataclass(frozen=True)
class Results:
    """Every number of a board under one rule of which epoch counts.

    Attributes:
        selection, rule: the records, and which epoch of each counts.
        cells: the scores as arrays.
        rows: method by method in the order of the board, its metrics and then its three changes.
        changes: definition of the change -> [method, seed].
        standings: of the methods that are ranked: no controls; nobody under a protocol that is not ranked; and in a
            store that was verified, no method with unverified runs.
        series: the cells of each suite of the board's series.
        curve: the reference's error by training rows, on boards with a series.
        size: the training rows of the board's own suite.
        worth: method -> its worth in rows, as a multiple of `size`.
        states: method -> how far its runs were verified.
        uncertified: method -> (runs whose solver ended above its tolerance, runs of a solver).
    """

    selection: Selection
    rule: SelectionRule
    cells: Cells
    rows: list[Row]
    changes: dict[str, np.ndarray]
    standings: Standings
    series: list[Cells] = field(default_factory=list)
    curve: DataCurve | None = None
    size: int = 0
    worth: dict[str, Worth] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    uncertified: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def board(self) -> Board:
        """The board with every row that is shown."""
        return self.selection.board

    @property
    def records(self) -> dict[tuple[str, int], ResultRecord]:
        """(method, seed) -> the run behind it."""
        return self.selection.records

    @property
    def unchecked(self) -> list[str]:
        """Methods that are not ranked since not all of their runs were verified; empty in a store that never was."""
        roles = self.selection.roles
        return [m for m in self.board.methods if roles[m] != "control" and self.states.get(m) == "reported"]

    @cached_property
    def summary(self) -> list[Row]:
        """Per method and metric two rows: the mean over the metric's tasks, and the task with the worst mean."""
        return [row for method in self.board.methods for row in _summarise(self, method)]

    @property
    def worth_rows(self) -> list[Row]:
        """Per method its worth over all tasks and in each; `mean` and ends as `Worth.bounds` has them."""
        return [
            _row(self.selection, method, "worth", task, WORTH_IN_ROWS, each.bounds, self.rule, self.status(method))
            for method, worth in self.worth.items()
            for task, each in {"": worth, **worth.tasks}.items()
        ]

    @cached_property
    def gains(self) -> np.ndarray:
        """[method, seed, task] of log(reference error / error)."""
        return gains(self.cells)

    @cached_property
    def wins(self) -> np.ndarray:
        """[method, method]: the probability that the first has the smaller error on a random seed and task."""
        return win_probability(-self.cells.errors)

    @cached_property
    def change_rows(self) -> dict[str, dict[str, Row]]:
        """method -> definition of the change -> its row."""
        rows: dict[str, dict[str, Row]] = {method: {} for method in self.board.methods}
        for row in self.rows:
            if row.quantity == "change":
                rows[row.method][row.metric] = row
        return rows

    def status(self, method: str) -> str:
        """`complete`, `incomplete (3/5)` or `missing`."""
        return self.cells.status(method)


def analyse(selection: Selection, rule: SelectionRule = "val", states: Mapping[str, str] | None = None) -> Results:
    """Estimate and test everything about a selection.

    Means are over seeds with 95 % t intervals, changes are paired by seed, and every test that is adjusted for others
    is adjusted here.

    Args:
        selection: the runs, at most one for each method and seed, and the role of each method.
        rule: `val` keeps the epoch that validation chooses, `per_task` one for each task, `last` the last one.
        states: method -> how far its runs were verified; methods that are `reported` only are not ranked.

    Returns:
        Every number that tables and pages show; its only texts are names.

    Raises:
        ValueError: `rule` is unknown.
    """
    if rule not in get_args(SelectionRule):
        raise ValueError(f"`selection` should be one of {', '.join(get_args(SelectionRule))}. Found `{rule}`.")
    board, states = selection.board, states or {}
    cells = collect_cells(board, selection.records, rule)
    changes = {name: change_matrix(cells, name) for name in CHANGES}
    rows = [row for at, method in enumerate(board.methods) for row in _rows_of(selection, cells, changes, rule, at)]
    ranked = all(record.spec.protocol.ranked for record in selection.records.values())
    # A control says what else could make a difference: ranked among methods, it would change what they are tested for.
    contestants = [m for m in board.methods if selection.roles[m] != "control" and states.get(m) != "reported"]
    standings = rank_methods(cells, contestants if ranked else [], _pair_twins(selection, contestants, states))
    series = [
        collect_cells(_with_methods_of(board, suite, chosen), chosen, rule)
        for suite, chosen in selection.series.items()
    ]
    curve = fit_curve(series, board.reference)
    here = (each.protocol for each in series if each.board.suite == board.suite)
    size = next((protocol.splits["train"] for protocol in here if protocol), 0)
    known = curve if curve is not None and size in curve.rows else None  # off the curve nothing says where it stands
    worth = estimate_worth(cells, size, known) if known else {}
    uncertified = count_uncertified(board, selection.records)
    return Results(selection, rule, cells, rows, changes, standings, series, known, size, worth, states, uncertified)


def _pair_twins(selection: Selection, methods: Sequence[str], states: Mapping[str, str]) -> dict[str, str]:
    """Method -> its twin, of those whose twin stands on the board, too.

    A twin that nobody verified says nothing, and one of another size says more than that the path between tasks is
    gone: twins are written for a whole sharing, and an option may make it larger.
    """
    twins = collect_twins({record.method for record in selection.records.values()})
    pairs = {method: write_twin(method, twins) for method in methods}
    known = {name for name in selection.board.methods if states.get(name) != "reported"}
    sizes = collect_costs(selection.records, "parameters")
    return {
        method: twin
        for method, twin in pairs.items()
        if twin in known and is_alike(sizes.get(method, 1.0) / sizes.get(twin, sizes.get(method, 1.0)))
    }


def collect_cells(board: Board, records: Mapping[tuple[str, int], ResultRecord], rule: SelectionRule = "val") -> Cells:
    """Lay records out as arrays.

    Args:
        board: whose methods and seeds are the first two axes, in its order.
        records: (method, seed) -> run; the tasks and metrics are those of the first.
        rule: which epoch's scores count.

    Returns:
        `values` [method, seed, column], each in the metric's unit, and primary `errors` [method, seed, task]; NaN where
        a run is missing.
    """
    first = next(iter(records.values()), None)
    kinds = first.spec.protocol.metrics if first else {}
    tasks = [task for task in (first.tasks if first else []) if kinds.get(task) in KINDS]
    columns = [Column(task, metric) for task in tasks for metric in KINDS[kinds[task]].metrics]
    shape = len(board.methods), len(board.seed_list)
    values = np.full((*shape, len(columns)), np.nan)
    errors = np.full((*shape, len(tasks)), np.nan)
    rows, places = ({name: at for at, name in enumerate(names)} for names in (board.methods, board.seed_list))
    # A run may lack a task or a rule that others have: NaN takes no part in any estimate, and shows as missing.
    for (method, seed), record in records.items():
        at = rows[method], places[seed]
        scores, states = record.scores.get(rule, {}), record.statistics.get(rule, {})
        values[at] = [scores.get(column.task, {}).get(column.metric.name, np.nan) for column in columns]
        errors[at] = [primary_error(kinds[task], states[task]) if task in states else np.nan for task in tasks]
    return Cells(board, tasks, columns, values, errors, first.spec.protocol if first else None)


def _with_methods_of(board: Board, suite: str, chosen: Mapping[tuple[str, int], ResultRecord]) -> Board:
    """The board on another suite, with the methods that were run there."""
    return board.model_copy(update={"suite": suite, "methods": list(dict.fromkeys(method for method, _ in chosen))})


def _rows_of(
    selection: Selection, cells: Cells, changes: Mapping[str, np.ndarray], rule: SelectionRule, at: int
) -> Iterator[Row]:
    """The metrics of the method at index `at` of the board, and then its changes."""
    method = selection.board.methods[at]
    status, seeds = cells.status(method), len(selection.board.seed_list)
    for column, sample in zip(cells.columns, cells.values[at].T, strict=True):
        estimate = interval(sample, overlap=cells.overlap)
        yield _row(selection, method, "metric", column.task, column.metric, estimate, rule, status)
    for name, matrix in changes.items():
        estimate = interval(matrix[at], overlap=cells.overlap)
        metric = Metric(name, higher_is_better=True, unit=CHANGE_UNITS.get(name, ""))
        yield _row(selection, method, "change", "", metric, estimate, rule, status_of(estimate.n, seeds))


def _summarise(results: Results, method: str) -> Iterator[Row]:
    """The rows of `summary` for one method.

    The mean over tasks is taken run by run, so that its interval knows how tasks vary together. The worst task is
    chosen by its mean, and its interval is that of the task alone: it does not account for the choice.
    """
    cells, status = results.cells, results.status(method)
    values = cells.values_of(method)
    for metric in dict.fromkeys(column.metric for column in cells.columns):
        at = [index for index, column in enumerate(cells.columns) if column.metric == metric]
        # A run that lacks a task has no mean over tasks: a mean with a NaN is NaN.
        over_tasks = interval(values[:, at].mean(axis=1), overlap=cells.overlap)
        yield _row(results.selection, method, "mean", "", metric, over_tasks, results.rule, status)
        # A task without any run has no mean to be the worst.
        known = [index for index in at if np.isfinite(values[:, index]).any()]
        if known:
            sign = 1.0 if metric.higher_is_better else -1.0
            worst = min(known, key=lambda index: sign * float(np.nanmean(values[:, index])))
            estimate = interval(values[:, worst], overlap=cells.overlap)
            task = cells.columns[worst].task
            yield _row(results.selection, method, "worst", task, metric, estimate, results.rule, status)


def _row(
    selection: Selection,
    method: str,
    quantity: Quantity,
    task: str,
    metric: Metric,
    estimate: Interval,
    rule: SelectionRule,
    status: str,
) -> Row:
    """One number as a row; None for the mean of nothing."""
    return Row(
        table=selection.board.name,
        suite=selection.board.suite,
        method=method,
        role=selection.roles[method],
        quantity=quantity,
        task=task,
        metric=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        mean=None if math.isnan(estimate.mean) else estimate.mean,
        ci_low=estimate.low,
        ci_high=estimate.high,
        seeds=estimate.n,
        selection=rule,
        status=status,
    )
