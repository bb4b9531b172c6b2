"""List suites, sharing, constraints, weightings, backbones, methods, controls or tables."""

import argparse
import json
from typing import Any

from bench.cli import options
from bench.cli.terminal import text_cell

EPILOG = """examples:
  mtlbench list
  mtlbench list constraints --json
  mtlbench list methods --plugin my_method.py
"""
# Shelves of the registry: the word of the command line -> kind of part.
KINDS = {
    "suites": "suite",
    "sharing": "sharing",
    "constraints": "constraint",
    "weightings": "weighting",
    "backbones": "backbone",
}
SHELVES = [*KINDS, "methods", "controls", "tables"]


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument(
        "what", metavar="WHAT", nargs="?", choices=SHELVES, help=f"one of {', '.join(SHELVES)}; all by default"
    )
    options.add_plugin(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one kind of part, or all kinds, as tables or as JSON.

    With --json one kind is a list, and all kinds are an object of lists. Returns 0.
    """
    options.load_plugins(arguments.plugin)
    shelves = {shelf: _list_items(shelf) for shelf in ([arguments.what] if arguments.what else SHELVES)}
    if arguments.json:
        print(json.dumps(shelves[arguments.what] if arguments.what else shelves, indent=1))
        return 0
    # Imported late: --json needs no tables, and the import takes time.
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for shelf, items in shelves.items():
        table = Table(title=shelf, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column()
        for item in items:
            table.add_row(text_cell(item["name"]), text_cell(_describe_item(shelf, item)))
        console.print(table)
        console.print()
    return 0


def _describe_item(shelf: str, item: dict[str, Any]) -> str:
    """The summary of an item; with its options behind it for a backbone, whose text a user has to write."""
    summary = str(item.get("summary", ""))
    if shelf != "backbones" or not item["options"]:
        return summary
    written = ", ".join(f"{option['name']}={option['default']}" for option in item["options"])
    return f"{summary} Options: {written}"


def _list_items(shelf: str) -> list[dict[str, Any]]:
    """What there is of one kind, as `--json` prints it.

    Every item has a `name`, and all but methods have a `summary`: the first sentence of the docstring, or the title of
    a table. Suites, backbones and parts of methods also have `version`, `paper`, `title`, `family` and `options`,
    tables `suite`, `methods` and `seeds`.
    """
    if shelf == "tables":
        from leaderboard.boards.board import boards

        return [
            {
                "name": board.name,
                "summary": board.title,
                "suite": board.suite,
                "methods": board.methods,
                "seeds": board.seeds,
            }
            for table in boards().values()
            for board in table.parts
        ]
    if shelf == "controls":
        from leaderboard.boards.controls import CONTROLS

        return [{"name": control.name, "summary": control.summary} for control in CONTROLS.values()]
    if shelf == "methods":
        from bench.planning.plan import list_method_names

        return [{"name": name} for name in list_method_names()]
    from bench.catalogue.options import write
    from bench.catalogue.registry import list_entries

    return [
        {
            "name": entry.name,
            "summary": entry.summary,
            "version": entry.version,
            "paper": entry.paper,
            "title": entry.title,
            "family": entry.family,
            "options": [
                {"name": o.name, "default": write(o.default), "accepts": o.describe_expectation()}
                for o in entry.options.values()
            ],
            **({"twin": entry.cls.twin} if shelf == "sharing" else {}),  # type: ignore[attr-defined]
        }
        for entry in list_entries(KINDS[shelf]).values()
    ]
