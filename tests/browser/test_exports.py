"""What the CSV button saves, cell by cell, beside the JSON that lies next to the page."""

import csv
import json
from pathlib import Path

import pytest

from leaderboard.boards.board import Board
from leaderboard.site import write_site
from leaderboard.store import StoreContents
from tests.browser.conftest import METHODS
from tests.leaderboard.conftest import build_record

CHANGES = {"delta_log": ("Δ log ↑", "Δ log", 3), "delta_flat": ("Δ flat % ↑", "Δ flat", 2)}
CHANGES |= {"delta_task": ("Δ task % ↑", "Δ task", 2)}
BOARD = ["method", "name", "Δ log ↑", "Δ log 95 % interval", "rank", "rank 95 % interval", "ties"]
BOARD += ["verdict vs single_task", "verdict against others"]
BOARD += ["left accuracy % ↑", "left accuracy 95 % interval", "right accuracy % ↑", "right accuracy 95 % interval"]
BOARD += ["Δ flat % ↑", "Δ flat 95 % interval", "Δ task % ↑", "Δ task 95 % interval", "seeds"]


def save(page, grid):
    """What the button of a table saves: the file's name, its header, and a dictionary for each row."""
    with page.expect_download() as download:
        page.locator(f"[data-grid='{grid}']").get_by_title("Save what is shown as CSV").click()
    with Path(download.value.path()).open(newline="", encoding="utf-8-sig") as file:
        header, *rows = csv.reader(file)
    return download.value.suggested_filename, header, [dict(zip(header, row, strict=True)) for row in rows]


def numbers(content, method):
    """column -> text of everything that the JSON of a board says of a method."""
    found = {}
    for row in content["rows"]:
        if row["method"] != method:
            continue
        change = row["metric"] in CHANGES
        column, short, decimals = CHANGES.get(
            row["metric"], (f"{row['task']} accuracy % ↑", f"{row['task']} accuracy", 2)
        )
        plus = "+" if change and round(row["mean"], decimals) > 0 else ""
        found[column] = plus + f"{row['mean']:z.{decimals}f}"
        own = change and method == content["reference"]
        ends = [f"{end:z.{decimals}f}" for end in (row["ci_low"], row["ci_high"])]
        ends = [f"+{end}" if change and float(end) > 0 else end for end in ends]
        found[f"{short} 95 % interval"] = "" if own else f"[{', '.join(ends)}]"
    (standing,) = (each for each in content["statistics"] if each["method"] == method)
    return found, standing


def test_every_cell_of_a_board_is_that_of_its_json_under_its_own_name(visit, site):
    content = json.loads((site / "data/toy.json").read_text())
    name, header, rows = save(visit("suites/toy.html"), "board")
    assert name == "toy.csv"
    assert header == BOARD
    assert {row["method"] for row in rows} == set(METHODS)
    for row in rows:
        expected, standing = numbers(content, row["method"])
        assert set(expected) <= set(header)
        for column, text in expected.items():
            assert row[column].removesuffix(" *") == text, (row["method"], column)
        assert float(row["rank"]) == standing["rank"]
        low, high = standing["rank_low"], standing["rank_high"]
        assert row["rank 95 % interval"] == ("" if low is None else f"[{low:g}, {high:g}]")
        assert row["ties"] == standing["tie_groups"]
        reference = standing["contrasts"].get("reference")
        assert row["verdict vs single_task"] == (reference["verdict"] if reference else "—")
        assert row["seeds"] == "5/5"
        assert row["name"] == ""


def test_the_overview_tells_methods_suites_and_tracks_apart(visit, site):
    page = visit("index.html")
    page.get_by_text("Show all").evaluate_all("all => all.forEach((each) => each.click())")
    name, header, rows = save(page, "overview")
    assert name == "overview.csv"
    assert header[:4] == ["method", "suite", "track", "Δ log ↑"]
    files = {"toy": "toy", "other": "stored-other"}
    assert {(row["method"], row["suite"]) for row in rows} == {(method, suite) for method in METHODS for suite in files}
    for row in rows:
        expected, _ = numbers(json.loads((site / f"data/{files[row['suite']]}.json").read_text()), row["method"])
        for column in ("Δ log ↑", "Δ log 95 % interval", "Δ flat % ↑", "Δ task % ↑", "Δ task 95 % interval"):
            assert row[column].removesuffix(" *") == expected[column]
        assert row["track"] == "as they come"


def test_what_is_left_out_of_view_is_left_out_of_the_file_and_runs_keep_their_metrics(visit):
    page = visit("suites/toy.html")
    page.get_by_label("Search").first.fill("soft")
    _, _, rows = save(page, "board")
    assert {row["method"] for row in rows} == {name for name in METHODS if "soft" in name}
    name, header, runs = save(visit("methods/mtan.html"), "runs-on-toy")
    assert name == "mtan-toy.csv"
    assert header[:4] == ["run", "seed", "left accuracy % ↑", "right accuracy % ↑"]
    assert [run["left accuracy % ↑"] for run in runs] == [f"{93 + 0.1 * ((s * 7 + 15) % 5):.2f}" for s in range(5)]


@pytest.mark.parametrize(("label", "saved"), [("=1+1", "'=1+1"), ("-x", "'-x"), ("@a", "'@a"), ("plain", "plain")])
def test_no_cell_is_a_formula(visit, tmp_path, label, saved):
    board = Board(
        name="toy", title="T", version=1, suite="toy", methods=["single_task"], seeds="0", labels={"single_task": label}
    )
    write_site(StoreContents([build_record()]), [board], tmp_path / "out", "runs")
    _, _, [row] = save(visit("suites/toy.html", folder=tmp_path / "out"), "board")
    assert (row["method"], row["name"]) == (saved, "" if label == "single_task" else "single_task")
