"""`mtlbench data import`: a table of the user's own becomes a suite, after it was shown what was found in it."""

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import options
from bench.cli.image_import import add_image_options, holds_images, run_image_import
from bench.cli.import_words import read_shares, split_list
from bench.cli.terminal import text_cell
from bench.errors import UsageError, make_printable

if TYPE_CHECKING:
    from suites._own.table_import import Division
    from suites._own.table_plan import TableOptions, TablePlan

MOST_COLUMNS = 60  # that are shown; the card has all


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `data import` alone takes."""
    group = parser.add_argument_group("import")
    group.add_argument("--name", metavar="NAME", help="of the data set: letters, digits and `_`")
    group.add_argument("--targets", metavar="A,B", help="columns to predict")
    group.add_argument("--task-column", metavar="COLUMN", help="each of its values is a task with rows of its own")
    group.add_argument(
        "--group",
        metavar="COLUMN",
        help="rows of one value stay in one split; `prefix`: images whose names begin alike",
    )
    group.add_argument("--time", metavar="COLUMN", help="the latest rows are tested, those before them validate")
    group.add_argument("--features", metavar="A,B", help="columns to predict from (default: all others)")
    group.add_argument("--drop", metavar="A,B", help="columns to leave out")
    group.add_argument("--types", metavar="COLUMN=TYPE,...", help="where another type was found than is meant")
    group.add_argument("--split", metavar="A/B/C", help="shares of train, val and test (default: 0.6/0.2/0.2)")
    group.add_argument("--split-seed", metavar="N", type=int, default=0, help="of a table that is divided once")
    group.add_argument("--missing", metavar="NA,-999", help="texts that stand for a missing value; `--missing=-999,NA`")
    group.add_argument("--separator", metavar="SIGN", help="between columns of a text (default: found)")
    group.add_argument("--replace", action="store_true", help="replace a data set of this name")
    group.add_argument("--dry-run", action="store_true", help="show what was found, write nothing")
    add_image_options(parser)


def run_import(arguments: argparse.Namespace) -> int:
    """Read a table, show its columns, and write it to the data folder unless --dry-run is given. Returns 0.

    Raises:
        UsageError: The table cannot be imported as it is, or the name is taken.
    """
    from suites._own.folders import check_new_name
    from suites._own.reading import read_table
    from suites._own.table_import import SHARES, describe_plan, divide_plan, import_plan
    from suites._own.table_plan import plan_table

    if not arguments.suite:
        raise UsageError("`mtlbench data import` should be given a FILE, as in `scores.csv`.")
    root, path = options.resolve_data_dir(arguments.data_dir), Path(arguments.suite).expanduser()
    if not arguments.name and not arguments.dry_run:
        raise UsageError(f"`--name` should say what the data set is called, as in `--name {_propose_name(path)}`.")
    name = arguments.name or _propose_name(path)
    check_new_name(root, name, arguments.replace or arguments.dry_run)
    _refuse_known(name)
    if holds_images(path):
        return run_image_import(arguments, name, root)
    for option in ("labels", "maps", "file_column", "scale", "ignore", "size"):
        if getattr(arguments, option):
            raise UsageError(f"`--{option.replace('_', '-')}` is for a folder of images. Found a table.")
    missing = None if arguments.missing is None else split_list(arguments.missing)
    raw = read_table(path, missing, _read_separator(arguments.separator))
    chosen = _read_options(arguments, raw.options)
    plan = plan_table(raw, chosen)
    plan.warnings = [*raw.notes, *plan.warnings]
    shares = read_shares(arguments.split) if arguments.split else SHARES
    rule = f"no `{chosen.group}` in two splits" if chosen.group else f"by `{chosen.time}`" if chosen.time else ""
    division = divide_plan(plan, shares, arguments.split_seed, rule)
    source = {"file": path.name, "targets": list(chosen.targets), "rule": rule}
    description = describe_plan(plan, name, division, shares, source, missing)
    folder = None
    if not arguments.dry_run:
        folder = import_plan(plan, division, description, root, arguments.replace)
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
        "folder": str(folder) if folder else None,
    }
    if arguments.json:
        print(json.dumps(answer, indent=1))
    else:
        _print_plan(answer, plan, division, options.repeat_places(arguments))
    return 0


def _print_plan(answer: dict[str, Any], plan: "TablePlan", division: "Division", places: str) -> None:
    """Print columns, tasks, splits and warnings for people; `places` are options of the next command."""
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
        f"{plan.rows:,} rows, {len(plan.features)} features, {len(plan.tasks)} tasks: {', '.join(names)}{more_tasks}",
        f"{parts}: {division.rule}",
        *(f"note: {warning}" for warning in plan.warnings),
    ]
    if answer["folder"]:
        lines += [
            "",
            f"imported into {answer['folder']}",
            f"next: mtlbench run {answer['name']} single_task hard{places}",
        ]
    else:
        lines += ["", "nothing was written (--dry-run)"]
    print("\n".join(map(make_printable, lines)))


def _read_options(arguments: argparse.Namespace, said: Any) -> "TableOptions":
    """What the command line says of the table, and where it says nothing, what the file `said` itself.

    The name of an array stands for all of its columns.
    """
    from suites._own.table_plan import TableOptions

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


def _read_separator(text: str | None) -> str | None:
    """One sign; `tab` and `\\t` are a tab."""
    if text is None:
        return None
    sign = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(sign) != 1:
        raise UsageError(f"`--separator` should be one sign, or `tab`. Found `{make_printable(text)}`.")
    return sign


def _propose_name(path: Path) -> str:
    """A name for a set, from that of its file."""
    name = re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_")
    return name if re.match(r"[A-Za-z]", name) else f"my_{name or 'table'}"


def _refuse_known(name: str) -> None:
    """Raise UsageError for a name that a suite or a table of the project has: the set would never be found."""
    from bench.catalogue.registry import list_entries
    from leaderboard.boards.board import boards

    if name in list_entries("suite") or name in boards():
        what = "suite" if name in list_entries("suite") else "table"
        raise UsageError(f"`--name` should be a name of your own. Found `{name}`, which is a {what} of mtlbench.")
