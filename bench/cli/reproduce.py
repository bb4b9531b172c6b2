"""Reproduce a table: run the cells that are missing from the store, print it, and compare it with the committed one."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from bench.cli import execution_options, options
from bench.cli.dry_run import add_dry_run, print_plan
from bench.cli.table_end import print_last_table
from bench.cli.terminal import text_cell
from bench.errors import UsageError, count_nouns, make_printable

if TYPE_CHECKING:
    from pathlib import Path

    from bench.records import ResultRecord, RunSpec
    from leaderboard.boards.board import Board
    from leaderboard.trust.reproduction import PairVerdict

EPILOG = """examples:
  mtlbench reproduce demo
  mtlbench reproduce demo --store fresh --against committed
  mtlbench reproduce multidigits --dry-run
  mtlbench reproduce multimnist_1 --data-dir ~/data
  mtlbench reproduce multimnist_1 --engine slurm --sbatch partition=cpu

Running the same command again continues where the last one stopped. `--against committed` prints every number
beside the committed one: equal digit for digit on the same kind of processor and versions, within seed noise
elsewhere, or the exit code is 1. Give it a store of its own, so that every cell is run here.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("table", metavar="TABLE", help="name of a table, as `mtlbench list tables` prints them")
    execution_options.add_execution(parser)
    parser.add_argument("--against", choices=["committed"], help="compare with the records in leaderboard/results")
    options.add_metrics(parser)
    add_dry_run(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan the table's cells, run what is missing, print the table, and compare it where asked.

    Of a board whose rows are at their own best values the curves are run first, then each method at the value that
    validation chose, on the seeds of the board. With --dry-run nothing is trained: all of these cells and an estimate
    of their cost are printed. With --json the plan, or what became of it, is printed in place of the table.

    Returns:
        1 where a cell failed, or with --against a number is outside its tolerance; else 0.

    Raises:
        UsageError: There is no such table; --against is given beside --dry-run or --json, which print no table, or with
            the committed store, which would be compared with itself.
    """
    from bench.execution.plan_status import report
    from leaderboard.boards.board import boards, load_board
    from leaderboard.intake.submission import find_submissions
    from leaderboard.report.table import tabulate
    from leaderboard.store.committed import find_committed_root

    board = load_board(arguments.table)
    execution = execution_options.read_execution(arguments)
    data = execution.cell.data_dir
    if arguments.against and (arguments.dry_run or arguments.json):
        raise UsageError("`--against` should be given without `--dry-run` and `--json`, which print no table.")
    if arguments.against and execution.cell.store.resolve() == find_committed_root().resolve():
        raise UsageError("`--against committed` should be given a store of its own. Found the committed one.")
    # A table may have several parts, each with a suite of its own.
    specs = [spec for part in board.parts for spec in _plan_part(part, arguments.device, data)]
    curves = any(part.curve for part in board.parts)
    if arguments.dry_run:
        records = execution.store.read().records if curves else []
        best = [*_plan_finalists(board.parts, records), *_plan_best_values(board.parts, records)]
        assumed = [s for part in board.parts for s in _assume_best_values(part, records, arguments.device, data)]
        report(print_plan(execution, [*specs, *best, *assumed], arguments.json), execution.verbosity)
        if assumed:
            told = "are at best values that no curve has chosen yet, and are counted at its middle value."
            execution.verbosity.tell(f"{len(assumed)} of them {told}")
        return 0
    outcome = execution.run(specs)
    if curves:
        outcome = outcome.join(execution.run(_plan_finalists(board.parts, execution.store.read().records)))
        outcome = outcome.join(execution.run(_plan_best_values(board.parts, execution.store.read().records)))
    report(outcome, execution.verbosity)
    if arguments.json:
        print(json.dumps(outcome.as_json(), indent=1))
        return 1 if outcome.count("failed") else 0
    contents = execution.store.read()
    # Those in the folder beside the store; the committed store has some.
    submissions = find_submissions(contents, boards())
    tables = [tabulate(part, contents, submissions=submissions) for part in board.parts]
    shows = f"mtlbench table {board.name}{options.repeat_places(arguments)}"
    print_last_table(tables, arguments.metrics, shows)
    against = _compare_with_committed(board.parts, contents.records) if arguments.against else 0
    return 1 if outcome.count("failed") else against


def _plan_part(part: "Board", device: str, data: "Path") -> "list[RunSpec]":
    """The cells of a board, its controls among them; of one with a curve those of the curve.

    Args:
        part: The board, whose version of the protocol counts.
        device: As in `plan`.
        data: Where data sets are.
    """
    from bench.execution.controls import plan_controls
    from bench.planning.curve import plan_curve
    from bench.planning.plan import plan

    suite, methods, seeds, version = part.suite, part.methods, part.seed_list, part.protocol
    if part.curve:
        return plan_curve(suite, methods, part.curve.grid, part.curve.seed_list, {}, device, data, version)
    controls = plan_controls(suite, part.controls, seeds, device, data, methods, version)
    return [*plan(suite, methods, seeds, {}, device, data, version=version), *controls]


def _plan_finalists(parts: "Iterable[Board]", records: "Sequence[ResultRecord]") -> "Iterator[RunSpec]":
    """The cells of the best values of each method on the further seeds that choose among them.

    Args:
        parts: The boards of the table; those without such seeds have none.
        records: Of the store, with the runs of the curves.
    """
    from leaderboard.boards.own_best import read_first_curves

    for part in parts:
        if budget := part.curve:
            for curve in read_first_curves(part, records)[0].values() if budget.finalists else ():
                points = [next(iter(curve.points[value].values())) for value in curve.pick_finalists(budget.finalists)]
                yield from (point.spec.vary(seed=seed) for point in points for seed in budget.finalist_seed_list)


def _plan_best_values(parts: "Iterable[Board]", records: "Sequence[ResultRecord]") -> "Iterator[RunSpec]":
    """The cells of each method at the value that its curve chose, on the seeds of its board.

    Args:
        parts: The boards of the table; those without a curve have none.
        records: Of the store, with the runs of the curves.
    """
    from bench.planning.curve import plan_best
    from leaderboard.boards.own_best import read_whole_curves

    for part in parts:
        curves = read_whole_curves(part, records)[0] if part.curve else {}
        for curve in curves.values():
            if curve.chosen is not None:
                point = next(iter(curve.points[curve.chosen].values()))
                yield from plan_best(point.spec, part.seed_list)


def _assume_best_values(part: "Board", records: "Sequence[ResultRecord]", device: str, data: "Path") -> "list[RunSpec]":
    """The cells of methods at their best values where these are not known yet: at the middle value, whose cost is like.

    Args:
        part: The board; one without a curve has none.
        records: Of the store. A method whose curve is whole has a best value, and no such cells.
        device: As in `plan`.
        data: Where data sets are.
    """
    from bench.planning.curve import plan_best, plan_curve
    from bench.records.values import SettingGrid
    from leaderboard.boards.own_best import read_whole_curves

    if not part.curve:
        return []
    known, grid = read_whole_curves(part, records)[0], part.curve.grid
    middle = SettingGrid(grid.setting, (grid.values[len(grid.values) // 2],))
    methods, seeds = [method for method in part.methods if method not in known], part.curve.seed_list[:1]
    points = plan_curve(part.suite, methods, middle, seeds, {}, device, data, part.protocol)
    # Which values are run again is not known either; any are as many.
    some = SettingGrid(grid.setting, grid.values[: part.curve.finalists])
    again = part.curve.finalist_seed_list if methods else []
    finals = plan_curve(part.suite, methods, some, again, {}, device, data, part.protocol) if again else []
    return [*finals, *(spec for point in points for spec in plan_best(point, part.seed_list))]


def _compare_with_committed(parts: "list[Board]", records: "list[ResultRecord]") -> int:
    """Print our numbers with the committed ones and the verdict on each.

    Args:
        parts: The boards of the table.
        records: Those of the store that was filled here.

    Returns:
        0 where no number is outside its tolerance; 1 where one is, or nothing could be compared.
    """
    from leaderboard.store.committed import read_committed
    from leaderboard.trust.reproduction import OUTSIDE, compare_with_committed

    judged = compare_with_committed(parts, records, read_committed().records)
    if not judged:
        print("Nothing was compared: no committed record belongs to this table.", file=sys.stderr)
        return 1
    _print_verdicts(judged)
    counts = Counter(cell.verdict for cell in judged)
    outside = sum(counts[verdict] for verdict in OUTSIDE)
    told = [f"{counts['equal']} equal digit for digit", f"{counts['within noise']} within seed noise"]
    told += [f"{counts['not judged']} not judged (too few runs)"] if counts["not judged"] else []
    # A method without runs in one of the stores would otherwise be passed over without a word.
    compared = {(cell.pair.suite, cell.pair.method) for cell in judged}
    absent = [f"`{m}` ({part.suite})" for part in parts for m in part.methods if (part.suite, m) not in compared]
    if absent:
        print(
            f"Not compared, since one of the two stores has no run of it: {make_printable(', '.join(absent))}.",
            file=sys.stderr,
        )
    print(f"{count_nouns(len(judged), 'number')} beside the committed ones: {', '.join(told)}, {outside} not.")
    return 1 if outside else 0


def _print_verdicts(judged: "list[PairVerdict]") -> None:
    """Print one line per number: ours, the committed one, and what their difference may be.

    `+-` is the half-width t s sqrt(1/n + 1/n') that seed noise allows, and p the p-value of the difference, both by
    Holm over all numbers. Where output is no terminal the table is 200 columns wide, so that no number is cut.
    """
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
