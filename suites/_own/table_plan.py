"""From a table that was read to what will be stored: roles, types, targets, warnings. Nothing is written here."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.errors import UsageError, hint, make_printable, quote_nearest
from suites._own.column_types import (
    FEATURE_TYPES,
    TARGET_TYPES,
    TableColumn,
    find_target_kind,
    read_column,
    read_target_labels,
)
from suites._own.columns import Feature
from suites._own.description import OwnTask
from suites._own.reading import RawTable

MOST_TEXTS = 50  # different texts that a category may have where almost every row has its own
LEAST_ROWS = 10  # of a task with rows of its own
POOLED = 10  # tasks with rows of their own, above which they are scored together
RESERVED = ("row",)  # the first column of predictions
SAMPLE = 100_000  # rows that copies of targets among features are looked for in


@dataclass(frozen=True)
class TableOptions:
    """What the user says about a table; names are those of its columns.

    targets: what is predicted.
    task_column: every value of it is a task, with the rows that have it.
    group: rows of one value stay in one split.
    time: later rows are tested.
    features: None for all that are left.
    drop: left out.
    types: column -> type of a feature or kind of a target.
    """

    targets: tuple[str, ...]
    task_column: str | None = None
    group: str | None = None
    time: str | None = None
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)


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
    columns: list[ColumnNote] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows that are left."""
        return len(self.targets)


