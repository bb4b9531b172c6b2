"""Tune methods by random search on validation, as many trials for each, and run the winners on fresh seeds."""

import argparse
import json
import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.cli import options
from bench.cli.terminal import text_cell

if TYPE_CHECKING:
    from leaderboard.boards.tuned_track import MethodSearch

EPILOG = """examples:
  mtlbench tune multidigits single_task hard cross_stitch soft+l2 --trials 16 --seeds 0-9
  mtlbench tune multimnist single_task hard --trials 32 --engine ray --address head:6379
  mtlbench table multidigits --track tuned

A trial is scored on validation only; the test split is read by the winner's runs, once each. The same command
again runs only what is missing. Trials share their learning rate, weight decay and trunk rate between methods.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multimnist:variant=sener`")
    parser.add_argument("methods", metavar="METHOD", nargs="+", help="as in `soft+l2`")
    parser.add_argument(
        "--trials", type=options.parse_positive, default=16, metavar="N", help="of each method (default: 16)"
    )
    parser.add_argument("--seeds", default="0-4", metavar="SEEDS", help="of the winner's runs (default: 0-4)")
    options.add_execution(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Search the settings of each method, choose by validation, run the winners on fresh seeds, and tell.

    All methods have equally many trials. Trials keep no panels and are not stacked; the winners' runs keep panels where
    --images asks for them.

    Returns:
        1 where a trial or a winner's run failed, else 0.
    """
    from bench.execution.plan_status import report
    from bench.planning.tuning import plan_finals, plan_trials
    from bench.records import parse_seeds
    from leaderboard.boards.tuned_track import searches_of

    seeds = parse_seeds(arguments.seeds)
    execution = replace(options.read_execution(arguments), stack=1)
    specs = [
        spec
        for method in arguments.methods
        for spec in plan_trials(arguments.suite, method, arguments.trials, arguments.device, execution.cell.data_dir)
    ]
    searched = replace(execution, cell=replace(execution.cell, images=0)).run(specs)  # nobody looks at trials
    report(searched)
    # All trials, also those of earlier commands: the search is over what is stored.
    records = {spec.run_id: execution.store.get(spec) for spec in specs}
    searches = searches_of([record for record in records.values() if record], arguments.trials)
    chosen = [search.winner.spec for search in searches if search.winner]
    outcome = execution.run(spec for winner in chosen for spec in plan_finals(winner, seeds))
    if arguments.json:
        json.dump([_search_as_json(search) for search in searches], sys.stdout, indent=1)
        print()
    else:
        _print_searches(searches)
    report(outcome)
    return 1 if searched.count("failed") or outcome.count("failed") else 0


def _search_as_json(search: "MethodSearch") -> dict[str, Any]:
    """A search as `--json` prints it.

    `objectives` has one number per trial, null where it failed; `winner` has the trial, the method with its options,
    the changes of the protocol, and those of them that lie at the edge of what was searched.
    """
    winner = search.winner
    return {
        "method": search.method,
        "objectives": [value if math.isfinite(value) else None for value in search.objectives],
        "winner": winner
        and {
            "trial": winner.spec.tuning and winner.spec.tuning.trial,
            "method": winner.method,
            "overrides": winner.spec.overrides,
            "edges": search.edges,
        },
    }


def _print_searches(searches: "list[MethodSearch]") -> None:
    """Print one row per method: what won, with which settings, and what fewer trials would have come to.

    The expected best of 1, of half and of all trials tells whether more of them would have helped. A setting at the
    edge of what was searched is marked: a better one may lie beyond.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(caption="sum over tasks of log validation error: expected best of 1, of half, of all trials")
    for heading in ("method", "winner", "settings", "of 1", "of half", "of all", "trials"):
        table.add_column(heading, justify="left" if heading in ("method", "winner", "settings") else "right")
    for search in searches:
        best = search.expected_best()
        # Positions of 1, half and all trials; `best[k]` is for k + 1 trials.
        where = [0, max(0, len(best) // 2 - 1), len(best) - 1] if len(best) else []
        changed = search.winner.spec.overrides if search.winner else {}
        words = ", ".join(f"{key}={value}{' (edge)' if key in search.edges else ''}" for key, value in changed.items())
        cells = [f"{best[k]:.3f}" for k in where] or ["-"] * 3
        name = search.winner.method if search.winner else "every trial failed"
        table.add_row(*map(text_cell, (search.method, name, words or "defaults", *cells, len(search.trials))))
    Console().print(table)
