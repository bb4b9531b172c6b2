"""The site in a real browser, from disk and without a network: every page, what can be done on it, who can use it."""

import csv
import os
import re
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bench.records import Packed
from bench.records.record import Curves
from benchmarks.screenshots import PHONE, WIDE, browser, settle
from leaderboard.board import Board
from leaderboard.site import write_site
from leaderboard.store import Store
from tests.leaderboard.conftest import build_record

SCRIPT = '"><img src=x onerror="window.ran=1"><script>window.ran=1</script>'
METHODS = {"single_task": 0.0, "hard": -1.0, "cross_stitch": 1.0, "soft+l2": 0.5, "lora": 0.2, "mtan": -2.0}
METHODS |= {f"soft+l2:halflife={value}": value / 100 for value in (1.0, 10.0, 100.0)}


@pytest.fixture(scope="module")
def chromium():
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        if os.environ.get("MTLBENCH_BROWSER") == "required":
            pytest.fail("There should be a Chromium.")
        pytest.skip("no Chromium on this machine")
    with browser() as found:
        yield found


def records(suite="toy", script=""):
    for number, (method, gain) in enumerate(METHODS.items()):
        for seed in range(5):
            noise = 0.1 * ((seed * 7 + number * 3) % 5)
            extra = {
                "matrices": {f"stitch.0{script}": Packed.pack(np.eye(2))},
                "cosines": Packed.pack(np.array([[1, 0.3], [0.3, 1]])),
                "effective_sharing": {f"0.weight{script}": 0.6, "1.weight": 0.9},
                "curves": Curves(
                    train_loss={"left": [1.0, 0.5, 0.2], "right": [1.0, 0.6, None]},
                    val={"left": {"accuracy": [80.0, 90.0, 92.0]}, "right": {"accuracy": [70.0, 85.0, 88.0]}},
                ),
                "environment": {"python": f"3.11{script}"},
                "created": f"2026{script}",
            }
            values = {f"left{script}": 95 + gain + noise, "right": 90 + gain - noise}
            yield build_record(method + script, seed, values, suite=suite, **extra)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two suites, one of them with a committed board, a failed run and a picture."""
    folder = tmp_path_factory.mktemp("site")
    store = Store(folder / "results")
    for record in [*records(), *records("other"), build_record("mmoe", 0, failed=True)]:
        path = store.path(record.spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json())
    contents = store.read()
    assert contents.problems == []
    board = Board(name="toy", title="Toy board", version=1, suite="toy", methods=list(METHODS), seeds="0-4")
    write_site(contents, [board], folder / "out", "results")
    return folder / "out"


@pytest.fixture
def visit(chromium, site):
    """Opens a page; whatever it says on the console, raises or fetches from elsewhere is a failure at the end."""
    contexts, said = [], []

    def go(name, window=WIDE, theme="light", folder=site, anchor=""):
        context = chromium.new_context(
            viewport={"width": window[0], "height": window[1]}, color_scheme=theme, offline=True, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else said.append(r.url))
        page.goto((folder / name).as_uri() + anchor)
        settle(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert said == []


@cache
def pages(folder: Path) -> list[str]:
    """One page of each kind, and of runs one that is done and one that failed."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    failed = [name for name in names if "<h2>Failed</h2>" in (folder / name).read_text()]
    kinds = {name.rpartition("/")[0] or name: name for name in reversed(names) if name not in failed}
    return [*kinds.values(), *failed]


def through(page):
    """Scroll over the whole page, so that every chart is drawn."""
    for y in range(0, page.evaluate("document.documentElement.scrollHeight"), 800):
        page.evaluate(f"scrollTo(0, {y})")
        settle(page)


def test_every_page_loads_without_a_word_and_draws_every_chart(visit, site):
    for name in pages(site):
        page = visit(name)
        through(page)
        plots = page.locator(".plot")
        assert plots.count() == page.locator(".plot .main-svg:first-child").count(), name
        page.close()


def test_nothing_serious_stands_in_the_way_of_anybody(visit, site):
    from axe_playwright_python.sync_playwright import Axe

    for name in pages(site):
        page = visit(name)
        through(page)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            found = Axe().run(page, options={"preload": False}).response["violations"]
            serious = [v for v in found if v["impact"] in ("serious", "critical")]
            assert [(name, theme, v["id"], v["nodes"][0]["html"]) for v in serious] == []
        page.close()


def test_pages_fit_a_phone(visit, site):
    for name in pages(site):
        page = visit(name, PHONE)
        through(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], name
        page.close()


def first_column(page, grid):
    return page.locator(f"[data-grid='{grid}'] tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.textContent.trim()))"
    )


