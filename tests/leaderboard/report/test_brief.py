"""Tables in brief: every board fits a terminal, and says of each row what the whole table says."""

import json
import re

from rich.cells import cell_len

from leaderboard.boards.board import Board
from leaderboard.report.brief import write_brief
from leaderboard.report.formats import format_table
from leaderboard.report.percent import to_error_change
from leaderboard.report.table import Table, tabulate
from leaderboard.store import StoreContents
from tests.leaderboard.conftest import build_record

BOARD = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "hard", "soft+l2"], seeds="0-2")


def lay_out(methods: dict[str, list[float]], board: Board = BOARD) -> Table:
    records = [
        build_record(method, seed, {"left": value, "right": value})
        for method, values in methods.items()
        for seed, value in enumerate(values)
    ]
    return tabulate(board, StoreContents(records))


ALONE = [80.0, 81.0, 79.0]


def test_rows_are_in_the_order_of_ranks_and_what_was_not_run_is_one_line() -> None:
    text = write_brief([lay_out({"single_task": ALONE, "hard": [90.0, 90.5, 89.5]})], 80)
    rows = [line for line in text.splitlines() if "3/3" in line]
    assert [row.split()[:2] for row in rows] == [["1", "hard"], ["2", "single_task"]]
    assert re.search(r"hard +-50\.0 \[[^]]+\] +better +3/3", rows[0])
    assert "without runs: 1 method (soft+l2)" in text


def test_a_name_too_long_is_the_methods_own_and_then_cut() -> None:
    long = BOARD.model_copy(update={"labels": {"hard": "a name for people that is far too long for this"}})
    runs = {"single_task": ALONE, "hard": [90.0, 90.5, 89.5]}
    assert "too long for this" in write_brief([lay_out(runs, long)], 120)
    text = write_brief([lay_out(runs, long)], 80)
    assert "far too long" not in text
    assert " hard " in text
    assert max(map(cell_len, write_brief([lay_out(runs, long)], 60).splitlines())) <= 60


def test_without_a_reference_every_number_is_shown() -> None:
    table = lay_out({"hard": ALONE})
    assert write_brief([table], 80) == format_table(table, "text", width=80)


def test_an_empty_table_is_a_title_and_a_line() -> None:
    assert write_brief([lay_out({})], 80).splitlines() == [
        "Toy",
        "without runs: 3 methods (single_task, hard, soft+l2)",
    ]


def test_files_keep_the_logarithm() -> None:
    table = lay_out({"single_task": ALONE, "hard": [90.0, 90.5, 89.5]})
    [row] = [
        row
        for row in json.loads(format_table(table, "json"))["rows"]
        if row["method"] == "hard" and row["metric"] == "delta_log"
    ]
    assert f" {to_error_change(row['mean']):+.1f} [" in write_brief([table], 80)
