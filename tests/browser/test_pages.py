"""The site in a real browser, from disk and without a network: every page, what can be done on it, who can use it."""

import re
from functools import cache
from pathlib import Path

from benchmarks.screenshots import PHONE, settle
from leaderboard.boards.board import Board
from leaderboard.site import write_site
from tests.browser.conftest import PATIENCE, records
from tests.leaderboard.conftest import build_record

SCRIPT = '"><img src=x onerror="window.ran=1"><script>window.ran=1</script>'


@cache
def pages(folder: Path) -> list[str]:
    """One page of each kind, of runs one that is done, one with pictures and one that failed."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    special = {
        mark: next((name for name in names if name.startswith("runs/") and mark in (folder / name).read_text()), None)
        for mark in ("<h2>Failed</h2>", "<h2>Test images</h2>")
    }
    plain = [name for name in names if name not in special.values()]
    kinds = {name.rpartition("/")[0] or name: name for name in reversed(plain)}
    return [*kinds.values(), *filter(None, special.values())]


def through(page):
    """Make the window as tall as the page, so that every chart is drawn and every picture loaded."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height + 400})
    settle(page)


OUTSIDE = """() => [...document.querySelectorAll('.plot')].flatMap((plot) => {
    const frame = plot.getBoundingClientRect();
    return [...plot.querySelectorAll('text')].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.width && (box.left < frame.left - 2 || box.right > frame.right + 2
            || box.top < frame.top - 2 || box.bottom > frame.bottom + 2);
    }).map((text) => plot.parentNode.id + ': ' + text.textContent);
})"""


def test_every_page_loads_without_a_word_draws_every_chart_and_stands_in_nobodys_way(visit, site):
    from axe_playwright_python.sync_playwright import Axe

    assert {"dials.html", "index.html", "leaderboard.html", "methods.html", "suites.html"} < set(pages(site))
    for name in pages(site):
        page = visit(name)
        through(page)
        assert page.locator("figure").count() == page.locator("figure:has(.panel)").count(), name
        assert page.locator("img").evaluate_all("all => all.every((image) => image.naturalWidth > 0)"), name
        assert page.evaluate(OUTSIDE) == [], name
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
            serious = [v for v in found if v["impact"] in ("serious", "critical")]
            assert [(name, theme, v["id"], v["nodes"][0]["html"]) for v in serious] == []
        page.close()


def test_pages_fit_a_phone_and_so_does_every_label_of_every_chart(visit, site):
    for name in pages(site):
        page = visit(name, PHONE)
        page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
        through(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], name
        assert page.evaluate(OUTSIDE) == [], name
        page.close()


def first_column(page, grid):
    return page.locator(f"[data-grid='{grid}'] tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.innerText.trim()))"
    )


def test_tables_sort_best_first_with_missing_numbers_last(visit):
    page = visit("suites/toy.html")
    grid = page.locator(".grid").first
    name = grid.get_attribute("data-grid")
    at = grid.locator("thead th").evaluate_all(
        "heads => heads.findIndex((head) => head.dataset.name === 'error change')"
    )
    head = grid.locator("thead th").nth(at)
    for sign, way in ((1, "ascending"), (-1, "descending")):  # less error first
        head.locator(".order").click()
        page.wait_for_selector(f"thead th[aria-sort={way}]")
        assert head.get_attribute("aria-sort") == way
        values = [float(re.match(r"[+-]?[\d.]+", row[at])[0]) for row in first_column(page, name)]
        assert values == sorted(values, key=lambda value: sign * value)
    overview = visit("leaderboard.html")
    head = overview.locator("thead th", has_text="worst task")
    at = overview.locator("thead th").evaluate_all("h => h.findIndex((e) => e.dataset.name === 'worst task')")
    for way in ("ascending", "descending"):
        head.locator(".order").click()
        overview.wait_for_selector(f"thead th[aria-sort={way}]")
        texts = [row[at] for row in first_column(overview, "overview")]
        missing = [text.startswith("—") for text in texts]
        assert any(missing)
        assert missing == sorted(missing)


