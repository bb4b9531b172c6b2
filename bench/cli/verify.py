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
from bench.errors import UsageError, make_printable

if TYPE_CHECKING:
    from bench.records import ResultRecord
    from leaderboard.store import Problem
    from leaderboard.trust.ledger import VerificationState
    from leaderboard.trust.reruns import RerunResult

_RECORD = re.compile(r"\.json(l:\d+)?\Z")  # a file, or a line of a packed one
NAMED, NAMED_NOTES = 10, 40  # problems and notes that are printed
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
    """Arguments of the command."""
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
    """Check, run again, keep what was found out, tell."""
    from leaderboard.trust.ledger import LedgerEntry, write_checks

    if not arguments.path.is_dir():
        raise UsageError(f"`{arguments.path}` should be a folder of records. Found none.")
    if is_submission(arguments.path):
        found = _submission(arguments.path)
    else:
        options.load_plugins(arguments.plugin)  # kinds of metrics that the records of their suites are scored by
        found = _store(arguments.path)
    keep = arguments.path if found.code is None else arguments.store if not found.problems else None
    by = f"mtlbench {version('mtlbench')}"
    checks = {r.run_id: LedgerEntry(r.run_id, r.digest, "valid", "scores recomputed", by) for r in found.sound}
    outcomes = _outcomes(found, arguments) if arguments.rerun else []
    for outcome in outcomes:
        stored = outcome.stored
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
            "records": len(found.sound) + found.unsound,
            "valid": len(found.sound),
            "problems": [{"path": problem.path, "reasons": problem.reasons} for problem in found.problems],
            "notes": found.notes,
            "rerun": [outcome.as_json() for outcome in outcomes],
        }
        json.dump(content, sys.stdout, indent=1)
        print()
    else:
        _print(found, outcomes)
    return 1 if found.problems or any(outcome.agrees is False for outcome in outcomes) else 0


@dataclass(frozen=True)
class Inspection:
    """The sound records of a store or a submission, what is wrong with it, its code, and notes for whoever reviews."""

    sound: "list[ResultRecord]"
    problems: "list[Problem]"
    code: Path | None = None
    notes: "list[str]" = field(default_factory=list)

    @property
    def unsound(self) -> int:
        """How many of the problems are records."""
        return sum(bool(_RECORD.search(problem.path)) for problem in self.problems)


def is_submission(path: Path) -> bool:
    """Whether a folder is a submission, or should be one, and no store."""
    from leaderboard.intake.manifest import MANIFEST, METHOD, RESULTS, SUBMISSIONS_FOLDER

    if path.absolute().parent.name == SUBMISSIONS_FOLDER or any((path / RESULTS).glob("*.json")):
        return True
    return any(os.path.lexists(path / name) for name in (MANIFEST, METHOD))


def _submission(path: Path) -> Inspection:
    """A submission, held against the committed runs of its board."""
    from leaderboard.boards.board import boards
    from leaderboard.intake.manifest import MANIFEST, METHOD, RESULTS, read_manifest
    from leaderboard.intake.submission import compare_with_others, read_submission
    from leaderboard.store.committed import committed_of

    try:
        known = committed_of(read_manifest(path / MANIFEST).suite)
    except ValueError:  # which reading the submission names
        known = []
    found = read_submission(path, boards(), known)
    compare_with_others(found, boards(), known)
    wrong = {problem.path for problem in found.problems}
    sound = [record for record in found.records if f"{RESULTS}/{record.run_id}.json" not in wrong]
    return Inspection(sound, found.problems, path / METHOD, found.notes)


def _store(path: Path) -> Inspection:
    """Every record of a store, each by itself and beside those of other seeds."""
    from leaderboard.intake.soundness import further_problems
    from leaderboard.store import Problem, Store
    from leaderboard.trust.copies import repeated_seeds
    from leaderboard.trust.gaps import too_good

    contents = Store(path).read()
    if not contents.records and not contents.problems:
        raise FileNotFoundError(f"`{path}` should hold records. Found none.")
    sound, problems, copied = [], list(contents.problems), repeated_seeds(contents.records)
    for record in contents.records:
        reasons = further_problems(record)
        if other := copied.get(record.run_id):
            reasons.append(f"has the numbers of `{other.method}` seed {other.spec.seed}: one of them is a copy")
        if reasons:
            problems.append(Problem(contents.paths[record.run_id], reasons))
        else:
            sound.append(record)
    return Inspection(sound, problems, notes=list(too_good(sound)))


def _outcomes(found: Inspection, arguments: argparse.Namespace) -> "list[RerunResult]":
    from bench.cli.rerun import rerun

    if found.code and found.problems:
        print("mtlbench: nothing was run again: a submission should be sound first.", file=sys.stderr)
        return []
    return rerun(found.sound, arguments, found.code)


def _print(found: Inspection, outcomes: "list[RerunResult]") -> None:
    for problem in found.problems[:NAMED]:
        print(f"{problem.path}: {'; '.join(problem.reasons)}")
    if len(found.problems) > NAMED:
        print(f"and {len(found.problems) - NAMED:,} more files with problems; --json names all of them")
    for note in found.notes[:NAMED_NOTES]:
        print(make_printable(f"note: {note}"))
    if len(found.notes) > NAMED_NOTES:
        print(f"note: and {len(found.notes) - NAMED_NOTES:,} more like these; --json has all of them")
    for outcome in outcomes:
        stored = outcome.stored
        print(make_printable(f"{stored.suite} {stored.method} seed {stored.spec.seed}: {outcome.sentence}"))
    others = len(found.problems) - found.unsound
    more = f"; {others} other problem{'s' * (others != 1)}" if others else ""
    same = sum(bool(outcome.agrees) for outcome in outcomes)
    again = f", {same} of {len(outcomes)} runs again the same" if outcomes else ""
    print(f"{len(found.sound)} records valid, {found.unsound} not{again}{more}.")
