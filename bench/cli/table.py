"""Print a table from stored records: means, paired 95 % intervals over seeds, and the changes against single-task."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import options
from bench.cli.boards import choose_boards
from bench.cli.terminal import takes_everything
from bench.errors import DataMissing, UsageError, count_nouns, make_printable
from bench.records import ResultRecord
from bench.records.protocol import check_setting
from leaderboard.boards.changed import options_text, select_changed, settings_counts
from leaderboard.store import Problem, Store, StoreContents
from leaderboard.store.committed import name_source, read_results
from leaderboard.store.problem import describe_problems

if TYPE_CHECKING:
    from bench.core.suite import Suite
    from leaderboard.boards.board import Board
    from leaderboard.intake.submission import Submission
    from leaderboard.report.table import Table

EPILOG = """examples:
  mtlbench table demo
  mtlbench table multidigits                            # the committed results, until there are runs of your own
  mtlbench table multimnist_1 --store leaderboard/results --format md
  mtlbench table synthetic:tasks=8 --format csv --selection last
  mtlbench table multidigits_1 --store leaderboard/results --details
  mtlbench table multidigits_1 --store leaderboard/results --equal flops
  mtlbench table multidigits --where lr=0.01            # runs with `--set lr=0.01` and nothing else

Without --store, and without a folder `runs` here, the committed results are shown.
A table's name wins over a suite's. `text` adapts to the terminal; csv and json are in long form.
"""

NAMED_SETTINGS = 3  # groups of runs with other settings that a sentence names; the commonest are first
MAX_SKIPPED = 3  # sentences on unreadable files where no table can be made


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument(
        "name", metavar="TABLE|SUITE", help="a table of `mtlbench list tables`, or a suite with records"
    )
    options.add_store(parser)
    parser.add_argument("--format", choices=["text", "md", "tex", "csv", "json"], default="text", help="default: text")
    options.add_metrics(parser)
    parser.add_argument(
        "--selection", choices=["val", "per_task", "last"], default="val", help="which epoch counts (default: val)"
    )
    options.add_plugin(parser)
    parser.add_argument(
        "--where",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="show the runs whose `--set` was exactly this; repeatable",
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
        help="how sure: ranks, tests over the whole board, chances, worst task; and curves over settings "
        "(text or md; json has all but the curves always)",
    )
    parser.add_argument(
        "--equal",
        choices=["updates", "flops", "parameters"],
        help="changes over all tasks and in each, against the reference's run of as many updates, training FLOPs or "
        "parameters (text or md)",
    )
    parser.add_argument(
        "--track",
        choices=["default", "tuned"],
        default="default",
        help="methods at default settings, or with what `mtlbench tune` found (default: default)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the store, print the table, and name on standard error what could not be read.

    Returns:
        0, also where every row of a table is empty; a sentence then says what would fill it.

    Raises:
        UsageError: Options exclude each other, the name is none of a table or suite, a submission is not sound, or
            nothing is stored that would be a row: the sentence says what is, and how to see it.
    """
    from leaderboard.analysis.curves import find_curves
    from leaderboard.boards.controls import find_controls
    from leaderboard.report.brief import write_brief
    from leaderboard.report.curves import write_curves
    from leaderboard.report.equal_cost import write_at_cost
    from leaderboard.report.formats import render_parts
    from leaderboard.report.table import tabulate

    if arguments.details and arguments.format not in ("text", "md"):
        raise UsageError(f"`--details` should be given `--format text` or `md`. Found `{arguments.format}`.")
    # At equal updates it is the board, of which another format or the details may be wanted as well.
    equal = None if arguments.equal == "updates" and _asks_for_board(arguments) else arguments.equal
    if equal:
        # It brings the controls that give another budget; any other would stand there as if its budget were its point.
        given = {
            f"--format {arguments.format}": arguments.format not in ("text", "md"),
            "--details": arguments.details,
            f"--control {' '.join(arguments.control)}": bool(
                arguments.control
            ),  # it has those of budgets, and no others
        }
        if refused := [option for option, there in given.items() if there]:
            raise UsageError(
                f"`--equal {arguments.equal}` should be given `--format text` or `md`, and neither `--details` nor "
                f"`--control`. Found `{refused[0]}`."
            )
    find_controls(arguments.control)
    where = options.parse_pairs("--where", arguments.where, "lr=0.01")
    for key in where:
        check_setting(key)
    # Controls and tuned runs have settings of their own, which --where would never equal.
    if where and (arguments.control or arguments.track != "default"):
        raise UsageError(
            "`--where` should be given without `--control` and `--track`: these have settings of their own."
        )
    options.load_plugins(arguments.plugin)
    root = options.resolve_store_dir(arguments.store)
    if arguments.store:  # of the default one, where nothing was run yet, a board says what would fill it
        options.require_store(root)
    contents = _read_runs(arguments, root)
    submissions = collect_submissions(contents, arguments.submission)
    try:
        parts = _choose_boards(arguments, contents, where)
    except UsageError:
        _print_problems(contents.problems, MAX_SKIPPED)  # which may be why there is none
        raise
    # What was read, for the messages; `chosen` is what the table shows.
    chosen = contents
    if where:  # which no submission has runs under
        chosen, submissions = StoreContents(select_changed(contents.records, where), contents.problems), []
    if (
        arguments.format in ("text", "md")
        and not arguments.details
        and not any((*submissions, *(part.methods for part in parts)))
    ):
        raise UsageError(_explain_empty_table(arguments, contents, parts))
    tables = [tabulate(part, chosen, arguments.selection, arguments.track, submissions) for part in parts]
    if equal:
        print("\n".join(write_at_cost(table, equal, arguments.format) for table in tables))
    elif arguments.details:
        suites = {part.suite for part in parts}
        curves = [each for each in find_curves(contents.records, parts) if each.curve.suite in suites]
        details = [text for table in tables for text in _write_all_details(table, chosen.records, arguments.format)]
        texts = [*details, write_curves(curves, arguments.format)]
        print("\n".join(filter(None, texts)))
    else:
        brief = arguments.format == "text" and arguments.metrics == "main"
        text = write_brief(tables) if brief else render_parts(tables, arguments.format)
        print(text if arguments.format != "json" or takes_everything(sys.stdout) else _escape_json(text))
    if arguments.format in ("csv", "json"):  # the others have notes
        _print_problems(contents.problems)
    if not any(row.seeds for table in tables for row in table.rows):
        print(f"mtlbench: {make_printable(_explain_empty_table(arguments, contents, parts))}", file=sys.stderr)
    return 0


