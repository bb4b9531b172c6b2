"""What the CSV button saves, cell by cell, beside the JSON that lies next to the page."""

import csv
import json
import math
from pathlib import Path

import pytest

from leaderboard.boards.board import Board
from leaderboard.site import write_site
from leaderboard.store import StoreContents
from tests.browser.conftest import METHODS
from tests.leaderboard.conftest import build_record

CHANGES = {"delta_flat": "Δ flat % ↑", "delta_task": "Δ task % ↑"}
BOARD = ["method", "name", "error change % ↓", "error change interval", "vs single_task", "vs best", "rank"]
BOARD += ["left accuracy % ↑", "left accuracy 95 % interval", "right accuracy % ↑", "right accuracy 95 % interval"]
BOARD += ["Δ flat % ↑", "Δ task % ↑", "seeds"]
WORDS = {"undecided": "not told apart"}


def save(page, grid):
    """What the button of a table saves: the file's name, its header, and a dictionary for each row."""
    with page.expect_download() as download:
        page.locator(f"[data-grid='{grid}']").get_by_title("Save what is shown as CSV").click()
    with Path(download.value.path()).open(newline="", encoding="utf-8-sig") as file:
        header, *rows = csv.reader(file)
    return download.value.suggested_filename, header, [dict(zip(header, row, strict=True)) for row in rows]


def write_percent(change):
    """A change in log error as the page has it: per cent of error, with its sign."""
    text = f"{100 * math.expm1(-change):z.1f}"
    return f"+{text}" if float(text) > 0 else text


def numbers(content, method):
    """column -> text of everything that the JSON of a board says of a method."""
    found = {}
    (standing,) = (each for each in content["statistics"] if each["method"] == method)
    for row in content["rows"]:
        if row["method"] != method:
            continue
        if row["metric"] == "delta_log":
            found["error change % ↓"] = write_percent(row["mean"])
        elif row["metric"] in CHANGES:
            plus = "+" if round(row["mean"], 2) > 0 else ""
            found[CHANGES[row["metric"]]] = plus + f"{row['mean']:z.2f}"
        else:
            found[f"{row['task']} accuracy % ↑"] = f"{row['mean']:.2f}"
            found[f"{row['task']} accuracy 95 % interval"] = f"[{row['ci_low']:.2f}, {row['ci_high']:.2f}]"
    test = standing["contrasts"].get("reference")
    ends = [write_percent(test[f"corrected_{end}"]) for end in ("high", "low")] if test else []
    found["error change interval"] = f"[{', '.join(ends)}]" if test else ""
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
        for kind, column in (("reference", "vs single_task"), ("best", "vs best")):
            verdict = standing["contrasts"].get(kind, {}).get("verdict", "leads" if kind == "best" else "—")
            assert row[column] == WORDS.get(verdict, verdict)
        assert row["seeds"] == "5/5"
        assert row["name"] == ""


def test_the_overview_tells_methods_suites_and_tracks_apart(visit, site):
    page = visit("leaderboard.html")
    page.get_by_text("Show all").evaluate_all("all => all.forEach((each) => each.click())")
    name, header, rows = save(page, "overview")
    assert name == "overview.csv"
    assert header[:4] == ["method", "suite", "track", "error change % ↓"]
    files = {"toy": "toy", "other": "stored-other"}
    assert {(row["method"], row["suite"]) for row in rows} == {(method, suite) for method in METHODS for suite in files}
    for row in rows:
        expected, _ = numbers(json.loads((site / f"data/{files[row['suite']]}.json").read_text()), row["method"])
        for column in ("error change % ↓", "error change interval"):
            assert row[column].removesuffix(" *") == expected[column]
        assert row["track"] == "as they come"


def test_what_is_left_out_of_view_is_left_out_of_the_file_and_runs_keep_their_metrics(visit):
    page = visit("suites/toy.html")
    page.get_by_role("searchbox", name="Search", exact=True).fill("soft")
    _, _, rows = save(page, "board")
    assert {row["method"] for row in rows} == {name for name in METHODS if "soft" in name}
    name, header, runs = save(visit("methods/mtan~toy.html"), "runs")
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
