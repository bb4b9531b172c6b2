"""Pages that compare two methods: the numbers of `mtlbench compare`, every pair both ways round, and no dead link."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bench.cli.main import main
from bench.records import ResultRecord
from bench.records.record import Cost
from leaderboard.analysis.curves import CurvePoint, CurveSummary
from leaderboard.analysis.statistics import Interval
from leaderboard.boards.curves import SettingCurve
from leaderboard.site import write_site
from leaderboard.site.pair_curves import draw_pair_curve
from leaderboard.store import Store, StoreContents
from tests.leaderboard.conftest import build_record

# Accuracy in points on top of 80 and the seed's own.
GAINS = {"single_task": 0.0, "hard": -2.0, "mmoe": 1.0, "cross_stitch": 0.3, "soft+l2": 0.31}
PARAMETERS = {"single_task": 200, "hard": 100, "mmoe": 210, "cross_stitch": 202, "soft+l2": 200}
NOISE = {"cross_stitch": [2.0, -2.0, 1.0, -1.0, 0.5]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five methods on two suites, and on a third one of them alone with the reference."""
    folder = tmp_path_factory.mktemp("compare") / "runs"
    for suite, methods in (("toy", GAINS), ("other", GAINS), ("third", ["single_task", "hard"])):
        for method in methods:
            for seed in range(5):
                noise = NOISE.get(method, [0.0] * 5)[seed]
                values = {"left": 80.0 + seed / 10 + GAINS[method] + noise, "right": 90.0 + GAINS[method] / 2}
                cost = Cost(
                    parameters=PARAMETERS[method],
                    forward_flops=10 * PARAMETERS[method],
                    step_ms=1.0,
                    train_seconds=2.0,
                    peak_memory_mb=1.0,
                    hardware="cpu",
                )
                Store(folder).write(build_record(method, seed, values, suite=suite, cost=cost))
    return folder


@pytest.fixture(scope="module")
def folder(store: Path) -> Path:
    """The site of that store."""
    write_site(Store(store).read(), [], store.parent / "out", "runs")
    return store.parent / "out"


def read_rows(page: str, other: str) -> list[tuple[str, ...]]:
    """(suite, error change, verdict, seeds, parameters, FLOPs) of every line against `other`."""
    section = re.search(rf'<details class="versus">(?:(?!</details>).)*?id="{other}".*?</details>', page, re.S)
    assert section
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", section[0], re.S)
    found = []
    for first, rest in rows:
        suite = re.sub(r"<small>.*?</small>|<[^>]+>", "", first)
        cells = [html.unescape(each) for each in re.findall(r"<td[^>]*>(.*?)</td>", rest)]
        found.append((suite, *cells[:5]))
    return found


@pytest.mark.parametrize(
    ("one", "two"), [("hard", "single_task"), ("single_task", "hard"), ("cross_stitch", "mmoe"), ("soft+l2", "hard")]
)
def test_pages_have_the_numbers_of_the_command(
    store: Path, folder: Path, capsys: pytest.CaptureFixture[str], one: str, two: str
) -> None:
    assert main(["compare", one, two, "--store", str(store), "--format", "md"]) == 0
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    printed = [tuple(cell.replace("\\", "") for cell in line[1:]) for line in lines[2:]]
    page = (folder / f"compare/{one.replace('+', '-')}.html").read_text()
    shown = read_rows(page, two.replace("+", "-"))
    assert len(shown) == (3 if {one, two} == {"hard", "single_task"} else 2)
    assert sorted(shown) == sorted(printed)
    assert {row[4] for row in shown} == {f"{PARAMETERS[one] / PARAMETERS[two]:.2f}x"}


def test_summaries_count_the_verdicts(folder: Path) -> None:
    page = (folder / "compare/hard.html").read_text()
    assert re.search(r"<code>single_task</code>.*?worse on 3 of 3 boards", page)
    assert page.index('id="single_task"') < page.index('id="mmoe"')  # most boards first
    page = (folder / "compare/cross_stitch.html").read_text()
    assert re.search(r"<code>mmoe</code>.*?not told apart on 2 of 2 boards", page)


def test_menus_offer_every_pair_that_a_page_has(folder: Path) -> None:
    page = (folder / "compare.html").read_text()
    stems = re.findall(r'<option value="([^"]+)">', page)
    rivals = re.search(r'<script type="application/json">\[(.*)\]</script>', page)
    assert rivals
    lists = [[int(number) for number in each.split(",")] for each in re.findall(r"\[([\d,]+)\]", rivals[1])]
    assert stems == sorted(stems, key=lambda stem: stem.replace("-", "+"))
    for stem, places in zip(stems, lists, strict=True):
        anchors = re.findall(r'<div class="at" id="([^"]+)">', (folder / f"compare/{stem}.html").read_text())
        assert sorted(stems[place] for place in places) == sorted(anchors)


def test_a_site_without_a_pair_says_so(make_record: Callable[..., ResultRecord], tmp_path: Path) -> None:
    write_site(StoreContents([make_record()]), [], tmp_path / "out", "runs")
    assert "No two methods of this store share a board" in (tmp_path / "out/compare.html").read_text()
    assert not (tmp_path / "out/compare").exists()


def make_curve(method: str, errors: dict[float, float], chosen: float | None) -> CurveSummary:
    """A curve with these test errors; its runs are not looked at."""
    points = [
        CurvePoint(value, Interval(error, None, None, 1), Interval(error, None, None, 1), 1, 0)
        for value, error in errors.items()
    ]
    curve = cast(SettingCurve, SimpleNamespace(method=method, setting="lr", chosen=chosen))
    return CurveSummary(curve, points)


def test_two_curves_share_their_scales() -> None:
    one = make_curve("hard", {0.01: 0.1, 0.1: 0.4, 1.0: 0.2}, 0.01)
    two = make_curve("mmoe", {0.1: 0.2}, 0.1)
    drawn = draw_pair_curve(one, two)
    assert drawn is not None
    # The least error lies at the bottom, the largest at the top, and equal logarithmic steps are as far apart.
    assert drawn.lines == ("5,41 75,5 145,23", "75,23")
    assert drawn.marks == (("5", "41"), ("75", "23"))
    assert drawn.text == "test error by lr: chosen by validation hard 0.01 (test error 0.1), mmoe 0.1 (test error 0.2)"
    unknown = make_curve("mmoe", {0.1: float("nan")}, None)
    assert draw_pair_curve(one, unknown) is None
