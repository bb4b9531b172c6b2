"""Check a method in one file, run it on every seed of a board, and pack the folder that is submitted."""

import argparse
import os
import re
import shlex
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.catalogue.source_text import decode_source
from bench.cli import execution_options, options
from bench.cli.dry_run import add_dry_run, print_plan
from bench.cli.table_end import print_last_table
from bench.errors import UsageError, make_printable
from bench.records import METHOD_PARTS, digest

if TYPE_CHECKING:
    from bench.judge.cells import MethodSource
    from leaderboard.boards.board import Board
    from leaderboard.intake.manifest import Manifest
    from leaderboard.intake.source_card import Card

EPILOG = """examples:
  mtlbench check my_method.py
  mtlbench submit my_method.py --suite multidigits --out leaderboard/submissions/my_method --authors "A. Author"
  mtlbench submit my_method.py --suite multidigits --out leaderboard/submissions/my_method --dry-run
  mtlbench verify leaderboard/submissions/my_method --rerun 1
  mtlbench table multidigits_open --store leaderboard/results --submission leaderboard/submissions/my_method

The folder holds method.py, submission.toml and results/RUN_ID.json. Where the command is interrupted, the same command
goes on: finished runs lie in OUT.partial, and count as long as the file is the same. The file runs in confined
processes, which never see a target of the test split; docs/security.md has what that promises.
"""

