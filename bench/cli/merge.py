"""Put the records of stores into one store, packed: one line per run, one file per method."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import options
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.records import ResultRecord

NAMED_PROBLEMS = 10  # that are printed
EPILOG = """examples:
  mtlbench merge runs --into leaderboard/results
  mtlbench merge machine1 machine2 --into all
  mtlbench merge --into all            # packs what lies open in it

A packed store has the records of a method in one file, SUITE/METHOD-KEY.jsonl, a line each, and protocols beside them;
every command reads it as it reads one file per run. Sources stay as they are. What was found out by `mtlbench verify`
comes along. Nothing is written where a file is unsound, or where two stores hold other results for one run. Running the
command again changes nothing, and finishes one that was interrupted.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("sources", metavar="SOURCE", type=Path, nargs="*", help="stores to take records from")
    parser.add_argument("--into", metavar="STORE", type=Path, required=True, help="the store that takes them")
    options.add_plugin(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Merge, and tell."""
    from bench.cli.verify import is_submission
    from leaderboard.store.merge import merge_stores

    places = arguments.sources or [arguments.into]
    for place in places:
        options.require_store(place)
    for place in [*arguments.sources, arguments.into]:
        if is_submission(place):
            raise UsageError(f"`{place}` should be a store. Found a submission, whose records stay beside its code.")
    options.load_plugins(arguments.plugin)  # kinds of metrics that the records of their suites are scored by
    result = merge_stores(arguments.sources, arguments.into)
    reasons = [f"{root / problem.path}: {'; '.join(problem.reasons)}" for root, problem in result.problems]
    reasons += result.contradictions
    if not reasons:
        _keep_states(arguments.sources, arguments.into, result.added)
    if arguments.json:
        content = {
            "added": len(result.added),
            "packed": result.packed,
            "records": result.records,
            "problems": reasons,
        }
        json.dump(content, sys.stdout, indent=1)
        print()
    elif reasons:
        print("\n".join(reasons[:NAMED_PROBLEMS]))
        if len(reasons) > NAMED_PROBLEMS:
            print(f"and {len(reasons) - NAMED_PROBLEMS:,} more; --json names all of them")
        print("nothing was merged.")
    else:
        were = f", {result.packed} were packed" if result.packed else ""
        print(f"{len(result.added)} records were added{were}; {arguments.into} holds {result.records}.")
    return 1 if reasons else 0


def _keep_states(sources: list[Path], target: Path, added: "list[ResultRecord]") -> None:
    """What the sources say about the verification of records that were added."""
    from leaderboard.trust.ledger import read_checks, write_checks

    digests = {record.digest for record in added}
    for source in sources:
        checks = read_checks(source)
        write_checks(target, [check for digest, check in checks.items() if digest in digests])