def _read_runs(arguments: argparse.Namespace, root: Path) -> StoreContents:
    """What the table may show: of the store, or of the committed results where nothing was named and nothing is there.

    Other suites are not read where the name stands for one, since that takes most of the time.
    """
    from leaderboard.boards.board import boards

    name = arguments.name
    parts = boards()[name].parts if name in boards() else []
    names = {part.suite.partition(":")[0] for part in parts} or {name.partition(":")[0]}
    suite = names.pop() if len(names) == 1 else None
    if arguments.store or os.environ.get("MTLBENCH_STORE") or root.exists():
        return Store(root).read(suite)
    try:
        contents = read_results(suite=suite)
    except DataMissing:  # the code came without them
        return Store(root).read(suite)
    if contents.records:
        print(f"mtlbench: there is no `{root}` here; these are {name_source(contents)}.", file=sys.stderr)
    return contents


def _write_all_details(table: "Table", records: Sequence[ResultRecord], format: str) -> list[str]:
    """The parts of `--details` on one board: standings, and labels, changes over test rows and splits where runs tell
    them.
    """
    from leaderboard.analysis.variance import find_split_suites
    from leaderboard.report.details import write_details
    from leaderboard.report.label_counts import write_label_counts
    from leaderboard.report.row_changes import write_row_changes
    from leaderboard.report.split_changes import write_split_changes

    own = list(table.results.records.values())
    rows = any(record.correct_rows for record in own)
    splits = bool(own) and len(find_split_suites(own[0].spec.suite, records)) > 1
    suite = _build_suite(table.board.suite) if rows or splits else None  # else torch is not loaded
    units = {task: each.numpy() for task, each in suite.row_units().items()} if suite else {}
    sizes = own[0].spec.protocol.splits if own else {}
    overlap = sizes["test"] / sizes["train"] if suite and suite.deals_again else 0.0
    return [
        write_details(table, format),
        write_label_counts(table, format),
        write_row_changes(table, format, units) if rows else "",
        write_split_changes(table, records, format, overlap) if splits else "",
    ]


def _build_suite(name: str) -> "Suite | None":
    """The suite, which knows what its rows show; None where it is not installed, or lacks data to say so."""
    from bench.planning.plan import parse_suite

    try:
        suite: Suite = parse_suite(name)[1]
        suite.row_units()
    except (UsageError, DataMissing):
        return None
    return suite


def _print_problems(problems: Sequence[Problem], most: int | None = None) -> None:
    """Say on standard error which files were skipped and why, in `most` sentences and one for the rest."""
    for sentence in describe_problems(problems, most):
        print(f"mtlbench: {sentence}", file=sys.stderr)


