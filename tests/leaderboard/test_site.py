import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from leaderboard.board import Board, board_of_suite
from leaderboard.site import write_site
from leaderboard.site.forest import nice_ticks
from leaderboard.store import Problem, StoreContents
from leaderboard.table import rows
from leaderboard.wide import wide

HOSTILE = '<script>alert("x")</script>{{ 7*7 }}'


def _site(tmp_path, records, boards=()):
    return write_site(StoreContents(records), boards, tmp_path / "out", "runs").read_text()


def test_the_site_shows_the_numbers_of_the_table(tmp_path, three_methods):
    page = _site(tmp_path, three_methods)
    laid = wide(rows(board_of_suite("toy", three_methods), StoreContents(three_methods)))
    for line in laid.lines:
        cells = re.search(rf'<th scope="row" data-order="{line.method}">.*?</tr>', page, re.S)
        assert cells is not None
        for column, row in zip(laid.columns, line.cells, strict=True):
            assert f">{column.mean(row)}<" in cells[0]
            assert column.interval(row) in cells[0]
    assert "Everything stored of toy" in page
    assert "15" not in re.findall(r"(\d+) finished", page)
    assert re.findall(r"(\d+) finished", page) == ["13"]


def test_committed_boards_come_first_and_the_rest_of_the_store_after(tmp_path, three_methods, make_record):
    board = Board(name="mine", title="Mine", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-4")
    empty = board.model_copy(update={"title": "Nothing yet", "suite": "elsewhere"})
    titles = re.findall(r"<h2>(.*?)</h2>", _site(tmp_path, [*three_methods, make_record(suite="aaa")], [empty, board]))
    assert titles == ["Mine", "Everything stored of aaa", "Everything stored of toy"]


def test_hostile_names_are_text(tmp_path, make_record):
    records = [make_record(seed=0), make_record(f"hard{HOSTILE}", 0, {"left": 94.0, "right": 91.0})]
    records.append(make_record("x`y", 1, failed=True))
    page = _site(tmp_path, records)
    assert "<script>alert" not in page
    assert "{{ 7*7 }}" in page
    assert page.count("<script") == 1
    assert page.count("&lt;script&gt;") >= 2  # in the table and in the plot


def test_nothing_is_fetched(tmp_path, three_methods):
    page = _site(tmp_path, three_methods)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|<img|src=", page)
    assert "default-src 'none'" in page


def test_tags_are_balanced(tmp_path, three_methods):
    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "line", "circle"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

        def handle_startendtag(self, tag, attrs):
            pass

    checker = Balance()
    checker.feed(_site(tmp_path, three_methods))
    assert checker.open == []


def test_the_forest_is_xml_with_a_mark_per_method_and_the_right_colours(tmp_path, three_methods):
    svg = re.search(r"<svg.*?</svg>", _site(tmp_path, three_methods), re.S)
    assert svg is not None
    tree = ElementTree.fromstring(svg[0])
    marks = {group.find("text").text: group for group in tree.iter("g")}
    assert {name: group.get("class") for name, group in marks.items()} == {
        "hard": "worse",
        "cross_stitch · incomplete (3/5) †": "better incomplete",
    }

    def at(element, key):
        return float(element.get(key).rstrip("%"))

    zero = at(next(line for line in tree.iter("line") if line.get("class") == "zero"), "x1")
    for name, group in marks.items():
        low, mean, high = at(group.find("line"), "x1"), at(group.find("circle"), "cx"), at(group.find("line"), "x2")
        assert 0 <= low < mean < high <= 100
        assert (mean < zero) == (name == "hard")


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (-0.183, 0.046), (0.0, 1e-6), (-3.0, 0.0), (-0.9, 1.1)])
def test_ticks_are_few_round_and_enclose(low, high):
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= low + 1e-12
    assert ticks[-1] >= high - 1e-12
    assert any(abs(tick) < 1e-12 for tick in ticks)


def test_an_empty_store_says_what_to_run(tmp_path):
    path = write_site(StoreContents([], [Problem("a/b.json", ["too large"])]), [], tmp_path / "out", "runs")
    page = path.read_text()
    assert "mtlbench reproduce demo" in page
    assert "a/b.json" in page
    assert "<table" not in page
    assert [item.name for item in path.parent.iterdir()] == ["index.html"]
