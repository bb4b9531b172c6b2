"""Run a method along one of its options, as the dial from single-task to hard sharing, and print the path."""

import argparse
import json
from typing import Any

from bench.cli import execution_options, options
from bench.cli.dry_run import add_dry_run, print_plan
from bench.cli.terminal import text_cell
from bench.errors import UsageError, hint
from bench.records.values import parse_values

EPILOG = """examples:
  mtlbench sweep multidigits soft+l2 --over halflife=1..1e4:8
  mtlbench sweep multidigits soft+l2 --over halflife=inf/1..1e4:8/0 --seeds 0-4 --set optimiser=sgd --set lr=0.05
  mtlbench sweep synthetic cross_stitch --over own=0.5/0.7/0.9/1 --dry-run

--over OPTION=VALUES: values are separated by `/`; LOW..HIGH:COUNT stands for COUNT values between two positive
numbers, in equal ratios. The option may belong to the sharing, the constraint or the weighting.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multidigits`")
    parser.add_argument("method", metavar="METHOD", help="as in `soft+l2`")
    parser.add_argument("--over", required=True, metavar="OPTION=VALUES", help="as in `halflife=1..1e4:8`")
    parser.add_argument("--seeds", default="0", metavar="SEEDS", help="as in `0-4` or `0,2,7` (default: 0)")
    execution_options.add_training(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan the cells of every value, run what is missing, and print the path.

    Returns:
        1 where a cell failed, else 0.

    Raises:
        UsageError: The method has no such option, or it does not take a value.
    """
    from bench.execution.plan_status import report
    from bench.planning.plan import plan
    from bench.records import parse_seeds

    execution = execution_options.read_execution(arguments)
    path = vary_option(arguments.method, arguments.over)
    seeds, settings = parse_seeds(arguments.seeds), options.parse_settings(arguments.set)
    data, version = execution.cell.data_dir, arguments.protocol
    specs = {
        value: plan(arguments.suite, [method], seeds, settings, arguments.device, data, version=version)
        for value, method in path.items()
    }
    if arguments.dry_run:
        print_plan(execution, [spec for cells in specs.values() for spec in cells], arguments.json)
        return 0
    outcome = execution.run(spec for cells in specs.values() for spec in cells)
    if arguments.json:
        print(json.dumps(outcome.as_json(), indent=1))
    else:
        name = arguments.over.partition("=")[0]
        _print_path(name, {value: [execution.store.get(spec) for spec in cells] for value, cells in specs.items()})
    report(outcome, execution.verbosity)
    return 1 if outcome.count("failed") else 0


def vary_option(method: str, over: str) -> dict[str, str]:
    """value -> short name of the method with the option at that value, in the order of the values.

    Args:
        method: A method, as in `soft+l2`; its other options stay as they are.
        over: The text of --over, as in `halflife=1..1e4:8`.

    Raises:
        UsageError: No part of the method has the option (with the nearest that there are), or it does not take a value.
    """
    from bench.catalogue.method import Method
    from bench.catalogue.options import fill_defaults
    from bench.catalogue.registry import Choice

    name, equals, text = over.partition("=")
    if not (name and equals and text):
        raise UsageError(f"`--over` should read option=values, as in `halflife=1..1e4:8`. Found `{over}`.")
    parsed = Method.parse(method)
    owner = next((part for part in parsed.parts if name in part.entry.options), None)
    if owner is None:
        known = [option for part in parsed.parts for option in part.entry.options]
        raise UsageError(f"`{method}` has no option `{name}`; {hint(name, known)}.")
    # Whole numbers have another text than floats, and the text is part of a run's name.
    whole = owner.entry.options[name].parses_whole_numbers
    methods = {}
    for value in parse_values(text, whole):
        given = {key: written for key, written in _options_as_text(owner).items() if key != name}
        at = Choice(owner.entry, fill_defaults(owner.entry.name, owner.entry.options, {**given, name: value}))
        parts = [at if part is owner else part for part in (parsed.sharing, parsed.constraint, parsed.weighting)]
        methods[value] = Method(parts[0], parts[1], parts[2]).short  # type: ignore[arg-type]
    return methods


def _options_as_text(part: Any) -> dict[str, str]:
    """The options of a part that differ from their defaults, as text.

    Values are written as `--method` takes them, so that they can be parsed again beside the one that varies.
    """
    from bench.catalogue.options import options_as_text

    return options_as_text(part.entry.options, part.values, short=True)


def _print_path(name: str, path: dict[str, list[Any]]) -> None:
    """Print one row per value: each task's primary metric, and how much of the copies' updates was common.

    Args:
        name: The option.
        path: value -> the record of each seed, None where there is none.
    """
    from rich.console import Console
    from rich.table import Table

    from bench.scores import KINDS

    done = [record for records in path.values() for record in records if record and record.status == "done"]
    if not done:
        return
    first = done[0]
    kinds = first.spec.protocol.metrics
    primary = {task: KINDS[kinds[task]].metrics[0] for task in first.tasks}
    table = Table(caption=text_cell(f"{first.suite}, means over the seeds that are done"))
    table.add_column(name, justify="right")
    for task, metric in primary.items():
        arrow = "↑" if metric.higher_is_better else "↓"
        table.add_column(text_cell(f"{task} {metric.name} {arrow}"), justify="right")
    table.add_column("effective sharing", justify="right")
    table.add_column("seeds", justify="right")
    for value, records in path.items():
        runs = [record for record in records if record and record.status == "done"]
        cells = []
        for task, metric in primary.items():
            # Runs without a choice of epochs have no rule `val`.
            scores = [record.scores["val" if "val" in record.scores else "last"][task][metric.name] for record in runs]
            cells.append(f"{sum(scores) / len(scores):.4g}" if scores else "-")
        shared = [value for record in runs for value in record.effective_sharing.values()]
        cells.append(f"{sum(shared) / len(shared):.3f}" if shared else "-")
        table.add_row(*map(text_cell, (value, *cells, len(runs))))
    Console().print(table)