def _escape_json(text: str) -> str:
    """JSON text in ASCII, with escapes, which every encoding of a terminal has.

    Signs of one character in their place, as other formats get them, would change keys and names.
    """
    return json.dumps(json.loads(text), indent=1) + "\n"


def _choose_boards(arguments: argparse.Namespace, contents: StoreContents, where: dict[str, str]) -> "list[Board]":
    """The boards that the name means; with `where`, one for each of their suites with what is stored under it.

    Args:
        arguments: Those of the command: name, track, controls, plug-ins.
        contents: Of the store. A suite with records and no board of its own gets one made of them.
        where: Changes of the protocol; empty for runs of the protocol itself.

    Raises:
        UsageError: Nothing has that name, or nothing is stored under these settings.
    """
    from leaderboard.analysis.equal_cost import BUDGET_CONTROLS

    parts = choose_boards(
        arguments.name,
        contents.records,
        track=arguments.track,
        controls=arguments.control,
        where=where,
        plugins=bool(arguments.plugin),
    )
    if not parts:
        whole = choose_boards(arguments.name, contents.records, track=arguments.track, plugins=bool(arguments.plugin))
        raise UsageError(_explain_empty_table(arguments, contents, whole))
    # At equal cost, controls are there for the budgets that they give, and no other control is.
    if arguments.equal and not where and not _asks_for_board(arguments):
        return [part.model_copy(update={"controls": BUDGET_CONTROLS[arguments.equal]}) for part in parts]
    return parts


def _asks_for_board(arguments: argparse.Namespace) -> bool:
    """Whether the options are of the board itself, and not of changes at equal cost."""
    return arguments.format not in ("text", "md") or arguments.details or bool(arguments.control)


def _explain_empty_table(arguments: argparse.Namespace, contents: StoreContents, parts: "Sequence[Board]") -> str:
    """Why a table is empty, and what would fill it.

    Where runs with other settings are stored, the sentence ends with the --where that shows the first group of them.

    Args:
        arguments: Those of the command.
        contents: Of the store.
        parts: The boards that have no rows.
    """
    root, name = options.resolve_store_dir(arguments.store), arguments.name
    kind = " of the tuned track" if arguments.track == "tuned" else ""
    asked = f" with `{' '.join(arguments.where)}` and no other setting" if arguments.where else kind
    text = f"`{root}` holds no finished run of `{name}`{asked}"
    if not arguments.where and not kind and any(part.curve for part in parts):
        return f"{text} at a best value of its own; `mtlbench reproduce {name}` makes them."
    stored = settings_counts(contents.records, [part.suite for part in parts]) if not kind else {}
    if not stored and any(problem.needs_plugin for problem in contents.problems):
        return f"{text} that can be read here; `--plugin` takes the file with its kind of metric."
    if not stored:
        command = "mtlbench tune" if kind else "mtlbench run"
        return f"{text}; `{command}` makes some."
    own = text if arguments.where else f"{text} under its own protocol"
    there = [
        f"{count_nouns(count, 'run')} with {' '.join(f'{key}={value}' for key, value in pairs)}"
        for pairs, count in list(stored.items())[:NAMED_SETTINGS]
    ]
    more = f" and {count_nouns(len(stored) - len(there), 'other group')}" if len(stored) > len(there) else ""
    be = "is" if next(iter(stored.values())) == 1 else "are"
    words = [name, options_text("--where", next(iter(stored))), *(["--store", str(root)] if arguments.store else [])]
    shows = f"`mtlbench table {' '.join(words)}` shows {'the first' if len(stored) > 1 else 'them'}"
    return f"{own}; there {be} {' and '.join(there)}{more}: {shows}."


def collect_submissions(contents: StoreContents, folders: Sequence[Path]) -> "list[Submission]":
    """The submissions in `folders`, then those beside the store, one of which may have the same methods.

    Args:
        contents: Records that submissions are compared with: copies of them are not sound.
        folders: Named by the user.

    Raises:
        UsageError: One in `folders` is not sound; the first problem is named.
    """
    from leaderboard.boards.board import boards
    from leaderboard.intake.submission import find_submissions, read_submission

    known, given = boards(), []
    for folder in folders:
        submission = read_submission(folder, known, contents.records)
        if not submission.sound:
            first = submission.problems[0]
            raise UsageError(
                f"`{folder}` should be a sound submission; `mtlbench verify` says all of it. "
                f"Found {first.path}: {first.reasons[0]}."
            )
        given.append(submission)
    return [*given, *find_submissions(contents, known)]
