"""Train methods on a suite. Runs that are in the store already are not run again."""

import argparse
import json

from bench.cli import execution_options, options
from bench.cli.dry_run import add_dry_run, print_plan
from bench.cli.table_end import print_run_table
from bench.errors import UsageError

EPILOG = """examples:
  mtlbench run multidigits single_task hard cross_stitch --seeds 0-4
  mtlbench run synthetic:tasks=8,relatedness=0.5 hard:split=1 soft+l2:halflife=100 hard@uncertainty
  mtlbench run multidigits single_task hard --control ensemble long --seeds 0-4
  mtlbench run multimnist --all-methods --data-dir ~/data --dry-run
  mtlbench run multimnist --all-methods --seeds 0-9 --engine ray --address head:6379
  mtlbench run multimnist --all-methods --seeds 0-9 --engine slurm --sbatch partition=cpu --sbatch cpus-per-task=8

METHOD  name[:key=value,...][+constraint[:key=value,...]][@weighting[:key=value,...]]
SUITE   name[:key=value,...]
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multimnist:variant=sener`")
    parser.add_argument("methods", metavar="METHOD", nargs="*", help="as in `soft+l2:halflife=100`")
    parser.add_argument("--all-methods", action="store_true", help="every method that supports the suite")
    parser.add_argument(
        "--control",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="controls, as `mtlbench list controls` names them, or `all`",
    )
    parser.add_argument("--seeds", default="0", metavar="SEEDS", help="as in `0-4` or `0,2,7` (default: 0)")
    execution_options.add_training(parser)
    options.add_metrics(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan the cells, run what is missing, and print a table of them.

    With --dry-run nothing is trained: the plan and an estimate of its cost are printed. With --json the plan, or what
    became of it, is printed as JSON in place of the table.

    Returns:
        1 where a cell failed, else 0.

    Raises:
        UsageError: No method is named, --all-methods is given beside methods, or --control beside --set.
    """
    from bench.execution.controls import plan_controls
    from bench.execution.plan_status import report
    from bench.planning.plan import list_supported_methods, plan
    from bench.records import parse_seeds

    # Methods, all methods or controls; controls may stand beside either.
    asked = bool(arguments.methods), arguments.all_methods, bool(arguments.control)
    if asked[:2] == (True, True) or not any(asked):
        raise UsageError("`mtlbench run` should be given one METHOD or more, --all-methods, or --control NAME.")
    if arguments.control and arguments.set:
        raise UsageError("`--control` should be given without `--set`: a control changes one thing of the protocol.")
    seeds = parse_seeds(arguments.seeds)
    execution = execution_options.read_execution(arguments)
    data = execution.cell.data_dir
    methods = list_supported_methods(arguments.suite, data) if arguments.all_methods else arguments.methods
    settings, version = options.parse_settings(arguments.set), arguments.protocol
    specs = plan(arguments.suite, methods, seeds, settings, arguments.device, data, version=version)
    specs += plan_controls(arguments.suite, arguments.control, seeds, arguments.device, data, methods, version)
    if arguments.dry_run:
        outcome = print_plan(execution, specs, arguments.json)
    else:
        outcome = execution.run(specs)
        if arguments.json:  # standard output is then that value and nothing else, for scripts
            print(json.dumps(outcome.as_json(), indent=1))
    report(outcome, execution.verbosity)
    if specs and not arguments.dry_run:
        print_run_table(execution, specs, arguments)
    return 1 if outcome.count("failed") else 0
