"""Tables as HTML for notebooks: the digits of the other formats, everything escaped."""

import re
from html import unescape

import pytest

from bench.records import ResultRecord
from leaderboard.boards.board import Board
from leaderboard.report.formats import format_table
from leaderboard.report.html import to_html, write_html_table
from leaderboard.report.table import Table, tabulate
from leaderboard.store import StoreContents


@pytest.fixture
def table(three_methods: list[ResultRecord]) -> Table:
    """A board with one method that lacks seeds, and a title that is no HTML."""
    methods = ["single_task", "hard", "cross_stitch"]
    board = Board(name="toy", title="<b>Toy</b>", version=1, suite="toy", methods=methods, seeds="0-4")
    return tabulate(board, StoreContents(three_methods))


def test_it_has_the_digits_of_markdown(table: Table) -> None:
    cells = [
        re.sub(r"\s+", " ", unescape(re.sub(r"<br>|<[^>]+>", " ", cell))).strip()
        for cell in re.findall(r"<td[^>]*>(.*?)</td>", to_html(table))
    ]
    lines = [line for line in format_table(table, "md").splitlines() if line.startswith("| ")][1:]
    expected = [cell.strip().replace("\\", "") for line in lines for cell in line.strip("| ").split("|")]
    assert cells == [cell for cell in expected if not set(cell) <= {":", "-"}]


def test_texts_are_escaped(table: Table) -> None:
    assert "<b>" not in to_html(table)
    assert "&lt;b&gt;Toy&lt;/b&gt;" in to_html(table)
    assert write_html_table(["a", "b"], [["<i>", "\u202e"]]).count("<i>") == 0


def test_incomplete_methods_are_faint_and_notes_are_there(table: Table) -> None:
    page = to_html(table)
    assert page.count('<tr style="opacity:0.6">') == 1
    assert page.count("<li>") == len(table.notes)
