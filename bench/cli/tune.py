"""Tune methods by a search on validation, as many trials and seeds for each, and run the winners on fresh seeds."""

import argparse
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.cli import execution_options, options
from bench.cli.dry_run import add_dry_run, print_plan
from bench.cli.terminal import text_cell
from bench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.execution.execute import Execution
    from bench.records import ResultRecord, RunSpec
    from leaderboard.boards.tuned_track import MethodSearch

EPILOG = """examples:
  mtlbench tune multidigits single_task hard cross_stitch soft+l2 --trials 16 --seeds 0-9
  mtlbench tune multimnist single_task hard --trials 32 --engine ray --address head:6379
  mtlbench table multidigits --track tuned

A trial is scored on validation only; the test split is read by the winner's runs, once each. The same command
again runs only what is missing. Trials share their learning rate, weight decay and trunk rate between methods.
Trials are different points of a Sobol sequence over what has an effect on the method; the best ones run again on
seeds that did not choose them, and the winner on those of --seeds. `--design random` is the search of older stores.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multimnist:variant=sener`")
    parser.add_argument("methods", metavar="METHOD", nargs="+", help="as in `soft+l2`")
    parser.add_argument(
        "--trials", type=options.parse_positive, default=16, metavar="N", help="of each method (default: 16)"
    )
    parser.add_argument("--seeds", default="0-4", metavar="SEEDS", help="of the winner's runs (default: 0-4)")
    parser.add_argument(
        "--trials-seeds", type=options.parse_positive, default=3, metavar="N", help="of each trial (default: 3)"
    )
    parser.add_argument(
        "--finalists",
        type=options.parse_positive,
        default=4,
        metavar="N",
        help="best trials of each method that run again (default: 4)",
    )
    parser.add_argument(
        "--finalist-seeds", type=options.parse_positive, default=10, metavar="N", help="of each of them (default: 10)"
    )
    parser.add_argument(
        "--design",
        choices=["sobol", "random"],
        default="sobol",
        help="how trials are drawn; random ones have one seed, may repeat, and have no finalists (default: sobol)",
    )
    execution_options.add_execution(parser)
    options.add_protocol(parser)
    add_dry_run(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Search the settings of each method, choose by validation, run the winners on fresh seeds, and tell.

    All methods have equally many trials, on the same seeds. Trials keep no panels and are not stacked; the winners'
    runs keep panels where --images asks for them. With --dry-run the plan of the trials and its cost are printed.

    Returns:
        1 where a trial or a winner's run failed, else 0.

    Raises:
        UsageError: --seeds has a seed that chooses, or a method has fewer different settings than --trials.
    """
    from bench.execution.plan_status import report
    from bench.planning.sobol_design import plan_finalists
    from bench.planning.tuning import plan_finals
    from bench.records import parse_seeds
    from leaderboard.boards.tuned_track import searches_of

    seeds = parse_seeds(arguments.seeds)
    choosing, judging = _choose_trial_seeds(arguments)
    if both := sorted({*seeds} & {*choosing, *judging}):
        raise UsageError(f"`--seeds` should have none of the seeds that choose a winner. Found {both[0]}.")
    execution = replace(execution_options.read_execution(arguments), stack=1)
    trials = _plan_trials(arguments, execution)
    specs = [spec for own in trials for spec in own]
    if arguments.dry_run:
        report(print_plan(execution, specs, arguments.json), execution.verbosity)
        again = len(arguments.methods) * min(arguments.finalists, arguments.trials) * len(judging)
        later = [f"{again} of the best trials on further seeds"] if again else []
        later += [f"{len(arguments.methods) * len(seeds)} of the winners"]
        execution.verbosity.tell(f"Then {' and '.join(later)}.")
        return 0
    quiet = replace(execution, cell=replace(execution.cell, images=0))  # nobody looks at trials
    searched = quiet.run(specs)
    # All trials, also those of earlier commands: the search is over what is stored.
    searches = searches_of(_read_records(execution, specs), arguments.trials)
    if judging:
        best = [trial.spec for search in searches for trial in search.best_trials(arguments.finalists)]
        further = [spec for trial in best for spec in plan_finalists(trial, judging)]
        searched = searched.join(quiet.run(further))
        searches = searches_of(_read_records(execution, [*specs, *further]), arguments.trials)
    report(searched, execution.verbosity)
    chosen = [search.winner.spec for search in searches if search.winner]
    outcome = execution.run(spec for winner in chosen for spec in plan_finals(winner, seeds))
    if arguments.json:
        print(json.dumps([_search_as_json(search) for search in searches], indent=1))
    else:
        _print_searches(searches)
    report(outcome, execution.verbosity)
    return 1 if searched.count("failed") or outcome.count("failed") else 0


def _choose_trial_seeds(arguments: argparse.Namespace) -> tuple[list[int], list[int]]:
    """The seeds of every trial, and those on which the best trials are judged anew; random trials have one and none."""
    from bench.planning.tuning import TRIAL_SEED

    if arguments.design == "random":
        return [TRIAL_SEED], []
    first = TRIAL_SEED + arguments.trials_seeds
    return list(range(TRIAL_SEED, first)), list(range(first, first + arguments.finalist_seeds))


def _plan_trials(arguments: argparse.Namespace, execution: "Execution") -> "list[list[RunSpec]]":
    """The runs of every trial of every method, method by method.

    Args:
        arguments: Those of the command.
        execution: Says where data is looked for.
    """
    from bench.planning.sobol_design import plan_sobol_trials
    from bench.planning.tuning import plan_trials

    suite, methods, count = arguments.suite, arguments.methods, arguments.trials
    how = arguments.device, execution.cell.data_dir, arguments.protocol
    if arguments.design == "random":
        return [[spec] for method in methods for spec in plan_trials(suite, method, count, *how)]
    seeds, _ = _choose_trial_seeds(arguments)
    return [trial for method in methods for trial in plan_sobol_trials(suite, method, count, seeds, *how)]


def _read_records(execution: "Execution", specs: "Iterable[RunSpec]") -> "list[ResultRecord]":
    """The records of cells, each once; those whose process died have none."""
    stored = {spec.run_id: execution.store.get(spec) for spec in specs}
    return [record for record in stored.values() if record]


def _search_as_json(search: "MethodSearch") -> dict[str, Any]:
    """A search as `--json` prints it.

    `objectives` has one number per trial, null where it failed, the mean over `seeds` where trials had several;
    `finalists` are the trials that ran again on `final_seeds`, by which the winner is chosen then. `winner` has the
    trial, the method with its options, the changes of the protocol, and those of them that lie at the edge of what was
    searched.
    """
    winner = search.winner
    return {
        "method": search.method,
        "objectives": [value if math.isfinite(value) else None for value in search.objectives],
        "seeds": search.seeds,
        "finalists": search.finalists,
        "final_seeds": search.final_seeds,
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
