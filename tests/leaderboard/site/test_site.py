"""The pages of the site as files: their numbers, their links, what they never do."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest

from bench.records import Packed
from benchmarks.made_up import METHODS, SUITES, make_records, write_unsynced
from leaderboard.boards.board import Board, board_of_suite
from leaderboard.intake.source_card import parse_cards, read_built_in_cards
from leaderboard.report.formats import write_interval, write_mean
from leaderboard.report.table import tabulate
from leaderboard.site import write_site
from leaderboard.store import Problem, Store, StoreContents

HOSTILE = '<script>alert("x")</script>{{ 7*7 }}'
SCRIPTS = {"theme.js", "site.js", "search.js", "compare.js", "ranking.js", "choose.js", "tables.js", "charts.js", ""}
VOID = {"meta", "link", "img", "input", "line"}


@pytest.fixture
def site(tmp_path):
    def build(records, boards=(), **more):
        write_site(StoreContents(records, **more), boards, tmp_path / "out", "runs")
        return tmp_path / "out"

    return build


def pages(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.html")}


class Reader(HTMLParser):
    """Balance of tags, ids, links and scripts of a page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.scripts = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[key] for key in ("href", "src") if key in given]
        self.scripts += [given] if tag == "script" else []
        assert not any(key.startswith("on") for key in given)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_site_shows_the_numbers_of_the_table(site, three_methods):
    page = (site(three_methods) / "suites/toy.html").read_text()
    table = tabulate(board_of_suite("toy", three_methods), StoreContents(three_methods))
    for line in table.lines:
        cells = re.search(rf'<th scope="row"><a [^>]*><code>{line.method}</code>.*?</tr>', page, re.S)
        assert cells is not None
        for column, row in zip(table.columns, line.cells, strict=True):
            assert re.search(rf">\s*{re.escape(write_mean(column, row))}\s*<", cells[0])
            assert write_interval(column, row) in cells[0]
    assert "Everything stored of toy" in page


def test_the_overview_counts_ranks_and_draws(site, three_methods):
    folder = site(three_methods)
    assert "13 finished runs · 3 methods · 1 suite" in (folder / "index.html").read_text()
    page = (folder / "leaderboard.html").read_text()
    assert page.count('<i class="interval') == 2  # the reference does not differ from itself
    assert re.search(r'<i class="interval worse".*?>', page)
    table = tabulate(board_of_suite("toy", three_methods), StoreContents(three_methods))
    best = max(
        (each for each in table.results.standings.methods.values() if each.ranked), key=lambda each: each.change.mean
    )
    assert best.method == "single_task"
    page = (folder / "suites.html").read_text()
    assert "<code>single_task</code> leads; no other method could be the best." in page
    assert "Against <code>single_task</code>: 1 better, 1 worse." in page
    strip = re.search(r'<p class="strip".*?</p>', page, re.S)[0]
    zero = float(re.search(r'<b style="left:([\d.]+)%', strip)[1])
    dots = [(kind, float(left)) for kind, left in re.findall(r'<i class="(\w+)" style="left:([\d.]+)%', strip)]
    assert ("unclear", zero) in dots
    assert all((left < zero) == (kind == "better") for kind, left in dots if left != zero)  # less error on the left


def test_rows_are_in_the_order_of_ranks_with_what_has_none_below(site, make_record):
    gains = {"single_task": 0.0, "a": 2.0, "b": 1.0, "c": 3.0}
    seeds = {"single_task": 5, "a": 5, "b": 5, "c": 2}
    records = [
        make_record(method, seed, {"left": 90.0 + gain + seed / 10, "right": 80.0 + gain})
        for method, gain in gains.items()
        for seed in range(seeds[method])
    ]
    folder = site(records)
    order = ["a", "b", "single_task", "c"]
    for page in ("suites/toy.html", "leaderboard.html"):
        assert re.findall(r'<th scope="row"><a [^>]*><code>(\w+)<', (folder / page).read_text()) == order
    rows = re.findall(r"<tr.*?</tr>", (folder / "suites/toy.html").read_text(), re.S)[1:]
    assert [row.startswith('<tr class="best">') for row in rows] == [True, False, False, False]


