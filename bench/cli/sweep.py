"""Run a method along one of its options, as the dial from single-task to hard sharing, and print the path."""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from typing import Any

from bench.cli import options
from bench.cli.terminal import text_cell
from bench.errors import UsageError, hint

EPILOG = """examples:
  mtlbench sweep multidigits soft+l2 --over halflife=1..1e4:8
  mtlbench sweep multidigits soft+l2 --over halflife=inf/1..1e4:8/0 --seeds 0-4 --set optimiser=sgd --set lr=0.05
  mtlbench sweep synthetic cross_stitch --over own=0.5/0.7/0.9/1

--over OPTION=VALUES: values are separated by `/`; LOW..HIGH:COUNT stands for COUNT values between two positive
numbers, in equal ratios. The option may belong to the sharing, the constraint or the weighting.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multidigits`")
    parser.add_argument("method", metavar="METHOD", help="as in `soft+l2`")
    parser.add_argument("--over", required=True, metavar="OPTION=VALUES", help="as in `halflife=1..1e4:8`")
    parser.add_argument("--seeds", default="0", metavar="SEEDS", help="as in `0-4` or `0,2,7` (default: 0)")
    options.add_execution(parser)
    options.add_settings(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan the path, run what is missing, print it."""
    from bench.execution.cell import StoredCell
    from bench.execution.execute import execute, report, survey
    from bench.planning.plan import plan
    from bench.records import parse_seeds
    from leaderboard.store import Store

    engine, plugins = options.engine(arguments), options.load_plugins(arguments.plugin)
    data, root = options.data_dir(arguments.data_dir), options.store_dir(arguments.store)
    path = vary_option(arguments.method, arguments.over)
    seeds, settings = parse_seeds(arguments.seeds), options.parse_settings(arguments.set)
    specs = {
        value: plan(arguments.suite, [method], seeds, settings, arguments.device, data)
        for value, method in path.items()
    }
    outcome = survey([spec for cells in specs.values() for spec in cells], Store(root))
    cell = StoredCell(root, data, plugins, arguments.wandb, arguments.images, arguments.checkpoint)
    execute(outcome, cell, engine, arguments.stack)
    if arguments.json:
        json.dump(outcome.as_json(), sys.stdout, indent=1)
        print()
    else:
        name = arguments.over.partition("=")[0]
        _print(name, {value: [Store(root).get(spec) for spec in cells] for value, cells in specs.items()})
    report(outcome)
    return 1 if outcome.count("failed") else 0


def vary_option(method: str, over: str) -> dict[str, str]:
    """value -> method with the option at that value. Raises UsageError with the nearest options."""
    from bench.catalogue.method import Method
    from bench.catalogue.options import fill_defaults
    from bench.catalogue.registry import Choice

    name, equals, text = over.partition("=")
    if not (name and equals and text):
        raise UsageError(f"--over should read option=values, as in `halflife=1..1e4:8`. Found `{over}`.")
    parsed = Method.parse(method)
    owner = next((part for part in parsed.parts if name in part.entry.options), None)
    if owner is None:
        known = [option for part in parsed.parts for option in part.entry.options]
        raise UsageError(f"`{method}` has no option `{name}`; {hint(name, known)}.")
    whole = owner.entry.options[name].parses_whole_numbers
    found = {}
    for value in values(text, whole):
        given = {key: written for key, written in _written(owner).items() if key != name}
        at = Choice(owner.entry, fill_defaults(owner.entry.name, owner.entry.options, {**given, name: value}))
        parts = [at if part is owner else part for part in (parsed.sharing, parsed.constraint, parsed.weighting)]
        found[value] = Method(parts[0], parts[1], parts[2]).short  # type: ignore[arg-type]
    return found


def _written(part: Any) -> dict[str, str]:
    """The options of a part that differ from their defaults, as text."""
    from bench.catalogue.options import options_as_text

    return options_as_text(part.entry.options, part.values, short=True)


def values(text: str, whole: bool = False) -> Iterator[str]:
    """The values that `--over` names, in order, each once; ranges in equal ratios, to four digits."""
    seen = set()
    for item in text.split("/"):
        low, dots, rest = item.partition("..")
        if not dots:
            each = [item]
        else:
            high, colon, count = rest.partition(":")
            try:
                a, b, n = float(low), float(high), int(count) if colon else 0
            except ValueError:
                a = b = n = 0
            if not (0 < a < math.inf and 0 < b < math.inf and n >= 2):
                raise UsageError(
                    f"A range should read LOW..HIGH:COUNT with positive ends and two values or more. Found `{item}`."
                )
            steps = [float(f"{a * (b / a) ** (k / (n - 1)):.4g}") for k in range(n)]
            each = [str(round(step)) if whole else repr(step) for step in steps]
        for value in each:
            if value not in seen:
                seen.add(value)
                yield value


def _print(name: str, path: dict[str, list[Any]]) -> None:
    """One row per value: the primary metric of each task, and how much the copies learned in common."""
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
            scores = [record.scores["val" if "val" in record.scores else "last"][task][metric.name] for record in runs]
            cells.append(f"{sum(scores) / len(scores):.4g}" if scores else "-")
        shared = [value for record in runs for value in record.effective_sharing.values()]
        cells.append(f"{sum(shared) / len(shared):.3f}" if shared else "-")
        table.add_row(*map(text_cell, (value, *cells, len(runs))))
    Console().print(table)
