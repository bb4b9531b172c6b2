"""What a page loads before anybody touches it, and that it can be read without a script."""

import re
from pathlib import Path

import pytest

from leaderboard.boards.board import Board
from leaderboard.site import write_site
from leaderboard.site.build_time import MOST_BYTES, weigh_page
from leaderboard.store import StoreContents
from tests.leaderboard.conftest import build_record

FIRST = 9_000_000 / 8  # bytes that come in a second at 9 Mbit/s
METHODS = ["single_task", "hard", *(f"soft+l2:halflife={number}.0" for number in range(50))]


def list_loaded(page: Path) -> list[Path]:
    """The page and every file that it loads by itself, lazy pictures among them."""
    found = re.findall(r'<(?:script|img|link)\b[^>]*?\b(?:src|href)="([^"]+)"', page.read_text())
    return [page, *{(page.parent / name).resolve() for name in found if not name.startswith("data:")}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two suites with a board of fifty rows, as wide and long as those of the leaderboard."""
    out = tmp_path_factory.mktemp("site") / "out"
    boards = [
        Board(name=suite, title=suite, version=1, suite=suite, methods=METHODS, seeds="0-4") for suite in ("one", "two")
    ]
    records = [
        build_record(
            method, seed, {f"task {at}": 60.0 + at + number / 9 + seed * at % 3 for at in range(6)}, suite=suite
        )
        for suite in ("one", "two")
        for number, method in enumerate(METHODS)
        for seed in range(5)
    ]
    write_site(StoreContents(records), boards, out, "runs")
    return out


def test_no_page_loads_more_than_600_kilobytes(folder: Path) -> None:
    weights = {page.name: weigh_page(page) for page in folder.rglob("*.html")}
    assert {name: weight for name, weight in weights.items() if weight > MOST_BYTES} == {}
    loaded = list_loaded(folder / "suites/one.html")
    assert weights["one.html"] == sum(path.stat().st_size for path in loaded)
    scripts = {"theme.js", "search.js", "tables.js", "charts.js", "site.js"}
    assert {path.name for path in loaded} == {"one.html", "site.css", *scripts}


def test_the_first_chart_of_a_board_is_there_within_a_second_at_9_megabits(folder: Path) -> None:
    page = folder / "suites/one.html"
    style = (folder / "assets/site.css").stat().st_size + (folder / "assets/theme.js").stat().st_size
    assert page.read_bytes().index(b'<svg class="panel"') + style < FIRST / 2  # half of it is left for the way


def test_everything_can_be_read_without_a_script(folder: Path) -> None:
    text = (folder / "leaderboard.html").read_text()
    assert text.count('<th scope="row">') == 2 * len(METHODS)
    page = (folder / "suites/one.html").read_text()
    assert page.count('<svg class="panel"') == page.count('<figure class="chart')
    assert "noscript" not in page
    style = (folder / "assets/site.css").read_text()
    hides = [rule for rule in re.findall(r"([^{}]*)\{[^{}]*display: none", style) if "nth-child" in rule]
    assert all("[data-scripted]" in rule for rule in hides)
