"""Compare two methods on every board that has both: paired change of error with interval and verdict, and cost."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.cli import options
from bench.cli.boards import choose_boards
from bench.cli.stored_runs import read_stored_runs
from bench.errors import UsageError, hint
from leaderboard.boards.board import Board, boards
from leaderboard.store import StoreContents

if TYPE_CHECKING:
    from leaderboard.analysis.results import Results

EPILOG = """examples:
  mtlbench compare hard cross_stitch                                # the committed results, without runs of your own
  mtlbench compare mmoe hard --suite multidigits --store leaderboard/results

Below 0 the first method has less error. Verdicts are those of the boards: corrected over the comparisons that were
planned with this one, or over all pairs.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("first", metavar="A", help="a method, as boards list it")
    parser.add_argument("second", metavar="B", help="the method that it is held against")
    parser.add_argument("--suite", metavar="SUITE", help="only on this suite, and its variants (default: all suites)")
    options.add_store(parser)
    parser.add_argument("--format", choices=["text", "md"], default="text", help="default: text")
    options.add_plugin(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the store and print a line for each board that has both methods.

    Returns:
        0.

    Raises:
        UsageError: the methods are the same, or no board has both on the same seeds; the sentence has the nearest
            names.
    """
    from leaderboard.analysis.method_pair import compare_two
    from leaderboard.report.pair_table import tabulate_pairs

    one, two = arguments.first, arguments.second
    if one == two:
        raise UsageError(f"A and B should be two methods. Found `{one}` twice.")
    options.load_plugins(arguments.plugin)
    contents = read_stored_runs(arguments.store)
    pairs, known = [], set[str]()
    for results in _analyse_boards(contents, arguments.suite):
        run_here = {method for method, _ in results.records}
        known |= run_here
        if {one, two} <= run_here and _share_seeds(results, one, two):
            pairs.append(compare_two(results, one, two))
    for name, method in (("A", one), ("B", two)):
        if method not in known:
            place = f" on `{arguments.suite}`" if arguments.suite else ""
            raise UsageError(f"{name} should be a method with runs{place}. Found `{method}`; {hint(method, known)}.")
    if not pairs:
        raise UsageError(f"`{one}` and `{two}` should be on one board with a seed in common. Found none.")
    print(tabulate_pairs(pairs, arguments.format), end="")
    return 0


def _analyse_boards(contents: StoreContents, suite: str | None) -> "Iterator[Results]":
    """The numbers of the committed boards of a suite and its variants, or of all; else of what is stored."""
    from leaderboard.report.table import analyse_board

    parts = [part for board in boards().values() for part in board.parts if suite is None or _is_of(part, suite)]
    found = [results for part in parts if (results := analyse_board(part, contents)).records]
    if not found:
        stored = dict.fromkeys(record.suite for record in contents.records)
        names = [suite] if suite is not None else list(stored)
        parts = [part for name in names for part in choose_boards(name, contents.records)]
        found = [analyse_board(part, contents) for part in parts]
    yield from found


def _is_of(board: Board, suite: str) -> bool:
    """Whether a board is of the suite; a name without options stands for its variants, too."""
    return board.suite == suite or board.suite.partition(":")[0] == suite


def _share_seeds(results: "Results", one: str, two: str) -> bool:
    """Whether both methods have a run of one seed."""
    seeds = [{seed for method, seed in results.records if method == name} for name in (one, two)]
    return bool(seeds[0] & seeds[1])
