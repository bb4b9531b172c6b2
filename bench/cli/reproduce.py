"""Reproduce a table: run the cells that are missing from the store, print it, and compare it with the committed one."""

import argparse
import sys

from bench.cli import options

EPILOG = """examples:
  mtlbench reproduce demo
  mtlbench reproduce multimnist --data-dir ~/data --against committed

Running the same command again continues where the last one stopped. With `--against committed`, a mean outside
the seed noise of the committed records is named, and the exit code is 1.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("table", metavar="TABLE", help="name of a table, as `mtlbench list tables` prints them")
    options.add_execution(parser)
    parser.add_argument("--against", choices=["committed"], help="compare with the records in leaderboard/results")


def run(arguments: argparse.Namespace) -> int:
    """Plan the table's cells, run what is missing, print, compare."""
    from bench.cli.execute import StoredCell, execute, report, survey
    from bench.plan import plan
    from leaderboard.board import load_board
    from leaderboard.compare import COMMITTED, compare
    from leaderboard.render import render_parts
    from leaderboard.store import Store
    from leaderboard.table import rows

    board = load_board(arguments.table)
    plugins = options.load_plugins(arguments.plugin)
    data, root = options.data_dir(arguments.data_dir), options.store_dir(arguments.store)
    specs = [
        spec
        for part in board.parts
        for spec in plan(part.suite, part.methods, part.seed_list, {}, arguments.device, data)
    ]
    outcome = survey(specs, Store(root))
    execute(outcome, StoredCell(root, data, plugins, arguments.wandb, arguments.images), arguments.jobs)
    report(outcome)
    contents = Store(root).read()
    tables = [rows(part, contents) for part in board.parts]
    print(render_parts(tables))
    code = 1 if outcome.count("failed") else 0
    if arguments.against:
        committed = Store(COMMITTED).read()
        differences = compare(tables, [rows(part, committed) for part in board.parts])
        for difference in differences.sentences:
            print(difference)
        print(
            f"{differences.compared} means of two seeds or more compared with the committed ones: "
            f"{differences.outside} beyond seed noise."
        )
        if not differences.compared:
            print("Nothing was compared: no committed record belongs to this table.", file=sys.stderr)
        code = 1 if differences.outside or not differences.compared else code
    return code
