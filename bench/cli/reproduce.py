"""Reproduce a table: run the cells that are missing from the store, print it, and compare it with the committed one."""

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

from bench.cli import options
from bench.cli.terminal import text_cell
from bench.errors import UsageError, make_printable

if TYPE_CHECKING:
    from bench.records import ResultRecord
    from leaderboard.boards.board import Board
    from leaderboard.trust.reproduction import PairVerdict

EPILOG = """examples:
  mtlbench reproduce demo
  mtlbench reproduce demo --store fresh --against committed
  mtlbench reproduce multimnist --data-dir ~/data
  mtlbench reproduce multimnist --engine slurm --sbatch partition=cpu

Running the same command again continues where the last one stopped. `--against committed` prints every number
beside the committed one: equal digit for digit on the same kind of processor and versions, within seed noise
elsewhere, or the exit code is 1. Give it a store of its own, so that every cell is run here.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("table", metavar="TABLE", help="name of a table, as `mtlbench list tables` prints them")
    options.add_execution(parser)
    parser.add_argument("--against", choices=["committed"], help="compare with the records in leaderboard/results")


def run(arguments: argparse.Namespace) -> int:
    """Plan the table's cells, run what is missing, print, compare."""
    from bench.execution.cell import StoredCell
    from bench.execution.execute import execute, plan_controls, report, survey
    from bench.planning.plan import plan
    from leaderboard.boards.board import boards, load_board
    from leaderboard.intake.submission import find_submissions
    from leaderboard.report.formats import render_parts
    from leaderboard.report.long_table import build_table
    from leaderboard.store import Store
    from leaderboard.store.committed import committed_root

    board = load_board(arguments.table)
    engine, plugins = options.engine(arguments), options.load_plugins(arguments.plugin)
    data, root = options.data_dir(arguments.data_dir), options.store_dir(arguments.store)
    if arguments.against and root.resolve() == committed_root().resolve():
        raise UsageError("`--against committed` should be given a store of its own. Found the committed one.")
    specs = [
        spec
        for part in board.parts
        for spec in (
            *plan(part.suite, part.methods, part.seed_list, {}, arguments.device, data),
            *plan_controls(part.suite, part.controls, part.seed_list, arguments.device, data),
        )
    ]
    outcome = survey(specs, Store(root))
    cell = StoredCell(root, data, plugins, arguments.wandb, arguments.images, arguments.checkpoint)
    execute(outcome, cell, engine, arguments.stack)
    report(outcome)
    contents = Store(root).read()
    submissions = find_submissions(contents, boards())
    tables = [build_table(part, contents, submissions=submissions) for part in board.parts]
    print(render_parts(tables))
    against = _against(board.parts, contents.records) if arguments.against else 0
    return 1 if outcome.count("failed") else against


def _against(parts: "list[Board]", records: "list[ResultRecord]") -> int:
    """Print ours beside the committed numbers; 0 where none is outside its tolerance."""
    from leaderboard.store.committed import read_committed
    from leaderboard.trust.reproduction import OUTSIDE, compare_with_committed

    judged = compare_with_committed(parts, records, read_committed().records)
    if not judged:
        print("Nothing was compared: no committed record belongs to this table.", file=sys.stderr)
        return 1
    _print(judged)
    counts = Counter(cell.verdict for cell in judged)
    outside = sum(counts[verdict] for verdict in OUTSIDE)
    told = [f"{counts['equal']} equal digit for digit", f"{counts['within noise']} within seed noise"]
    told += [f"{counts['not judged']} not judged (too few runs)"] if counts["not judged"] else []
    compared = {(cell.pair.suite, cell.pair.method) for cell in judged}
    absent = [f"`{m}` ({part.suite})" for part in parts for m in part.methods if (part.suite, m) not in compared]
    if absent:
        print(
            f"Not compared, since one of the two stores has no run of it: {make_printable(', '.join(absent))}.",
            file=sys.stderr,
        )
    print(f"{len(judged)} numbers beside the committed ones: {', '.join(told)}, {outside} not.")
    return 1 if outside else 0


def _print(judged: "list[PairVerdict]") -> None:
    """One line per number: ours, the committed one, and what their difference may be."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from leaderboard.trust.reproduction import OUTSIDE

    table = Table(
        box=box.SIMPLE_HEAD,
        caption="mean over n runs here and committed; +- is what seed noise allows, t s sqrt(1/n + 1/n'), "
        "and p is that of the difference, both by Holm over all numbers",
    )
    for heading in ("suite", "method", "task", "metric", "here", "committed", "difference", "+-", "p", "verdict"):
        numeric = heading in ("here", "committed", "difference", "+-", "p")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric)
    for cell in judged:
        pair = cell.pair
        names = (pair.suite, pair.method, pair.column.task, pair.column.metric.name)
        means = [f"{sample.mean():.5g} ({len(sample)})" for sample in (pair.here, pair.committed)]
        style = "bold" if cell.verdict in OUTSIDE else None
        verdict = f"{cell.verdict}: seeds {', '.join(map(str, pair.differing))}" if pair.differing else cell.verdict
        numbers = (f"{pair.difference:+.2g}", f"{cell.allowed:.2g}", f"{cell.adjusted:.2g}")
        table.add_row(*map(text_cell, (*names, *means, *numbers, verdict)), style=style)
    console = Console()
    console.print(table) if console.is_terminal else Console(width=200).print(table)
