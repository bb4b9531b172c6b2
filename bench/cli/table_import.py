"""`mtlbench data import FILE`: a table of the user's own."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.import_words import (
    PlannedImport,
    note_seed,
    read_separator,
    read_shares,
    refuse_options,
    split_list,
)
from bench.cli.terminal import text_cell
from bench.errors import UsageError, count_nouns, make_printable

if TYPE_CHECKING:
    from suites._own.table_import import Division
    from suites._own.table_options import TableOptions
    from suites._own.table_plan import TablePlan

MOST_COLUMNS = 60  # that are shown; the card has all
OF_IMAGES = ("labels", "maps", "file_column", "scale", "ignore", "size")


def plan_table_import(arguments: argparse.Namespace, path: Path, name: str) -> PlannedImport:
    """Read a table and decide what becomes of it. Raises UsageError where it cannot be imported as it is."""
    from suites._own.reading import read_table
    from suites._own.table_import import describe_plan, divide_plan, import_plan
    from suites._own.table_plan import plan_table

    refuse_options(arguments, OF_IMAGES, "a folder of images", "a table")
    missing, shares = split_list(arguments.missing or ""), read_shares(arguments.split)
    raw = read_table(path, missing, read_separator(arguments.separator))
    chosen = _read_options(arguments, raw.options)
    plan = plan_table(raw, chosen)
    division = divide_plan(plan, shares, arguments.split_seed or 0)
    plan.warnings = [*raw.notes, *plan.warnings, *note_seed(arguments, division.seeded, division.rule)]
    description = describe_plan(plan, name, division, shares, path.name, missing)
    answer = {
        "name": name,
        "rows": plan.rows,
        "columns": [asdict(column) for column in plan.columns],
        "tasks": [task.model_dump(mode="json") for task in plan.tasks],
        "splits": division.rows,
        "split_rule": division.rule,
        "protocol": description.protocol,
        "backbone": description.backbone,
        "warnings": plan.warnings,
    }
    return PlannedImport(
        answer,
        lambda: _print_plan(plan, division),
        lambda root, replace: import_plan(plan, division, description, root, replace),
    )


def _print_plan(plan: "TablePlan", division: "Division") -> None:
    """Print columns, tasks, splits and warnings for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading in ("column", "role", "type", "missing", "distinct", "range"):
        table.add_column(heading, justify="right" if heading in ("missing", "distinct") else "left", overflow="fold")
    for column in plan.columns[:MOST_COLUMNS]:
        table.add_row(
            text_cell(column.name),
            column.role,
            text_cell(column.kind),
            f"{column.missing:,}" if column.missing else "",
            f"{column.distinct:,}",
            text_cell(column.range),
        )
    console.print(table)
    if (more := len(plan.columns) - MOST_COLUMNS) > 0:
        print(f"... and {more} more; --json has all.")
    names = [
        f"{task.name} ({task.kind}{'' if task.title == task.name else f', {task.title}'})" for task in plan.tasks[:8]
    ]
    more_tasks = f" and {len(plan.tasks) - 8} more" if len(plan.tasks) > 8 else ""
    parts = ", ".join(f"{rows:,} {split}" for split, rows in division.rows.items())
    lines = [
        "",
        f"{count_nouns(plan.rows, 'row')}, {count_nouns(len(plan.features), 'feature')}, "
        f"{count_nouns(len(plan.tasks), 'task')}: {', '.join(names)}{more_tasks}",
        f"{parts}: {division.rule}",
        *(f"note: {warning}" for warning in plan.warnings),
    ]
    print("\n".join(map(make_printable, lines)))


def _read_options(arguments: argparse.Namespace, said: Any) -> "TableOptions":
    """What the command line says of the table, and where it says nothing, what the file `said` itself.

    The name of an array stands for all of its columns.
    """
    from suites._own.table_options import TableOptions

    whole = said.get("whole", {})

    def expand(text: str | None, key: str) -> list[str]:
        names = split_list(text) if text is not None else list(said.get(key, []))
        return [column for name in names for column in whole.get(name, [name])]

    types = dict(said.get("types", {}))
    for pair in split_list(arguments.types or ""):
        column, equals, kind = pair.rpartition("=")
        if not (column and equals and kind):
            raise UsageError(f"`--types` should read column=type, as in `--types grade=ordinal`. Found `{pair}`.")
        types[column] = kind
    features = expand(arguments.features, "features") or None
    return TableOptions(
        targets=tuple(dict.fromkeys(expand(arguments.targets, "targets"))),
        task_column=arguments.task_column or said.get("task_column"),
        group=arguments.group or said.get("group"),
        time=arguments.time or said.get("time"),
        features=tuple(features) if features else None,
        drop=tuple(expand(arguments.drop, "drop")),
        types=types,
    )
