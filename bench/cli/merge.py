"""Put the records of stores into one store, packed: one line per run, one file per method."""

import argparse
import json
from pathlib import Path

from bench.cli import options
from bench.errors import UsageError, count_nouns

NAMED_PROBLEMS = 10  # that are printed
EPILOG = """examples:
  mtlbench merge runs --into leaderboard/results
  mtlbench merge machine1 machine2 --into all
  mtlbench merge --into all            # packs what lies open in it

A packed store has the records of a method in one file, SUITE/METHOD-KEY.jsonl, a line each, and protocols beside them;
every command reads both forms. Sources stay as they are, and no store may lie in another one. What was found out by
`mtlbench verify` comes along, and trained models stay where they are. Nothing is written where a file is unsound, or
where two stores hold different results for the same run. Running the command again changes nothing, and finishes one
that was interrupted.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("sources", metavar="SOURCE", type=Path, nargs="*", help="stores to take records from")
    parser.add_argument("--into", metavar="STORE", type=Path, required=True, help="the store that takes them")
    options.add_plugin(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Merge, and tell.

    Returns:
        1 where something was in the way of the merge and nothing was written, else 0.

    Raises:
        UsageError: A source is no store, or one of the stores lies in another one.
        OSError: The target cannot be written.
    """
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
    if arguments.json:
        content = {
            "added": len(result.added),
            "packed": result.packed,
            "records": result.records,
            "models": result.models,
            "problems": reasons,
        }
        print(json.dumps(content, indent=1))
    elif reasons:
        print("\n".join(reasons[:NAMED_PROBLEMS]))
        if len(reasons) > NAMED_PROBLEMS:
            print(f"and {len(reasons) - NAMED_PROBLEMS:,} more; --json names all of them")
        print("nothing was merged.")
    else:
        count = len(result.added)
        added = f"{count_nouns(count, 'record')} {'was' if count == 1 else 'were'} added"
        were = f", {result.packed} {'was' if result.packed == 1 else 'were'} packed" if result.packed else ""
        print(f"{added}{were}; {arguments.into} holds {result.records}.")
        if result.models:
            stay = "1 trained model stays" if result.models == 1 else f"{result.models} trained models stay"
            print(f"{stay} in the sources, where `mtlbench predict` finds them.")
    return 1 if reasons else 0
