"""Print the protocol of a suite: how it is split, trained, selected and scored."""

import argparse
import json

from bench.cli import options
from bench.cli.terminal import text_cell

EPILOG = """examples:
  mtlbench protocol multimnist
  mtlbench protocol multimnist:variant=pareto --json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multimnist:variant=sener`")
    options.add_plugin(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every setting, its value, and what it means."""
    from bench.planning.plan import parse_suite
    from bench.records import Protocol, digest

    options.load_plugins(arguments.plugin)
    choice, suite = parse_suite(arguments.suite)
    values = suite.protocol.model_dump(mode="json")
    if arguments.json:
        print(json.dumps(values, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=text_cell(f"{choice.canonical}: protocol"), title_justify="left", box=None, pad_edge=False)
    for heading in ("setting", "value", "meaning"):
        table.add_column(heading, no_wrap=heading == "setting", ratio=None if heading == "setting" else 1)
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        table.add_row(*map(text_cell, (name, text, Protocol.model_fields[name].description or "")))
    console.print(table)
    console.print(f"\nupdates {suite.protocol.updates}, sha-256 {digest(values)}", highlight=False)
    return 0