def test_search_choice_and_order_live_in_the_url(visit, site):
    page = visit("leaderboard.html")
    page.get_by_role("searchbox", name="Search", exact=True).fill("stitch")
    page.get_by_label("Show only one suite").select_option("toy")
    rows = first_column(page, "overview")
    assert [re.split(r"\s+", row[0]) for row in rows] == [["cross_stitch", "toy"]]
    page.locator("thead th", has_text="rank").locator(".order").click()
    page.wait_for_selector("thead th[aria-sort]")
    state = page.evaluate("location.hash")
    assert state.startswith("#?")
    again = visit("leaderboard.html", anchor=state)
    assert first_column(again, "overview") == rows
    assert again.get_by_role("searchbox", name="Search", exact=True).input_value() == "stitch"
    assert again.locator("thead th", has_text="rank").get_attribute("aria-sort") == "ascending"
    again.get_by_role("searchbox", name="Search", exact=True).fill("nothing like it")
    assert "Nothing matches" in again.locator("tbody").inner_text()


def test_charts_and_whole_tables_can_be_taken_away(visit):
    page = visit("suites/toy.html")
    for kind in ("CSV", "LaTeX"):
        link = page.locator(".files a", has_text=kind).first
        assert (Path(page.url.removeprefix("file://")).parent / link.get_attribute("href")).is_file()
    through(page)
    with page.expect_download() as download:
        page.locator(".save").first.click()
    assert download.value.suggested_filename.endswith(".svg")
    assert Path(download.value.path()).read_text().startswith("<svg")


def test_the_keyboard_is_enough(visit):
    page = visit("leaderboard.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
        if page.evaluate("document.activeElement.className") == "order":
            break
    assert {"INPUT.", "SELECT."} <= seen
    page.keyboard.press("Enter")
    page.wait_for_selector("thead th[aria-sort]")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_long_table_shows_its_first_rows_until_asked(visit, site, tmp_path, chromium):
    from leaderboard.store import StoreContents

    many = [build_record(f"soft+l2:halflife={k}.0", 0) for k in range(40)]
    write_site(StoreContents(many), [], tmp_path / "out", "runs")
    page = visit("leaderboard.html", folder=tmp_path / "out")
    assert page.locator("tbody tr").count() == 30
    page.get_by_role("searchbox", name="Search", exact=True).fill("halflife=1")
    assert page.locator(".more").is_hidden()
    page.get_by_role("searchbox", name="Search", exact=True).fill("")
    page.get_by_text("Show all 40 rows").click()
    assert page.locator("tbody tr").count() == 40
    again = visit("leaderboard.html", folder=tmp_path / "out", anchor=page.evaluate("location.hash"))
    assert again.locator("tbody tr").count() == 40


def test_a_legend_hides_and_shows_what_it_names(visit):
    page = visit("suites/toy.html")
    through(page)
    figure = page.locator("#profile-toy")
    lines = figure.locator("path.ln")
    seen = "all => all.filter((line) => line.getBoundingClientRect().width).length"
    before = lines.evaluate_all(seen)
    assert before == lines.count()
    button = figure.locator(".keys button").first
    button.click()
    assert lines.evaluate_all(seen) == before - 1
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert lines.evaluate_all(seen) == before


def test_what_is_pointed_at_is_said(visit):
    page = visit("suites/toy.html")
    point = page.locator("[id^='forest'] circle").first
    words = page.locator("[id^='forest'] .panel a title").first.text_content()
    point.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)  # scrolling takes words away, and it is smooth
    point.hover()
    assert page.locator(".bubble").inner_text() == words
    page.locator("#profile-toy .panel").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    page.locator("#profile-toy .panel").hover()
    said = page.locator(".bubble").inner_text().splitlines()
    names = page.locator("#profile-toy .keys button").all_inner_texts()
    assert said[0].startswith("at ")
    assert [line.rpartition(": ")[0] for line in said[1:]] == names
    assert all(0 <= float(line.rpartition(": ")[2]) <= 101 for line in said[1:])


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
    label = light.locator(".plot .tk").first
    assert label.evaluate("text => getComputedStyle(text).fill") == light.evaluate(
        "getComputedStyle(document.querySelector('.meta')).color"
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
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto((tmp_path / "out" / name).as_uri())
        settle(page)
        through(page)
        assert page.evaluate("window.ran") is None, name
        assert page.locator("img[src='x']").count() == 0, name
        context.close()
