"""Print a table from stored records: means, paired 95 % intervals over seeds, and the changes against single-task."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import suites
from bench.cli import options
from bench.errors import UsageError
from bench.records import ResultRecord

if TYPE_CHECKING:
    from leaderboard.store import StoreContents

EPILOG = """examples:
  mtlbench table demo
  mtlbench table multimnist --store leaderboard/results --format md
  mtlbench table synthetic:tasks=8 --format csv --selection last
  mtlbench table multidigits --store leaderboard/results --details

A table's name wins over a suite's. `text` adapts to the terminal; csv and json are in long form.
"""

LEFT_OUT = 3  # files that are named where no table can be made


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
    parser.add_argument(
        "--control", nargs="+", action="extend", default=[], metavar="NAME", help="show these controls too, or `all`"
    )
    parser.add_argument(
        "--submission",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="show a submission's methods too; those beside the store are there always",
    )
    parser.add_argument(
        "--details",
        action="store_true",
        help="how sure: ranks, tests over the whole board, chances, worst task (text or md; json has them always)",
    )
    parser.add_argument(
        "--track",
        choices=["default", "tuned"],
        default="default",
        help="methods as they come, or with what `mtlbench tune` found (default: default)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the store, print the table, name what could not be read."""
    from leaderboard.board import board_for
    from leaderboard.controls import named
    from leaderboard.details import details
    from leaderboard.render import render_parts
    from leaderboard.store import Store
    from leaderboard.table import rows

    if arguments.details and arguments.format not in ("text", "md"):
        raise UsageError(f"`--details` should be given `--format text` or `md`. Found `{arguments.format}`.")
    named(arguments.control)
    root = options.store_dir(arguments.store)
    contents = with_submissions(Store(root).read(), arguments.submission)
    cards = [card for folder in suites.__path__ for card in Path(folder).glob("*/README.md")]  # a suite has one
    packages = {card.parent.name for card in cards}
    try:
        board = board_for(_resolved(arguments.name, contents.records), contents.records, packages, arguments.track)
    except UsageError:
        for problem in contents.problems[:LEFT_OUT]:  # which may be why there is none
            print(f"mtlbench: skipped {problem.path}: {'; '.join(problem.reasons)}", file=sys.stderr)
        raise
    parts = [p.model_copy(update={"controls": [*p.controls, *arguments.control]}) for p in board.parts]
    tables = [rows(part, contents, arguments.selection, arguments.track) for part in parts]
    if arguments.details:
        print("\n".join(details(table, arguments.format) for table in tables))
    else:
        print(render_parts(tables, arguments.format))
    for problem in contents.problems if arguments.format in ("csv", "json") else []:
        print(f"mtlbench: skipped {problem.path}: {'; '.join(problem.reasons)}", file=sys.stderr)
    if not any(row.seeds for table in tables for row in table.rows):
        print(
            f"mtlbench: `{root}` holds no finished run of `{arguments.name}`; `mtlbench run` makes some.",
            file=sys.stderr,
        )
    return 0


def with_submissions(contents: "StoreContents", folders: Sequence[Path]) -> "StoreContents":
    """What a store holds, with submissions that lie elsewhere. Raises UsageError where one is not sound."""
    from leaderboard.board import boards
    from leaderboard.submissions import read_submission

    given = []
    for folder in folders:
        submission = read_submission(folder, boards(), contents.records)
        if not submission.sound:
            first = submission.problems[0]
            raise UsageError(
                f"`{folder}` should be a sound submission; `mtlbench verify` says all of it. "
                f"Found {first.path}: {first.reasons[0]}."
            )
        given.append(submission)
    contents.submissions[:0] = given  # before those beside the store, one of which may have the same methods
    return contents


def _resolved(name: str, records: Sequence[ResultRecord]) -> str:
    """The short name of a suite that is written with options, as records have it; anything else as it is."""
    if ":" not in name or any(name in (record.suite, record.spec.suite) for record in records):
        return name
    from bench.plan import parse_suite  # loads torch, for a suite in other words than the records' only

    return parse_suite(name)[0].short