def test_every_link_leads_somewhere_and_every_id_is_there_once(site, three_methods, make_record):
    more = make_record("soft+l2", 3, matrices={"omega": Packed.pack(np.eye(2))})
    folder = site([*three_methods, more, make_record("x`y", 1, failed=True), make_record(suite="b", seed=4)])
    read = {name: Reader(text) for name, text in pages(folder).items()}
    assert {"index.html", "suites/toy.html", "methods/soft-l2.html", f"runs/{more.run_id}.html"} <= set(read)
    for name, reader in read.items():
        assert len(reader.ids) == len(set(reader.ids))
        for link in reader.links:
            path, _, anchor = unquote(link).partition("#")
            if link.startswith("data:"):
                continue
            target = (folder / name).parent / path if path else folder / name
            assert target.is_file(), (name, link)
            key = target.resolve().relative_to(folder.resolve()).as_posix()
            view = anchor.startswith("?")  # what of a table is shown
            assert not anchor or view or anchor in read[key].ids, (name, link)


def test_files_beside_a_table_are_what_the_command_line_prints(site, three_methods):
    from leaderboard.report.formats import FORMATS, format_table

    folder = site(three_methods)
    board = board_of_suite("toy", three_methods).model_copy(update={"title": "Everything stored of toy"})
    for kind in FORMATS:
        (found,) = (folder / "data").glob(f"*.{kind}")
        assert found.read_text() == format_table(tabulate(board, StoreContents(three_methods)), kind)


def test_boards_of_two_versions_are_told_apart_and_each_has_its_own_protocol(site, make_record):
    runs = [
        make_record(method, seed, {"left": 90.0 + 2 * version}, version=version, changed={"lr": version / 10})
        for version in (1, 2)
        for method in ("single_task", "hard")
        for seed in range(2)
    ]
    board = board_of_suite("toy", runs[4:]).model_copy(update={"name": "two", "title": "Second", "protocol": 2})
    first = board.model_copy(update={"name": "one", "title": "First", "protocol": 1})
    folder = site(runs, [first, board])
    found = {}
    for path in sorted((folder / "suites").glob("*.html")):
        text = path.read_text()
        assert all(f">{title}</" in text for title in ("First", "Second"))  # tabs
        found[re.search("<h1>(.*?)</h1>", text)[1]] = text
    assert set(found) == {"First", "Second"}
    assert "<h1>Second</h1>" in (folder / "suites/toy.html").read_text()  # the suite's own address is the newer one's
    assert ("sgd at 0.1" in found["First"], "sgd at 0.2" in found["First"]) == (True, False)
    assert ("sgd at 0.1" in found["Second"], "sgd at 0.2" in found["Second"]) == (False, True)
    assert ("92.00" in found["First"], "94.00" in found["Second"]) == (True, True)


def test_runs_of_a_newer_version_than_the_boards_are_shown(site, make_record):
    runs = [make_record("single_task", seed, version=version) for version in (1, 2) for seed in range(2)]
    board = board_of_suite("toy", runs).model_copy(update={"title": "First", "protocol": 1})
    assert "Everything stored of toy" not in (site(runs[:2], [board]) / "suites/toy.html").read_text()
    assert "Everything stored of toy" in (site(runs, [board]) / "suites/toy.html").read_text()


def test_a_run_page_has_everything_about_the_run(site, make_record):
    record = make_record("hard", 7, overrides={"lr": 0.5}, changed={"lr": 0.5})
    page = (site([record]) / f"runs/{record.run_id}.html").read_text()
    assert "mtlbench run toy hard --seeds 7 --set lr=0.5" in page
    for text in (record.digest, record.spec.data, record.run_id, "steps_per_epoch", "sharing/x"):
        assert text in page
    for rule, tasks in record.scores.items():
        assert rule in page
        assert all(f"{value:.5g}" in page for metrics in tasks.values() for value in metrics.values())


