"""From a table that was read to what will be stored: roles, features, tasks, warnings. Nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.errors import UsageError, count_nouns, make_printable
from suites._own.column_types import (
    TableColumn,
    check_target,
    find_target_kind,
    note_rounding,
    read_column,
    read_target_labels,
)
from suites._own.columns import Feature
from suites._own.description import OwnTask, make_safe_name
from suites._own.leaks import find_leaks
from suites._own.raw_table import RawTable
from suites._own.table_options import TableOptions, check_roles, settle_types

MOST_TEXTS = 50  # different texts that a category may have where almost every row has its own
LEAST_ROWS = 10  # of a task with rows of its own
POOLED = 10  # tasks with rows of their own, above which they are scored together


@dataclass(frozen=True)
class ColumnNote:
    """A line of the table that is shown before an import.

    role: target, feature, task, group, time or left out. kind: its type, or why it is left out.
    """

    name: str
    role: str
    kind: str
    missing: int
    distinct: int
    range: str


@dataclass
class TablePlan:
    """A table as it will be stored.

    features: in the order of the file. numbers (n, p) and codes (n, q): their columns.
    tasks: with rows of their own where `owners` (n,) says whose each row is.
    targets: (n, T), or (n, 1) where tasks have rows of their own.
    groups: (n,) whole numbers, or None. times: (n,), or None. parts: (n,) the split that the file says, or None.
    divided_by: the column of groups or times.
    """

    features: list[Feature]
    numbers: np.ndarray
    codes: np.ndarray
    tasks: list[OwnTask]
    targets: np.ndarray
    owners: np.ndarray | None = None
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    parts: np.ndarray | None = None
    divided_by: str = ""
    columns: list[ColumnNote] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows that are left."""
        return len(self.targets)


def plan_table(raw: RawTable, options: TableOptions) -> TablePlan:
    """Everything about a table that is decided before a row is written.

    Raises UsageError, in one sentence, for what cannot be imported.
    """
    check_roles(raw, options)
    options = settle_types(options)
    special = {options.task_column: "task", options.group: "group", options.time: "time"}
    left_out = [name for name in raw.frame.columns if name in options.drop]
    targets = list(options.targets)
    chosen = options.features if options.features is not None else tuple(raw.frame.columns)
    plan = TablePlan([], np.empty((0, 0)), np.empty((0, 0), np.int32), [], np.empty((0, 0)), parts=raw.parts)
    columns: dict[str, TableColumn] = {}
    for name in raw.frame.columns:
        if name in targets or name in special or (name in chosen and name not in left_out):
            # Groups and tasks are told apart by their texts: two long numbers may be one in float64.
            by_text = special.get(name) in ("group", "task") and name not in (options.features or ())
            wanted = "category" if by_text else options.types.get(name)
            codes, name_type = tuple(raw.levels.get(name, ())), "class" if name in targets else "category"
            columns[name] = read_column(raw.frame[name], wanted, codes, name_type)
            plan.warnings += note_rounding(columns[name], name_type)
    kinds = {name: options.types.get(name) or find_target_kind(columns[name]) for name in targets}
    labels = {name: read_target_labels(columns[name], kinds[name]) for name in targets}
    for name in targets:
        check_target(columns[name], kinds[name], *labels[name])
    inputs: list[TableColumn] = []
    for name in raw.frame.columns:
        role, kind = special.get(name, ""), columns[name].form if name in columns else "not asked for"
        if name in targets:
            role, kind = "target", kinds[name]
        elif not role or (options.features is not None and name in chosen):
            reason = "not asked for" if name not in columns else _explain_useless(columns[name], raw.frame.height)
            role, kind = ("left out", reason) if reason else ("feature", _feature_kind(columns[name]))
            if not reason:
                inputs.append(columns[name])
            elif name in columns:
                plan.warnings.append(f"`{make_printable(name)}` {reason}; it is left out.")
        at = columns.get(name)
        plan.columns.append(
            ColumnNote(
                name, role, kind, at.missing if at else 0, at.distinct if at else 0, at.describe_range() if at else ""
            )
        )
    if not inputs:
        raise UsageError("A table should have a feature beside its targets. Found none that varies.")
    _fill(plan, inputs, options, columns, kinds, labels)
    plan.warnings += find_leaks(inputs, [columns[name] for name in targets])
    return plan


def _explain_useless(column: TableColumn, rows: int) -> str:
    """Why a column is no feature; empty where it is one."""
    if column.form == "other":
        return "holds neither numbers, texts nor dates"
    if column.distinct == 0:
        return "is empty"
    if column.distinct == 1 and not column.missing:
        return "never changes"
    if column.form == "category" and column.distinct > max(MOST_TEXTS, rows / 2):
        return f"has {count_nouns(column.distinct, 'different text')} in {count_nouns(rows, 'row')}"
    if column.form == "whole" and column.distinct == rows and rows > 10 and (np.diff(column.values) == 1).all():
        return "numbers the rows"
    return ""


