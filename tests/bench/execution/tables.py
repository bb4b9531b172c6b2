"""A table that takes moments, for the tests of engines, and what should be equal of two stores that hold it."""

import json
from pathlib import Path

from bench.catalogue.plugin_files import load_plugin, read_plugin
from bench.execution.cell import StoredCell
from bench.planning.plan import plan
from bench.records import RunSpec
from leaderboard.boards.board import board_for
from leaderboard.report.formats import render_parts
from leaderboard.report.table import tabulate
from leaderboard.store import Store

TINY = Path(__file__).parents[2] / "plugins" / "tiny.py"
METHODS = ["single_task", "hard", "cross_stitch", "soft+l2"]
DIFFERENT = ("cost", "created", "digest")  # between two runs of one cell


def tiny(seeds: int) -> list[RunSpec]:
    """The cells of the table."""
    load_plugin(TINY)
    return plan("tiny", METHODS, range(seeds), device="cpu")


def cell(store: Path) -> StoredCell:
    """What runs them."""
    return StoredCell(store, store, (read_plugin(TINY),), images=1)


def table(store: Path) -> str:
    """As `mtlbench table tiny` prints it, and every record but for what two runs of one cell differ in.

    Asserts that all files of the store are sound records at their places: nothing temporary, nothing twice.
    """
    contents = Store(store).read()
    assert contents.problems == []
    paths = sorted(path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file())
    assert paths == sorted(Store(store).path(record.spec).relative_to(store).as_posix() for record in contents.records)
    records = [record.model_dump(mode="json", exclude=set(DIFFERENT)) for record in contents.records]
    board = board_for("tiny", contents.records, set(), "default")
    printed = render_parts([tabulate(part, contents, "val", "default") for part in board.parts], "csv")
    return "\n".join([printed, *sorted(json.dumps(record, sort_keys=True) for record in records)])