def test_committed_boards_come_first_and_the_rest_of_the_store_after(site, three_methods, make_record):
    board = Board(name="mine", title="Mine", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-4")
    empty = board.model_copy(update={"title": "Nothing yet", "suite": "elsewhere"})
    folder = site([*three_methods, make_record(suite="aaa")], [empty, board])
    page = (folder / "suites/toy.html").read_text()
    assert "<h1>Mine</h1>" in page
    nav = re.search(r'class="tabs".*?</nav>', page, re.S)[0]
    tabs = re.findall(r'<a href="../(suites/[\w~.-]+)"[^>]*>(.*?)</a>', nav)
    assert tabs == [("suites/toy.html", "Mine"), ("suites/toy~stored-toy.html", "Everything stored of toy")]
    assert "<h1>Everything stored of toy</h1>" in (folder / tabs[1][0]).read_text()
    assert re.findall(r'<h3><a href="(suites/\w+.html)">', (folder / "suites.html").read_text()) == [
        "suites/toy.html",
        "suites/aaa.html",
    ]


def test_hostile_names_are_text_on_every_page(site, make_record):
    records = [make_record(seed=0), make_record(f"hard{HOSTILE}", 0, {"left": 94.0, "right": 91.0})]
    records.append(make_record("x`y", 1, failed=True))
    for name, page in pages(site(records)).items():
        assert "<script>alert" not in page
        for script in Reader(page).scripts:
            assert script.get("src", "").rpartition("/")[2] in SCRIPTS, name
            assert "src" in script or script["type"] == "application/json"
    assert any("{{ 7*7 }}" in page for page in pages(site(records)).values())


def test_nothing_is_fetched_from_anywhere(site, three_methods):
    folder = site(three_methods)
    for page in pages(folder).values():
        assert not re.search(r'(?:href|src)="(?:https?:|//)|@import|url\(', page)
        assert "default-src 'none'" in page
        assert "script-src 'self';" in page
    assert not re.search(r"https?:|@import|url\(", (folder / "assets/site.css").read_text())


def test_charts_are_drawn_with_labels_that_are_no_markup(site, make_record, drawn):
    records = [make_record(seed=seed) for seed in range(5)]
    records += [make_record(f"<b>{HOSTILE}", seed, {"left": 94.0 + seed / 10, "right": 91.0}) for seed in range(5)]
    page = (site(records) / "suites/toy.html").read_text()
    names = {name.partition("-")[0] for name in re.findall(r'<figure class="chart[^>]* id="(.*?)"', page)}
    assert {"forest", "tasks", "profile", "wins"} <= names
    charts = re.findall(r'<svg class="panel".*?</svg></svg>|<div class="plot">.*?</div>\s*</div>', page, re.S)
    assert len(charts) == len([figure for figure in drawn if f'id="{figure.name}"' in page])
    text = "".join(charts)
    assert "nan" not in text
    assert "&lt;b&gt;" in text
    shapes = {"svg", "g", "path", "circle", "text", "title", "a", "line", "rect", "div", "p", "span", "i"}
    assert set(re.findall(r"<(\w+)", text)) <= shapes


def test_two_builds_are_the_same_bytes_and_old_pages_go(tmp_path, three_methods, make_record):
    def tree(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    extra = make_record("gone", 1)
    write_site(StoreContents([*three_methods, extra]), [], tmp_path / "a", "runs")
    (tmp_path / "a/mine.txt").write_text("kept")
    write_site(StoreContents(three_methods), [], tmp_path / "a", "runs")
    write_site(StoreContents(three_methods), [], tmp_path / "b", "runs")
    assert (tmp_path / "a/mine.txt").read_text() == "kept"
    (tmp_path / "a/mine.txt").unlink()
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert not (tmp_path / "a/methods/gone.html").exists()


def test_processes_that_hash_differently_build_the_same_bytes(tmp_path, three_methods, make_record):
    store = Store(tmp_path / "store")
    learned = {
        "matrices": {"b": Packed.pack(np.eye(2)), "a": Packed.pack(np.eye(2))},
        "cosines": Packed.pack(np.eye(2)),
    }
    for record in [*three_methods, make_record("soft+l2", 3, environment={"z": "1", "y": "2"}, **learned)]:
        store.write(record)
    code = (
        "import sys; from pathlib import Path\n"
        "from leaderboard.site import write_site; from leaderboard.store import Store\n"
        "write_site(Store(Path(sys.argv[1])).read(), [], Path(sys.argv[2]), 'store')"
    )
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, str(store.root), str(tmp_path / seed)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
    files = [path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert len(files) > 20
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_no_page_grows_beyond_8_megabytes_with_ten_thousand_records(tmp_path):
    """A run costs a page about one method a line, and the overview nothing: the law behind the slow test below."""
    sizes = {}
    for seeds in (2, 5):
        records = list(make_records(seeds * 4, SUITES[:2], METHODS[:2]))
        assert len(records) == seeds * 4
        write_site(StoreContents(records), [], tmp_path / str(seeds), "runs")
        read = pages(tmp_path / str(seeds))
        sizes[seeds] = {name: len(page.encode()) for name, page in read.items() if not name.startswith("runs/")}
    growth = {name: (sizes[5][name] - size) / 3 for name, size in sizes[2].items()}  # for one more run of every cell
    assert abs(growth["index.html"]) < 100
    assert all(abs(grown) < 5_000 for name, grown in growth.items() if name.startswith("suites/"))
    a_line = max(growth[name] / 2 for name in growth if name.startswith("methods/"))
    assert 10_000 * a_line < 8 * 2**20


@pytest.mark.slow
def test_ten_thousand_records_are_a_site_of_small_pages(tmp_path):
    store = Store(tmp_path / "results")
    assert write_unsynced(store, make_records(10_000)) >= 10_000
    contents = store.read()
    assert contents.problems == []
    write_site(contents, [], tmp_path / "out", "results")
    names = list((tmp_path / "out").rglob("*.html"))
    assert len(names) > len(contents.records)
    assert max(path.stat().st_size for path in names) < 8 * 2**20


def test_panels_are_copied_when_they_are_pictures(tmp_path, make_record):
    store, record = Store(tmp_path / "store"), make_record()
    store.write(record)
    store.write_panels(record.spec, [b"\x89PNG\r\n\x1a\n and more", b"<script>"])
    write_site(store.read(), [], tmp_path / "out", "runs")
    assert [path.name for path in (tmp_path / "out/panels").iterdir()] == [f"{record.run_id}.0.png"]
    assert (tmp_path / f"out/runs/{record.run_id}.html").read_text().count("<img") == 1


def test_an_empty_store_says_what_to_run(site):
    folder = site([], problems=[Problem("a/b.json", ["too large"])])
    page = (folder / "index.html").read_text()
    assert "mtlbench reproduce demo" in page
    assert "a/b.json" in page
    assert "<table" not in page
    assert set(pages(folder)) == {"index.html", "search.html"}


def test_cards_are_read_without_running_anything():
    source = (
        'raise SystemExit("ran")\n@register("mine", paper="A, 2020", version=3)\nclass Mine:\n    """x = y."""\n'
        '@api.register("other")\nclass Other: pass\n@dataclass\nclass Not: pass\n'
    )
    mine, other = parse_cards(source)
    assert (mine.name, mine.paper, mine.version, mine.text) == ("mine", "A, 2020", 3, "x = y.")
    assert (other.name, other.paper, other.version, other.text) == ("other", "", 1, "")


def test_every_part_that_comes_with_the_project_has_a_card():
    from bench.catalogue.registry import list_entries

    cards = read_built_in_cards()
    for kind in ("sharing", "constraint", "weighting"):
        for name, entry in list_entries(kind).items():
            assert (cards[name].version, cards[name].paper) == (entry.version, entry.paper)
            assert cards[name].text