def _feature_kind(column: TableColumn) -> str:
    """Type of a feature as `Feature` has it."""
    return column.form if column.form in ("category", "date") else "number"


def _fill(
    plan: TablePlan,
    inputs: Sequence[TableColumn],
    options: TableOptions,
    columns: Mapping[str, TableColumn],
    kinds: Mapping[str, str],
    labels: Mapping[str, tuple[np.ndarray, tuple[str, ...]]],
) -> None:
    """Fill arrays and tasks of the plan, without rows that have no label, or belong to no task or group."""
    table = np.stack([labels[name][0] for name in options.targets], axis=1)
    keep = ~np.isnan(table).all(axis=1)
    _note_rows(plan, ~keep, "without a label of any target")
    for name, role in ((options.task_column, "task"), (options.group, "group"), (options.time, "time")):
        if name:
            absent = np.isnan(columns[name].values)
            _note_rows(plan, absent & keep, f"without a {role} in `{make_printable(name)}`")
            keep &= ~absent
    if options.task_column:
        [target] = options.targets
        owners = columns[options.task_column]
        keep &= _choose_owners(plan, owners, keep)
        plan.owners, plan.tasks = _make_own_tasks(owners, keep, target, kinds[target], labels[target][1])
    else:
        for name in options.targets:
            safe = make_safe_name(name, [task.name for task in plan.tasks])
            plan.tasks.append(
                OwnTask.model_validate({"name": safe, "title": name, "kind": kinds[name], "levels": labels[name][1]})
            )
    plan.targets = table[keep]
    numbers, codes = [], []
    for column in inputs:
        kind, values = _feature_kind(column), column.values[keep]
        plan.features.append(
            Feature.model_validate(
                {"name": column.name, "kind": kind, "levels": column.levels, "missing": bool(np.isnan(values).any())}
            )
        )
        if kind == "category":
            codes.append(np.where(np.isnan(values), -1, values).astype(np.int32))
        else:
            numbers.append(values)
    rows = int(keep.sum())
    plan.numbers = np.stack(numbers, axis=1) if numbers else np.empty((rows, 0))
    plan.codes = np.stack(codes, axis=1) if codes else np.empty((rows, 0), np.int32)
    plan.divided_by = options.group or options.time or ""
    if options.group:
        plan.groups = np.unique(columns[options.group].values[keep], return_inverse=True)[1]
    if options.time:
        plan.times = columns[options.time].values[keep]
        if columns[options.time].form == "category":
            raise UsageError(
                f"`--time` should be a column of dates or numbers. Found texts in `{make_printable(options.time)}`."
            )
    plan.parts = plan.parts[keep] if plan.parts is not None else None


def _note_rows(plan: TablePlan, dropped: np.ndarray, why: str) -> None:
    """A warning on rows that are left out."""
    if count := int(dropped.sum()):
        plan.warnings.append(f"{count_nouns(count, 'row')} {why} {'are' if count != 1 else 'is'} left out.")


def _choose_owners(plan: TablePlan, owners: TableColumn, keep: np.ndarray) -> np.ndarray:
    """Rows of tasks that are large enough, bool (n,); the others are noted."""
    values, codes, counts = np.unique(np.where(keep, owners.values, np.inf), return_inverse=True, return_counts=True)
    large = (counts >= LEAST_ROWS) & np.isfinite(values)
    small = int((~large & np.isfinite(values)).sum())
    if large.sum() < 2:
        raise UsageError(
            f"`--task-column` should have two values or more with {LEAST_ROWS} rows each. Found {int(large.sum())} in "
            f"`{make_printable(owners.name)}`."
        )
    if small:
        plan.warnings.append(
            f"`{make_printable(owners.name)}` has {count_nouns(small, 'task')} of {len(values[np.isfinite(values)])} "
            f"with "
            f"fewer than {LEAST_ROWS} rows; {'it is' if small == 1 else 'they are'} left out."
        )
    kept: np.ndarray = large[codes]
    return kept


def _make_own_tasks(
    owners: TableColumn, keep: np.ndarray, target: str, kind: str, levels: tuple[str, ...]
) -> tuple[np.ndarray, list[OwnTask]]:
    """(task of each row, the tasks): one for each value of the task column."""
    values, codes = np.unique(owners.values[keep], return_inverse=True)
    pool = make_safe_name(target, []) if len(values) > POOLED else ""
    tasks: list[OwnTask] = []
    for value in values:
        text = owners.levels[int(value)] if owners.levels else f"{value:.15g}"
        name = make_safe_name(text if text[:1].isalpha() else f"{owners.name}_{text}", [pool, *(t.name for t in tasks)])
        tasks.append(
            OwnTask.model_validate(
                {"name": name, "title": f"{owners.name} = {text}", "kind": kind, "levels": levels, "pool": pool}
            )
        )
    return codes.astype(np.int32), tasks
