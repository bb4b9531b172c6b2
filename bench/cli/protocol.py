"""Print the protocol of a suite: how it is split, trained, selected and scored."""

import argparse
import json
from contextlib import suppress

from bench.cli import options
from bench.cli.data import count_split_labels, write_labels
from bench.cli.terminal import text_cell
from bench.errors import DataMissing

EPILOG = """examples:
  mtlbench protocol multimnist
  mtlbench protocol multimnist:variant=pareto --json
  mtlbench protocol multidigits --protocol 1
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multimnist:variant=sener`")
    options.add_protocol(parser)
    options.add_plugin(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every setting of a suite's protocol, its value and its meaning.

    The last line has the number of updates that follows from the settings, and their SHA-256, which changes with any of
    them. Of an own data set each split has the labels of every task, at seed 0. With --json the settings alone are
    printed. Returns 0.

    Raises:
        UsageError: There is no such suite, or it does not take an option.
    """
    from bench.catalogue.own_sets import list_own_sets
    from bench.planning.plan import parse_suite
    from bench.records import Protocol, digest

    options.load_plugins(arguments.plugin)
    choice, suite = parse_suite(arguments.suite, version=arguments.protocol)
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
    # Meanings are the descriptions of the schema's fields, so that they cannot be forgotten here.
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        table.add_row(*map(text_cell, (name, text, Protocol.model_fields[name].description or "")))
    console.print(table)
    if choice.entry.name in list_own_sets(None):  # of which no card in the repository tells how many there are
        with suppress(DataMissing):  # settings can be read without the data
            print("\n".join(["", *write_labels(count_split_labels(suite))]))
    console.print(f"\nupdates {suite.protocol.updates}, sha-256 {digest(values)}", highlight=False)
    return 0