CHECK_SECONDS = 600.0  # for checking the contract, however long the runs may take
MAX_OUTPUT = 64 << 20  # bytes that all runs may print: far more than a check, since runs are many and long


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a Python file that registers a method's part")
    parser.add_argument("--suite", metavar="SUITE", required=True, help="a suite with a committed board")
    parser.add_argument("--board", metavar="TABLE", help="which of its boards (default: the one of most seeds)")
    parser.add_argument(
        "--method",
        metavar="METHOD",
        action="append",
        default=[],
        help="what to run, as in `mine:rate=2`; repeatable (default: what the file registers, at default settings)",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder of the submission; its name too")
    parser.add_argument("--authors", default="", metavar="TEXT", help="who submits")
    parser.add_argument("--note", default="", metavar="TEXT", help="anything to be said about it")
    parser.add_argument(
        "--jobs", type=options.parse_positive, metavar="N", help="cells at a time (default: one per core)"
    )
    options.add_data_dir(parser)
    parser.add_argument(
        "--seconds",
        type=options.parse_positive,
        default=86400,
        metavar="N",
        help="time limit of all runs (default: a day)",
    )
    parser.add_argument(
        "--memory",
        type=options.parse_positive,
        default=16384,
        metavar="MB",
        help="memory limit in all (default: 16384)",
    )
    options.add_metrics(parser)
    execution_options.add_verbosity(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check the file, run every seed, pack the folder, verify it, and print the board with it.

    What is finished stays in OUT.partial when a step fails or the command is interrupted, and the same command
    continues. With --dry-run nothing is checked, trained or written: the cells and an estimate of their cost are
    printed; the file is asked, in a confined process, what its methods are.

    Returns:
        1 where a rule of the contract fails, a run fails, or what was packed is not sound; else 0.

    Raises:
        UsageError: --out exists or has a wrong name, the suite has no board, or the file could not be submitted
            whatever its runs give.
        OSError: Another `submit` is at work on the same --out, or it cannot be written.
    """
    from bench.cli.check import check_confined, print_outcomes
    from bench.execution.submission_folder import find_submission_problems, lock_partial, pack_submission
    from bench.execution.submission_plan import choose_submission_board, list_registered_methods
    from bench.judge.cells import MethodSource
    from leaderboard.boards.board import boards
    from leaderboard.intake.manifest import MAX_CODE
    from leaderboard.intake.source_card import parse_cards
    from leaderboard.store.limits import read_limited

    out = _resolve_out(arguments.out)
    options.require_file(arguments.file)
    try:
        # Read once, as bytes: the checksum in the manifest is of exactly these.
        code = read_limited(arguments.file, MAX_CODE)
        cards = list(parse_cards(decode_source(code)))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        reasons = "; ".join(str(error).split("\n"))
        raise UsageError(f"`{make_printable(str(arguments.file))}` should be a Python file: {reasons}.") from error
    board = choose_submission_board(arguments.suite, arguments.board, boards())
    draft = _draft_manifest(arguments, out.name, board, cards, code)
    limits, tell = options.read_limits(arguments), execution_options.read_verbosity(arguments).tell
    # The contract takes minutes; the day is for the runs.
    short = replace(limits, seconds=min(limits.seconds, CHECK_SECONDS))
    # What is checked, run and packed is one text, whatever becomes of the file meanwhile.
    source = MethodSource(arguments.file.name, decode_source(code))
    place = out.with_name(f"{out.name}.partial")
    if arguments.dry_run:
        return _print_cells(arguments, board, source, cards, draft, place)

    with lock_partial(place) as partial:
        tell(f"1/4 Checking {arguments.file.name} against the contract.")
        outcomes = check_confined([source], "", None, short)
        _require_method(arguments.file.name, outcomes)
        if any(not outcome["passed"] for outcome in outcomes):
            print_outcomes([outcome for outcome in outcomes if not outcome["passed"]], False, brief=True)
            return 1
        methods = arguments.method or list_registered_methods(outcomes, cards)

        where = f"{board.suite}, seeds {board.seeds}, for the board `{board.name}`"
        tell(f"2/4 Running {', '.join(methods)} on {where}.")
        runs = partial / _name_runs(draft, board, methods)
        if any(other != runs for other in partial.glob("runs-*")):
            tell("Runs of another text of the file, or of other methods, are not used.")
        if code_of_runs := _run_seeds(arguments, board, methods, source, draft.method_sha256, runs):
            return code_of_runs

        tell("3/4 Packing and verifying.")
        packed = pack_submission(draft, code, board, runs, partial / "packed" / out.name)
        # By the very checks of a reviewer, so that nobody submits what would be refused.
        problems = find_submission_problems(packed, board)
        for problem in problems:
            print(f"{problem.path}: {'; '.join(problem.reasons)}")
        if problems:
            print(f"mtlbench: what was packed is not sound; it stays in {packed}.", file=sys.stderr)
            return 1
        # In one step: the folder is whole or absent.
        os.rename(packed, out)
        shutil.rmtree(partial, ignore_errors=True)
    tell(f"4/4 The submission is {arguments.out}.")
    return _print_table(arguments.out, board, arguments.metrics)


def _name_runs(draft: "Manifest", board: "Board", methods: list[str]) -> str:
    """The folder of the runs, by code, suite and methods: runs of another text are never packed by mistake."""
    version = [board.protocol] if board.protocol else []
    return f"runs-{digest([draft.method_sha256, board.suite, methods, *version])[:16]}"


def _print_cells(
    arguments: argparse.Namespace,
    board: "Board",
    source: "MethodSource",
    cards: "list[Card]",
    draft: "Manifest",
    partial: Path,
) -> int:
    """Print what would be run and how long it may take; returns 0.

    Args:
        arguments: Those of the command.
        board: What it is submitted to.
        source: The file.
        cards: The parts that its text shows.
        draft: The manifest before there are runs.
        partial: The folder of unfinished work, whose finished runs would not be made again; it may not exist.
    """
    from bench.engines import Local
    from bench.execution.cell import StoredCell
    from bench.execution.execute import Execution
    from bench.execution.plan_status import report
    from bench.execution.submission_plan import find_submitted_methods, plan_submission

    limits, data = options.read_limits(arguments), options.resolve_data_dir(arguments.data_dir)
    short = replace(limits, seconds=min(limits.seconds, CHECK_SECONDS))
    methods = arguments.method or find_submitted_methods(source, board.suite, cards, short)
    specs, _ = plan_submission(board, source, methods, short, data, draft.method_sha256)
    cell = StoredCell(partial / _name_runs(draft, board, methods), data)
    verbosity = execution_options.read_verbosity(arguments)
    verbosity.tell(f"For the board `{board.name}`: {board.suite}, seeds {board.seeds}.")
    report(print_plan(Execution(cell, Local(arguments.jobs)), specs, as_json=False), verbosity)
    return 0


def _resolve_out(given: Path) -> Path:
    """The absolute path of the submission's folder.

    Raises:
        UsageError: Its name is not of a-z, 0-9 and `_`, a file or folder of that name exists, or it lies in a store.
        DataMissing: There are no committed results to compare with.
    """
    from leaderboard.store.committed import find_committed_root

    out = given.resolve()
    name = re.sub(r"[^a-z0-9_]+", "_", out.name.lower()).strip("_")
    if name != out.name or not name[:1].isalpha():
        raise UsageError(f"--out should end in a name of a-z, 0-9 and `_`, as in `{name or 'my_method'}`.")
    if os.path.lexists(out):
        raise UsageError(f"--out should not be there yet. Found `{given}`; remove it to make it anew.")
    for store in (find_committed_root(), options.resolve_store_dir(None)):
        if out.is_relative_to(store.resolve()):
            raise UsageError(f"--out should lie outside of the store `{store}`. Found `{given}`.")
    return out


def _require_method(file: str, outcomes: list[dict[str, str]]) -> None:
    """Raise UsageError where all that a file registers is suites; `outcomes` are those of its check."""
    subjects = dict.fromkeys(outcome["subject"] for outcome in outcomes if "/" in outcome["subject"])
    if subjects and not any(subject.partition("/")[0] in METHOD_PARTS for subject in subjects):
        raise UsageError(
            f"`{file}` should register a sharing, a constraint or a weighting. Found `{'`, `'.join(subjects)}`; a "
            "suite is not submitted, but proposed as a folder of `suites/`."
        )


def _draft_manifest(
    arguments: argparse.Namespace, name: str, board: "Board", cards: "list[Card]", code: bytes
) -> "Manifest":
    """The manifest before there are runs.

    Args:
        arguments: Those of the command.
        name: Of the submission.
        board: What it is submitted to.
        cards: The parts that the file's text registers.
        code: The file.

    Raises:
        UsageError: For all at once that would make it unsound after the runs: they may take days.
    """
    from pydantic import ValidationError

    from leaderboard.intake.eligibility import find_misregistered_parts, find_unannounced_parts
    from leaderboard.intake.manifest import Manifest, checksum_bytes, explain_validation

    wrong = [f"`{arguments.file.name}`: {reason}" for reason in find_misregistered_parts(cards)]
    wrong += find_unannounced_parts(arguments.method, cards, board)
    content = {
        "name": name,
        "methods": arguments.method or [board.reference],  # which is what it is for now
        "suite": board.suite,
        "board": board.name,
        "seeds": board.seeds,
        "method_sha256": checksum_bytes(code),
        "authors": arguments.authors,
        "paper": "; ".join(card.paper for card in cards if card.paper),
        "note": arguments.note,
    }
    try:
        draft = Manifest.model_validate(content)
    except ValidationError as error:
        wrong += explain_validation(error)
    if wrong:
        reasons = "; ".join(reason.rstrip(".") for reason in wrong)
        raise UsageError(make_printable(f"What is submitted should be sound. Found {reasons}."))
    return draft


def _run_seeds(
    arguments: argparse.Namespace, board: "Board", methods: list[str], source: "MethodSource", code: str, runs: Path
) -> int:
    """Run the board's seeds, judged here and trained in confined processes.

    Args:
        arguments: Those of the command.
        board: Decides about suite, seeds and device.
        methods: What to run.
        source: The file.
        code: SHA-256 of the file.
        runs: The store of the runs; those that it holds are not run again.

    Returns:
        0 where all runs are done, else 1.
    """
    from bench.engines import Local
    from bench.execution.judged_cell import JudgedCell, execute_judged, print_confinement
    from bench.execution.plan_status import report, survey
    from bench.execution.submission_plan import plan_submission
    from bench.execution.verbosity import Verbosity
    from leaderboard.store import Store
    from leaderboard.store.committed import COMMITTED

    verbosity = execution_options.read_verbosity(arguments)
    if verbosity > Verbosity.QUIET:
        print_confinement()
    limits, data = options.read_limits(arguments), options.resolve_data_dir(arguments.data_dir)
    # One clock for all cells, however many players run them.
    deadline = time.monotonic() + limits.seconds
    specs, described = plan_submission(board, source, methods, limits, data, code)
    engine = Local(arguments.jobs)
    cell = JudgedCell(
        runs,
        data,
        name=source.name,
        text=source.text,
        shorts=tuple((method["canonical"], method["short"]) for method in described),
        # Cells run side by side, and the limit is for all of them.
        limits=replace(limits, memory_mb=limits.memory_mb // engine.width(specs), output=MAX_OUTPUT),
        deadline=deadline,
    )
    outcome = survey(specs, Store(runs))
    troubles = execute_judged(outcome, cell, engine, [options.resolve_store_dir(None), COMMITTED], verbosity)
    report(outcome, verbosity)
    for trouble in troubles:
        print(f"mtlbench: {trouble}", file=sys.stderr)
    if not troubles and outcome.count("done") + outcome.count("stored") == len(specs):
        return 0
    print("mtlbench: not submitted; the same command goes on with what is missing.", file=sys.stderr)
    return 1


def _print_table(folder: Path, board: "Board", metrics: str) -> int:
    """Print the committed board with the submission on it, and what is said of submissions there; returns 0."""
    from bench.cli.table import collect_submissions
    from leaderboard.report.table import tabulate
    from leaderboard.store.committed import find_committed_root, read_committed

    contents = read_committed()
    table = tabulate(board, contents, submissions=collect_submissions(contents, [folder]))
    shows = shlex.join(
        ["mtlbench", "table", board.name, "--store", str(find_committed_root()), "--submission", str(folder)]
    )
    print_last_table([table], metrics, shows)
    if metrics == "main":  # the whole table has them among its notes
        print("\n".join(note.text for note in table.notes if note.text.startswith("Submission ")))
    return 0
