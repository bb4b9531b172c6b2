"""Print a table from stored records: means, paired 95 % intervals over seeds, and the changes against single-task."""

import argparse
import pkgutil
import sys

import suites
from bench.cli import options

EPILOG = """examples:
  mtlbench table demo
  mtlbench table multimnist --store leaderboard/results --format md
  mtlbench table synthetic:tasks=8 --format csv --selection last

A table's name wins over a suite's. `text` adapts to the terminal; csv and json are in long form.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "name", metavar="TABLE|SUITE", help="a table of `mtlbench list tables`, or a suite with records"
    )
    options.add_store(parser)
    parser.add_argument("--format", choices=["text", "md", "tex", "csv", "json"], default="text", help="default: text")
    parser.add_argument(
        "--selection", choices=["val", "per_task", "last"], default="val", help="which epoch counts (default: val)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the store, print the table, name what could not be read."""
    from leaderboard.board import board_for
    from leaderboard.render import render
    from leaderboard.store import Store
    from leaderboard.table import rows

    root = options.store_dir(arguments.store)
    contents = Store(root).read()
    packages = {module.name for module in pkgutil.iter_modules(suites.__path__) if module.ispkg}
    board = board_for(arguments.name, contents.records, packages)
    table = rows(board, contents, arguments.selection)
    print(render(table, arguments.format))
    for problem in contents.problems if arguments.format in ("csv", "json") else []:
        print(f"mtlbench: skipped {problem.path}: {'; '.join(problem.reasons)}", file=sys.stderr)
    if not any(row.seeds for row in table.rows):
        print(
            f"mtlbench: `{root}` holds no finished run of `{arguments.name}`; `mtlbench run` makes some.",
            file=sys.stderr,
        )
    return 0