def make_safe_name(title: str, taken: Sequence[str]) -> str:
    """`title` as letters, digits and `_`, unlike all in `taken`: the name of a task in records and commands."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain).strip("_") or "target"
    name = name if name[0].isalpha() else f"t_{name}"
    number = 1
    unique = name
    while unique in taken or unique in RESERVED:
        number += 1
        unique = f"{name}_{number}"
    return unique


def plan_table(raw: RawTable, options: TableOptions) -> TablePlan:
    """Everything about a table that is decided before a row is written.

    Raises UsageError, in one sentence, for what cannot be imported.
    """
    _check_roles(raw, options)
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
            role, kind = (
                ("left out", reason) if reason else ("feature", _feature_kind(columns[name], options.types.get(name)))
            )
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
    plan.warnings += _find_leaks(inputs, [columns[name] for name in targets])
    return plan


def _check_roles(raw: RawTable, options: TableOptions) -> None:
    """Raise UsageError for columns that are not there, and for those with two roles."""
    known = raw.frame.columns
    named = {
        "--targets": options.targets,
        "--task-column": [options.task_column] if options.task_column else [],
        "--group": [options.group] if options.group else [],
        "--time": [options.time] if options.time else [],
        "--features": options.features or (),
        "--drop": options.drop,
        "--types": options.types,
    }
    for option, names in named.items():
        for name in names:
            if name not in known:
                raise UsageError(
                    f"`{option}` should name columns of the table; there is no `{make_printable(name)}`, "
                    f"{hint(name, map(make_printable, known), 'head -1 FILE')}."
                )
    if not options.targets:
        columns = quote_nearest("", map(make_printable, known))
        raise UsageError(f"`--targets` should name what is predicted. The columns are {columns}.")
    roles = [
        (option, name)
        for option in ("--features", "--drop", "--task-column", "--group", "--time")
        for name in named[option]
    ]
    for option, name in roles:
        if name in options.targets:
            raise UsageError(
                f"`{make_printable(name)}` should be a target or in `{option}`. Found both; take it out of one."
            )
    _check_division(raw, options)
    if options.task_column and len(options.targets) > 1:
        raise UsageError(
            f"`--task-column` should come with one target, which every task predicts on rows of its own. Found "
            f"{len(options.targets)}."
        )
    for name, kind in options.types.items():
        allowed, role = (TARGET_TYPES, "target") if name in options.targets else (FEATURE_TYPES, "feature")
        if kind not in allowed:
            raise UsageError(
                f"`--types` should give `{make_printable(name)}`, a {role}, one of "
                f"{', '.join(allowed)}. Found `{kind}`."
            )


def _check_division(raw: RawTable, options: TableOptions) -> None:
    """Raise UsageError where two things say how rows are divided, of which only one would be heard."""
    given = [option for option, name in (("--group", options.group), ("--time", options.time)) if name]
    if len(given) > 1:
        raise UsageError("Rows should be divided by `--group` or by `--time`. Found both; take one out.")
    if given and raw.parts is not None:
        raise UsageError(f"`{given[0]}` should not be given where the file says which rows are tested. Take it out.")
    if options.task_column and options.task_column in (options.group, options.time):
        raise UsageError(
            f"`{make_printable(options.task_column)}` should be in `--task-column` or in `{given[0]}`. Found both; "
            "take it out of one."
        )


def check_target(column: TableColumn, kind: str, labels: np.ndarray, levels: Sequence[str]) -> None:
    """Raise UsageError where a target has nothing to learn, or a class with a single row."""
    shown, there = make_printable(column.name), labels[~np.isnan(labels)]
    if not len(there):
        raise UsageError(f"The target `{shown}` should have labels. Found none in {len(labels)} rows.")
    if (there == there[0]).all():
        value = levels[int(there[0])] if levels else f"{there[0]:g}"
        raise UsageError(
            f"The target `{shown}` should vary. Found `{make_printable(value, 40)}` in every row; leave it out."
        )
    if kind in ("class", "binary"):
        counts = np.bincount(there.astype(int), minlength=len(levels))
        if rare := [levels[int(code)] for code in np.flatnonzero(counts < 3)]:
            raise UsageError(
                f"Every class of `{shown}` should have 3 rows or more, one for each split. Found {counts.min()} of "
                f"`{make_printable(rare[0], 40)}`"
                + (f", and {len(rare) - 1} more such classes" if len(rare) > 1 else "")
                + "; leave these rows out, or join the class with another."
            )
        if len(levels) > 200:
            raise UsageError(
                f"The target `{shown}` should have 200 classes at most. Found {len(levels)}; is it a text?"
            )


def _explain_useless(column: TableColumn, rows: int) -> str:
    """Why a column is no feature; empty where it is one."""
    if column.form == "other":
        return "holds neither numbers, texts nor dates"
    if column.distinct == 0:
        return "is empty"
    if column.distinct == 1 and not column.missing:
        return "never changes"
    if column.form == "category" and column.distinct > max(MOST_TEXTS, rows / 2):
        return f"has {column.distinct} different texts in {rows} rows"
    counts = np.diff(column.values[:SAMPLE])
    if column.form == "whole" and column.distinct == rows and rows > 10 and (counts == 1).all():
        return "numbers the rows"
    return ""


def _feature_kind(column: TableColumn, wanted: str | None) -> str:
    """Type of a feature as `Feature` has it."""
    return "category" if column.form == "category" else "date" if column.form == "date" else wanted or "number"


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
        kind, values = _feature_kind(column, None), column.values[keep]
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
        plan.warnings.append(f"{count} row{'s' * (count != 1)} {why} {'are' if count != 1 else 'is'} left out.")


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
            f"{small} of {len(values[np.isfinite(values)])} tasks in `{make_printable(owners.name)}` have fewer than "
            f"{LEAST_ROWS} rows; they are left out."
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


def _find_leaks(inputs: Sequence[TableColumn], targets: Sequence[TableColumn]) -> list[str]:
    """Warnings on features that are a target, or a monotone or one-to-one copy of it, where both are there."""
    warnings = []
    for target in targets:
        for feature in inputs:
            if how := _compare(feature, target):
                warnings.append(
                    f"The feature `{make_printable(feature.name)}` {how} the target `{make_printable(target.name)}`: "
                    "it gives the answer away; leave it out with `--drop` unless it is known beforehand."
                )
    return warnings


def _compare(feature: TableColumn, target: TableColumn) -> str:
    """How a feature gives a target away; empty where it does not."""
    x, y = feature.values[:SAMPLE], target.values[:SAMPLE]
    both = ~(np.isnan(x) | np.isnan(y))
    if both.sum() < 3:
        return ""
    x, y = x[both], y[both]
    if np.array_equal(x, y) and feature.levels == target.levels:
        return "equals"
    ordered = feature.form != "category" and target.form != "category"
    # Different numbers of values exclude both kinds of copies, at the cost of no sort; values without a label beside
    # them may be a few more.
    apart = abs(feature.distinct - target.distinct)
    if min(feature.distinct, target.distinct) < 2 or apart > feature.missing + target.missing:
        return ""
    a, b = (np.unique(each, return_inverse=True)[1] for each in (x, y))
    if ordered:
        return "is a monotone copy of" if np.array_equal(a, b) or np.array_equal(a, b.max() - b) else ""
    pairs = len(np.unique(a.astype(np.int64) * (int(b.max()) + 1) + b))
    return "is a copy of" if pairs == a.max() + 1 == b.max() + 1 else ""
