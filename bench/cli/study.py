"""Run a study: the runs that its predictions name, and the verdict of each prediction."""

import argparse
import json
from typing import TYPE_CHECKING

from bench.cli import execution_options, options
from bench.cli.dry_run import add_dry_run, print_plan
from bench.errors import UsageError, quote_nearest

if TYPE_CHECKING:
    from leaderboard.claims import ClaimList

EPILOG = """examples:
  mtlbench study square_root_law --dry-run
  mtlbench study square_root_law --jobs 2 --stack 10

A study is a file of leaderboard/claims with seeds: predictions, and the two methods, settings and suites that decide
each. Running the same command again continues where the last one stopped.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("study", metavar="STUDY", help="name of a file of leaderboard/claims, without its ending")
    execution_options.add_execution(parser)
    add_dry_run(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan the runs of both sides of every prediction, run what is missing, and print the verdicts.

    Returns:
        1 where a cell failed, else 0; also where a prediction came out wrong, which is a result.

    Raises:
        UsageError: There is no such study, or its runs are those of boards.
    """
    from bench.execution.plan_status import report
    from bench.planning.plan import plan
    from bench.records import parse_seeds
    from leaderboard.claims import judge_claims
    from leaderboard.report.claims import draw_claims

    study = load_study(arguments.study)
    execution = execution_options.read_execution(arguments)
    seeds, data = parse_seeds(study.seeds), execution.cell.data_dir
    specs = [
        spec
        for runs in study.compared
        for spec in plan(runs.suite, [runs.method], seeds, runs.settings, arguments.device, data)
    ]
    if arguments.dry_run:
        report(print_plan(execution, specs, arguments.json), execution.verbosity)
        return 0
    outcome = execution.run(specs)
    report(outcome, execution.verbosity)
    if arguments.json:
        print(json.dumps(outcome.as_json(), indent=1))
    else:
        print(draw_claims(study, judge_claims(study.claims, execution.store.read().records)), end="")
    return 1 if outcome.count("failed") else 0


def load_study(name: str) -> "ClaimList":
    """The claims of a study.

    Raises:
        UsageError: There are no such claims, or they have no seeds of their own.
    """
    from leaderboard.claims import list_claim_files, load_claims

    study = load_claims(name)
    if not study.seeds:
        studies = [other for other in list_claim_files() if load_claims(other).seeds]
        raise UsageError(
            f"STUDY should be one of claims with seeds of their own; the nearest: {quote_nearest(name, studies)}. "
            f"Found `{name}`, whose runs are those of tables."
        )
    return study
