"""Check every record of a store or a submission; with --rerun, train some cells again and compare."""

import argparse
import json
import os
import re
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import options
from bench.errors import count_nouns, make_printable

if TYPE_CHECKING:
    from bench.records import ResultRecord
    from leaderboard.store import Problem
    from leaderboard.trust.ledger import VerificationState
    from leaderboard.trust.reruns import RerunResult

_RECORD = re.compile(r"\.json(l:\d+)?\Z")  # a file, or a line of a packed one
MAX_PROBLEMS = 10  # that are printed; --json has all of them
MAX_NOTES = 40  # that are printed
EPILOG = """examples:
  mtlbench verify leaderboard/results
  mtlbench verify leaderboard/results --rerun 2 --suite multidigits
  mtlbench verify leaderboard/submissions/my_method --rerun 1 --store leaderboard/results

Scores are recomputed from the stored statistics. A re-run must come out digit for digit on the same kind of processor
and versions, and within what another machine's rounding changes elsewhere; all cells of a method that are run again
are tested together. What was found out is kept in PATH/_verified, and tables show it; of a submission nothing is kept,
unless --store says where. Only --rerun runs a submission's code, in a confined process that has no target of the
test split; where a suite can make fresh rows, a second test on rows that nobody could know is compared with the public
one. docs/security.md has what that promises.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("path", metavar="PATH", type=Path, help="a store, or a submission's folder")
    parser.add_argument(
        "--rerun", type=options.parse_positive, default=0, metavar="N", help="train N random cells again"
    )
    parser.add_argument("--suite", metavar="SUITE", help="draw the cells from this suite only")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="of a submission: the store beside it, which keeps what was found out"
    )
    options.add_data_dir(parser)
    options.add_plugin(parser)
    options.add_limits(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check every record, run some cells again, keep the result in the ledger, and print it.

    The ledger (`verified.jsonl`) lies in the store; of a submission only --store says where, and only a sound one is
    noted.

    Returns:
        1 where a file has a problem or a cell that was run again does not agree, else 0.

    Raises:
        UsageError: The path is no folder, or no cell can be run again.
        FileNotFoundError: The folder holds no record.
    """
    from leaderboard.trust.ledger import LedgerEntry, write_checks

    options.require_store(arguments.path)
    if is_submission(arguments.path):
        inspection = _inspect_submission(arguments.path)
    else:
        options.load_plugins(arguments.plugin)  # kinds of metrics that the records of their suites are scored by
        inspection = _inspect_store(arguments.path)
    # A submission's own folder is not written to: a ledger in it would be part of what is submitted.
    keep = arguments.path if inspection.code is None else arguments.store if not inspection.problems else None
    by = f"mtlbench {version('mtlbench')}"
    # A re-run replaces the entry below: it says more than that scores follow from statistics.
    checks = {r.run_id: LedgerEntry(r.run_id, r.digest, "valid", "scores recomputed", by) for r in inspection.sound}
    outcomes = _rerun_cells(inspection, arguments) if arguments.rerun else []
    for outcome in outcomes:
        stored = outcome.stored
        # None: the re-run could not be compared, which says nothing about the record.
        if outcome.agrees is not None:
            state: VerificationState = "rerun" if outcome.agrees else "reported"
            checks[stored.run_id] = LedgerEntry(stored.run_id, stored.digest, state, outcome.sentence, by)
    try:
        if keep:
            write_checks(keep, checks.values())
    except OSError as error:
        print(f"mtlbench: what was found out could not be kept ({error.strerror}).", file=sys.stderr)
    if arguments.json:
        content = {
            "records": len(inspection.sound) + inspection.unsound,
            "valid": len(inspection.sound),
            "problems": [{"path": problem.path, "reasons": problem.reasons} for problem in inspection.problems],
            "notes": inspection.notes,
            "rerun": [outcome.as_json() for outcome in outcomes],
        }
        print(json.dumps(content, indent=1))
    else:
        _print_report(inspection, outcomes)
    return 1 if inspection.problems or any(outcome.agrees is False for outcome in outcomes) else 0


@dataclass(frozen=True)
class Inspection:
    """What was found in a store or a submission.

    Attributes:
        sound: Records without a problem.
        problems: Files with one, and the reasons.
        code: The file of a submission; None for a store.
        notes: Sentences for whoever reviews; they do not make the exit code 1.
    """

    sound: "list[ResultRecord]"
    problems: "list[Problem]"
    code: Path | None = None
    notes: "list[str]" = field(default_factory=list)

    @property
    def unsound(self) -> int:
        """How many of the problems are about records."""
        return sum(bool(_RECORD.search(problem.path)) for problem in self.problems)


