"""What there is: suites, sharing, constraints, weightings, methods, controls, tables, backbones."""

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
KINDS = {"suites": "suite", "sharing": "sharing", "constraints": "constraint", "weightings": "weighting"}
SHELVES = [*KINDS, "methods", "controls", "tables", "backbones"]


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "what", metavar="WHAT", nargs="?", choices=SHELVES, help=f"one of {', '.join(SHELVES)}; all by default"
    )
    options.add_plugin(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one kind of part, or all kinds."""
    options.load_plugins(arguments.plugin)
    shelves = {shelf: _items(shelf) for shelf in ([arguments.what] if arguments.what else SHELVES)}
    if arguments.json:
        print(json.dumps(shelves[arguments.what] if arguments.what else shelves, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for shelf, items in shelves.items():
        table = Table(title=shelf, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column()
        for item in items:
            table.add_row(text_cell(item["name"]), text_cell(item.get("summary", "")))
        console.print(table)
        console.print()
    return 0


def _items(shelf: str) -> list[dict[str, Any]]:
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
        from bench.planning.plan import method_names

        return [{"name": name} for name in method_names()]
    if shelf == "backbones":
        import importlib
        import pkgutil

        import bench.backbones

        modules = [
            importlib.import_module(f"bench.backbones.{m.name}") for m in pkgutil.iter_modules(bench.backbones.__path__)
        ]
        return [
            {"name": m.__name__.rpartition(".")[2], "summary": (m.__doc__ or "").strip().split("\n")[0]}
            for m in modules
        ]
    from bench.catalogue.options import write
    from bench.catalogue.registry import entries

    return [
        {
            "name": entry.name,
            "summary": entry.summary,
            "version": entry.version,
            "paper": entry.paper,
            "options": [
                {"name": o.name, "default": write(o.default), "accepts": o.expectation()}
                for o in entry.options.values()
            ],
        }
        for entry in entries(KINDS[shelf]).values()
    ]
