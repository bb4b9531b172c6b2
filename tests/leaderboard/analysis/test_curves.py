"""The numbers of a curve, and where they are shown: a table's details and a page of the site."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.records import ResultRecord
from leaderboard.analysis.curves import average_test_error, find_curves, summarise_curve
from leaderboard.boards.board import Board
from leaderboard.boards.curves import curve_of_runs
from leaderboard.report.curves import curve_as_json, write_curves
from leaderboard.site import write_site
from leaderboard.site.view import Figure
from leaderboard.store import Store, StoreContents
from tests.leaderboard.boards.test_curves import path, point

Make = Callable[..., ResultRecord]
BOARD = Board(name="toy", title="Toy", version=1, suite="toy", methods=["hard", "single_task"], seeds="0-1")


@pytest.fixture
def store(make_record: Make) -> list[ResultRecord]:
    """`hard` is best inside, `single_task` at the upper edge; plain runs stand on the board."""
    return [
        *path(make_record, "hard", {0.01: 0.3, 0.02: 0.1, 0.04: 0.2}),
        *path(make_record, "single_task", {0.01: 0.3, 0.02: 0.2, 0.04: 0.1}),
        *(make_record(method, seed) for method in BOARD.methods for seed in (0, 1)),
    ]


def test_errors_are_geometric_means_with_intervals_over_seeds(make_record: Make) -> None:
    runs = [
        point(make_record, "hard", lr, seed, 0.1 * (seed + 1), test=90.0 - seed)
        for lr in (0.01, 0.02, 0.04)
        for seed in range(3)
    ]
    [curve] = find_curves(runs)
    for own in curve.points:
        assert own.validation.mean == pytest.approx((0.1 * 0.2 * 0.3) ** (1 / 3))
        assert own.test.mean == pytest.approx((0.10 * 0.11 * 0.12) ** (1 / 3))
        logs = np.log([0.10, 0.11, 0.12])
        half = 4.302652729 * logs.std(ddof=1) / math.sqrt(3)  # t at 97.5 % with two degrees of freedom
        assert own.test.low == pytest.approx(math.exp(logs.mean() - half))
        assert (own.seeds, own.failed) == (3, 0)


def test_a_failed_run_is_counted_and_leaves_no_number(make_record: Make) -> None:
    runs = path(make_record, "hard", {0.01: 0.3, 0.02: 0.2, 0.04: None})
    [curve] = find_curves(runs)
    assert (curve.points[2].seeds, curve.points[2].failed) == (0, 3)
    assert math.isnan(curve.points[2].test.mean)
    assert math.isnan(average_test_error([]).mean)
    assert "3 failed" in write_curves([curve])
    assert json.loads(json.dumps(curve_as_json(curve)))["points"][2]["test"]["mean"] is None


def test_of_one_value_nothing_is_chosen(store: list[ResultRecord]) -> None:
    """No edge of a grid is spoken of where there is no grid; "chosen" stands in the two notes and marks no value."""
    alone = curve_of_runs([run for run in store if run.spec.overrides and run.method == "hard"][:1], "lr")
    assert alone
    text = " ".join(write_curves([summarise_curve(alone)]).split())
    assert "Nothing is chosen from one value, lr=0.01; `--over` takes several." in text
    assert "edge" not in text
    assert [word for word in write_curves([summarise_curve(alone)]).split() if word == "chosen"] == ["chosen"] * 2


def test_details_of_a_table_have_the_curves_of_its_suite(
    store: list[ResultRecord], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for record in store:
        Store(tmp_path).write(record)
    assert main(["table", "toy", "--store", str(tmp_path), "--details", "--format", "md"]) == 0
    out = capsys.readouterr().out
    assert "### toy: errors over lr" in out
    rows = [line for line in out.splitlines() if line.endswith("| chosen |")]
    assert [row.split(" | ")[:2] for row in rows] == [["| hard", "0.02"], ["| single\\_task", "0.04"]]
    assert "The best lr of `single_task` lies at the edge of its grid, lr=0.04; try lr=0.08." in out
    assert main(["table", "toy", "--store", str(tmp_path), "--format", "md"]) == 0
    assert "errors over lr" not in capsys.readouterr().out


def test_the_page_of_a_suite_draws_a_line_and_a_band_for_each_method(
    store: list[ResultRecord], tmp_path: Path, drawn: list[Figure]
) -> None:
    write_site(StoreContents(store), [BOARD], tmp_path, "runs")
    page = (tmp_path / "suites/toy.html").read_text()
    [figure] = [each for each in drawn if each.name.startswith("curve-")]
    lines = [trace for trace in figure.traces if trace["mode"] == "lines+markers"]
    assert [(line["name"], line["panel"]) for line in lines] == [
        ("hard", 0),
        ("hard", 1),
        ("single_task", 0),
        ("single_task", 1),
    ]
    marked = {line["name"]: line["x"][int(np.argmax(line["marker"]["size"]))] for line in lines}
    assert marked == {"hard": 0.02, "single_task": 0.04}
    assert lines[0]["y"] == pytest.approx([0.3, 0.1, 0.2], rel=1e-5)
    assert page.count('<path class="bd ') == sum(trace.get("fill") == "tonexty" for trace in figure.traces) == 4
    assert "mtlbench curve toy hard --over lr=0.01/0.02/0.04 --seeds 0,1,2" in page


def test_a_site_without_curves_has_none(make_record: Make, tmp_path: Path) -> None:
    write_site(StoreContents([make_record("hard", seed) for seed in (0, 1)]), [BOARD], tmp_path, "runs")
    assert "mtlbench curve" not in (tmp_path / "suites/toy.html").read_text()