def is_submission(path: Path) -> bool:
    """Whether a folder is a submission, complete or not.

    It is one by where it lies, by records of its own layout, or by a file that only submissions have: an incomplete one
    should be told what is missing, not be read as a store.
    """
    from leaderboard.intake.manifest import MANIFEST, METHOD, RESULTS, SUBMISSIONS_FOLDER

    if path.absolute().parent.name == SUBMISSIONS_FOLDER or any((path / RESULTS).glob("*.json")):
        return True
    return any(os.path.lexists(path / name) for name in (MANIFEST, METHOD))


def _inspect_submission(path: Path) -> Inspection:
    """Check a submission, also against the committed runs of its board.

    Records that a problem names are not among the sound ones, all others are. The submission's code is read and not
    run.
    """
    from leaderboard.boards.board import boards
    from leaderboard.intake.manifest import MANIFEST, METHOD, RESULTS, read_manifest
    from leaderboard.intake.submission import compare_with_others, read_submission
    from leaderboard.store.committed import read_committed_suite

    try:
        # Only this suite's records are read, of thousands.
        known = read_committed_suite(read_manifest(path / MANIFEST).suite)
    except ValueError:  # which reading the submission names
        known = []
    submission = read_submission(path, boards(), known)
    compare_with_others(submission, boards(), known)
    wrong = {problem.path for problem in submission.problems}
    sound = [record for record in submission.records if f"{RESULTS}/{record.run_id}.json" not in wrong]
    return Inspection(sound, submission.problems, path / METHOD, submission.notes)


def _inspect_store(path: Path) -> Inspection:
    """Check every record of a store, each by itself and against the records of other seeds.

    Records of two seeds with equal numbers are problems both, since either may be the copy.

    Raises:
        FileNotFoundError: There is no record.
    """
    from leaderboard.intake.soundness import find_further_problems
    from leaderboard.store import Problem, Store
    from leaderboard.trust.copies import find_repeated_seeds
    from leaderboard.trust.gaps import find_too_good

    contents = Store(path).read()
    if not contents.records and not contents.problems:
        raise FileNotFoundError(f"`{path}` should hold records. Found none.")
    # A record with a problem is left out of `sound`, and so never gets the mark of a valid one.
    sound, problems, copied = [], list(contents.problems), find_repeated_seeds(contents.records)
    for record in contents.records:
        reasons = find_further_problems(record)
        if other := copied.get(record.run_id):
            reasons.append(f"has the numbers of `{other.method}` seed {other.spec.seed}: one of them is a copy")
        if reasons:
            problems.append(Problem(contents.paths[record.run_id], reasons))
        else:
            sound.append(record)
    return Inspection(sound, problems, notes=list(find_too_good(sound)))


def _rerun_cells(inspection: Inspection, arguments: argparse.Namespace) -> "list[RerunResult]":
    """Run cells again; none where a submission has problems, which its authors should mend first.

    Returns one result per cell that was drawn.
    """
    from bench.cli.rerun import rerun

    if inspection.code and inspection.problems:
        print("mtlbench: nothing was run again: a submission should be sound first.", file=sys.stderr)
        return []
    return rerun(inspection.sound, arguments, inspection.code)


def _print_report(inspection: Inspection, outcomes: "list[RerunResult]") -> None:
    """Print problems, notes, re-runs and the counts.

    At most MAX_PROBLEMS and MAX_NOTES are printed, so that the counts at the end are not scrolled away.
    """
    for problem in inspection.problems[:MAX_PROBLEMS]:
        print(f"{problem.path}: {'; '.join(problem.reasons)}")
    if (rest := len(inspection.problems) - MAX_PROBLEMS) > 0:
        print(f"and {count_nouns(rest, 'more file')} with problems; --json names all of them")
    for note in inspection.notes[:MAX_NOTES]:
        print(make_printable(f"note: {note}"))
    if len(inspection.notes) > MAX_NOTES:
        print(f"note: and {len(inspection.notes) - MAX_NOTES:,} more like these; --json has all of them")
    for outcome in outcomes:
        stored = outcome.stored
        print(make_printable(f"{stored.suite} {stored.method} seed {stored.spec.seed}: {outcome.sentence}"))
    others = len(inspection.problems) - inspection.unsound
    more = f"; {count_nouns(others, 'other problem')}" if others else ""
    same = sum(bool(outcome.agrees) for outcome in outcomes)
    again = f", {same} of {count_nouns(len(outcomes), 'run')} again the same" if outcomes else ""
    print(f"{count_nouns(len(inspection.sound), 'record')} valid, {inspection.unsound} not{again}{more}.")
