"""`mtlbench data import`: a table or a folder of images becomes a suite, after it was shown what was found in it."""

import argparse
import json
import re
from pathlib import Path

from bench.cli import options
from bench.cli.image_import import add_image_options, holds_images, plan_image_import
from bench.cli.names import find_meaning
from bench.cli.table_import import plan_table_import
from bench.errors import UsageError, make_printable


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
    group.add_argument("--split-seed", metavar="N", type=int, help="of a division that is drawn once (default: 0)")
    group.add_argument("--missing", metavar="A,B", help="further texts for a missing value, as `--missing=-999`")
    group.add_argument("--separator", metavar="SIGN", help="between columns of a text (default: found)")
    group.add_argument("--replace", action="store_true", help="replace a data set of this name")
    group.add_argument("--dry-run", action="store_true", help="show what was found, write nothing")
    add_image_options(parser)


def run_import(arguments: argparse.Namespace) -> int:
    """Read a table or a folder of images, show what was found, write it unless --dry-run is given; returns 0.

    Raises:
        UsageError: It cannot be imported as it is, or the name is taken.
    """
    from suites._own.folders import check_new_name

    if not arguments.suite:
        raise UsageError("`mtlbench data import` should be given a FILE, as in `scores.csv`.")
    root, path = options.resolve_data_dir(arguments.data_dir), Path(arguments.suite).expanduser()
    if not arguments.name and not arguments.dry_run:
        raise UsageError(f"`--name` should say what the data set is called, as in `--name {_propose_name(path)}`.")
    name = arguments.name or _propose_name(path)
    check_new_name(root, name, arguments.replace or arguments.dry_run)
    if meaning := find_meaning(name):
        raise UsageError(
            f"`--name` should be a name of your own, as `my_{name}`. Found `{name}`, which is a {meaning} of mtlbench."
        )
    planned = (plan_image_import if holds_images(path) else plan_table_import)(arguments, path, name)
    if not arguments.json:
        planned.show()
    folder = None if arguments.dry_run else planned.write(root, arguments.replace)
    if arguments.json:
        print(json.dumps({**planned.answer, "folder": str(folder) if folder else None}, indent=1))
    elif folder:
        print(f"\nimported into {make_printable(str(folder))}")
        print(make_printable(f"next: mtlbench run {name} single_task hard{options.repeat_places(arguments)}"))
    else:
        print("\nnothing was written (--dry-run)")
    return 0


def _propose_name(path: Path) -> str:
    """A name for a set, from that of its file."""
    name = re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_")
    name = name if re.match(r"[A-Za-z]", name) else f"my_{name or 'table'}"
    return f"my_{name}" if find_meaning(name) else name
