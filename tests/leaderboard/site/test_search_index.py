"""What the search finds, and the page that ranks over suites: made from what the site has, and from nothing else."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.records import ResultRecord
from leaderboard.site import write_site
from leaderboard.store import StoreContents

HOSTILE = '</script><script>alert("x")</script>'
SUITES = ("multidigits", "multimnist", "scenes", "school", "progression", "transfer")


@pytest.fixture
def records(make_record: Callable[..., ResultRecord]) -> list[ResultRecord]:
    """`hard` gains on six suites, `cross_stitch` was run on two, and `mmoe` on one."""
    gains = {"single_task": 0.0, "hard": 3.0, "cross_stitch": 1.0, "mmoe": 2.0}
    ran = {"single_task": SUITES, "hard": SUITES, "cross_stitch": SUITES[:2], "mmoe": SUITES[:1]}
    return [
        make_record(method, seed, {"left": 80.0 + seed / 10 + gain + len(suite) / 20}, suite=suite)
        for method, gain in gains.items()
        for suite in ran[method]
        for seed in range(3)
    ]


def build(records: list[ResultRecord], folder: Path) -> Path:
    return write_site(StoreContents(records), [], folder / "out", "runs").parent


def read_index(folder: Path) -> list[list[str]]:
    """The entries as a browser has them."""
    text = (folder / "assets/search_index.js").read_text()
    rows: list[list[str]] = json.loads(text.removeprefix("window.mtlbenchIndex = ").removesuffix(";\n"))
    return rows


def test_everything_that_is_found_is_there(records: list[ResultRecord], tmp_path: Path) -> None:
    folder = build(records, tmp_path)
    rows = read_index(folder)
    for kind, title, href, _ in rows:
        path, _, anchor = href.partition("#")
        assert (folder / path).is_file(), (kind, title, href)
        assert not anchor or anchor.startswith("?") or f'id="{anchor}"' in (folder / path).read_text(), href
    kinds = {kind: {title for of, title, _, _ in rows if of == kind} for kind in ("method", "suite", "page")}
    assert kinds["method"] >= {"Hard sharing (hard)", "Cross-stitch networks (cross_stitch)"}
    assert "Two overlapping digits, 8 x 8 (multidigits)" in kinds["suite"]
    assert {"Compare two methods", "Ranking over suites"} <= kinds["page"]
    assert "Choose a method" not in kinds["page"]  # nobody's choices: there is no such page
    page = (folder / "search.html").read_text()
    assert all(f'<a href="{href}">' in page for _, _, href, _ in rows if "+" not in href)


@pytest.mark.parametrize(
    ("word", "title"),
    [
        ("Misra", "Cross-stitch networks (cross_stitch)"),
        ("shared bottom", "Hard sharing (hard)"),
        ("stitched networks", "Cross-stitch networks (cross_stitch)"),
        ("gating", "Multi-gate mixture of experts (MMoE) (mmoe)"),
    ],
)
def test_words_lead_to_what_they_mean(records: list[ResultRecord], tmp_path: Path, word: str, title: str) -> None:
    found = [title for _, title, _, words in read_index(build(records, tmp_path)) if word in words]
    assert title in found


def test_the_index_is_light_and_no_name_ends_its_script(
    make_record: Callable[..., ResultRecord], tmp_path: Path
) -> None:
    folder = build([make_record(f"hard{HOSTILE}", seed) for seed in range(3)], tmp_path)
    text = (folder / "assets/search_index.js").read_text()
    assert "</script>" not in text
    assert len(text) < 20_000
    assert "search_index.js" not in (folder / "index.html").read_text()  # loaded when somebody begins to search


def test_questions_are_asked_where_a_page_answers_them(records: list[ResultRecord], tmp_path: Path) -> None:
    page = (build(records, tmp_path) / "index.html").read_text()
    assert "What people ask" in page
    asked = re.findall(r'<li><a href="([^"]+)">([^<]+\?)</a></li>', page)
    assert ("compare/hard.html#single_task", "Is hard sharing worse than separate models on two digits?") in asked
    assert all("dense" not in text for _, text in asked)  # no choices, no answer


def test_the_ranking_has_blocks_and_shows_what_is_missing(records: list[ResultRecord], tmp_path: Path) -> None:
    page = (build(records, tmp_path) / "ranking.html").read_text()
    first = page[page.index('id="all/all"') :]
    blocks = re.findall(r"<summary>(.*?)</summary>", first[: first.index("</section>")])
    assert blocks == ["2 methods over 6 suites", "3 methods over 2 suites"]
    rows = re.findall(r'<th scope="row"><a href="[^"]+"><code>(\w+)</code></a></th>(.*?)</tr>', first)
    assert [name for name, _ in rows[:2]] == ["hard", "single_task"]
    assert "better" in rows[0][1]
    assert re.search(r"<td>-\d+\.\d % \[-\d+\.\d, -\d+\.\d\]</td>", rows[0][1])
    assert "Too few suites for an interval" in first
    matrix = page[page.index("what is missing</h2>") :]
    cells = dict(re.findall(r"<code>(\w+)</code></a><small>(\d of 6) suites</small>", matrix))
    assert cells == {"cross_stitch": "2 of 6", "hard": "6 of 6", "single_task": "6 of 6"}  # mmoe: one suite only
    assert matrix.count('<td class="cell none">') == 4