def test_tables_sort_best_first_with_missing_numbers_last(visit):
    page = visit("suites/toy.html")
    grid = page.locator(".grid").first
    name = grid.get_attribute("data-grid")
    at = grid.locator("thead th").evaluate_all("heads => heads.findIndex((head) => head.dataset.name === 'Δ log')")
    head = grid.locator("thead th").nth(at)
    for sign, way in ((-1, "descending"), (1, "ascending")):
        head.locator(".dt-column-order").click()
        page.wait_for_selector(f"thead th[aria-sort={way}]")
        assert head.get_attribute("aria-sort") == way
        values = [float(re.match(r"[+-]?[\d.]+", row[at])[0]) for row in first_column(page, name)]
        assert values == sorted(values, key=lambda value: sign * value)
    overview = visit("index.html")
    head = overview.locator("thead th", has_text="worst task")
    at = overview.locator("thead th").evaluate_all("h => h.findIndex((e) => e.dataset.name === 'worst task')")
    for way in ("descending", "ascending"):
        head.locator(".dt-column-order").click()
        overview.wait_for_selector(f"thead th[aria-sort={way}]")
        texts = [row[at] for row in first_column(overview, "overview")]
        missing = [text.startswith("—") for text in texts]
        assert any(missing)
        assert missing == sorted(missing)


def test_search_choice_and_order_live_in_the_url(visit, site):
    page = visit("index.html")
    page.get_by_label("Search").fill("stitch")
    page.get_by_label("Show only one suite").select_option("toy")
    rows = first_column(page, "overview")
    assert {(row[0], row[1]) for row in rows} == {("toy", "cross_stitch")}
    page.locator("thead th").nth(5).locator(".dt-column-order").click()
    page.wait_for_selector("thead th[aria-sort]")
    state = page.evaluate("location.hash")
    assert state.startswith("#?")
    again = visit("index.html", anchor=state)
    assert first_column(again, "overview") == rows
    assert again.get_by_label("Search").input_value() == "stitch"
    assert again.locator("thead th").nth(5).get_attribute("aria-sort") == "descending"
    again.get_by_label("Search").fill("nothing like it")
    assert "Nothing matches" in again.locator("tbody").inner_text()


def test_tables_and_charts_can_be_taken_away(visit, tmp_path):
    page = visit("suites/toy.html")
    page.get_by_label("Search").first.fill("soft")
    with page.expect_download() as download:
        page.get_by_text("CSV of what is shown").first.click()
    with Path(download.value.path()).open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[0] == "method"
    assert {row[0] for row in rows if row} == {name for name in METHODS if "soft" in name}
    for kind in ("CSV", "LaTeX"):
        link = page.locator(".files a", has_text=kind).first
        assert (Path(page.url.removeprefix("file://")).parent / link.get_attribute("href")).is_file()
    through(page)
    with page.expect_download() as download:
        page.locator(".save").first.click()
    assert download.value.suggested_filename.endswith(".svg")
    assert Path(download.value.path()).read_text().startswith("<svg")


def test_the_keyboard_is_enough(visit):
    page = visit("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
        if page.evaluate("document.activeElement.className") == "dt-column-order":
            break
    assert {"A.", "INPUT.dt-input", "SELECT."} <= seen
    page.keyboard.press("Enter")
    page.wait_for_selector("thead th[aria-sort]")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_the_theme_follows_the_system_and_the_button(visit):
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = visit("suites/toy.html"), visit("suites/toy.html", theme="dark")
    pale, deep = light.evaluate(paper), dark.evaluate(paper)
    assert pale != deep
    through(light)
    button = light.locator(".theme")
    button.click()
    button.click()
    assert light.evaluate(paper) == deep
    ink = light.locator(".plot .ytick text").first
    assert ink.evaluate("text => getComputedStyle(text).fill") == light.evaluate(
        "getComputedStyle(document.body).color"
    )


def test_no_script_in_any_text_runs_on_any_page(visit, tmp_path, chromium):
    """Records as they would look if every check of a store had let them through."""
    from leaderboard.store import Problem, StoreContents

    hostile = [*records(script=SCRIPT), build_record(f"failed{SCRIPT}", 0, failed=True)]
    contents = StoreContents(hostile, [Problem(f"a{SCRIPT}", [SCRIPT])])
    board = Board(
        name="toy", title=SCRIPT, version=1, suite="toy", methods=[r.method for r in hostile[::5]], seeds="0-4"
    )
    board = board.model_copy(update={"reference": f"single_task{SCRIPT}", "note": SCRIPT})
    write_site(
        contents,
        [board],
        tmp_path / "out",
        SCRIPT,
        status={
            "runs": [
                {
                    "title": SCRIPT,
                    "summary": SCRIPT,
                    "planned": 1,
                    "ended": 0,
                    "cells": [{"name": SCRIPT, "done": 0, "epochs": 1}],
                }
            ]
        },
    )
    for name in pages(tmp_path / "out"):
        context = chromium.new_context()
        page = context.new_page()
        page.goto((tmp_path / "out" / name).as_uri())
        settle(page)
        through(page)
        assert page.evaluate("window.ran") is None, name
        assert page.locator("img[src='x']").count() == 0, name
        context.close()
