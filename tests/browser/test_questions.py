"""What visitors ask: each question is answered within two clicks of the front page, and found by the search."""

import re
from pathlib import Path

import pytest

from bench.records import RunSpec
from bench.records.record import Cost
from benchmarks.screenshots import PHONE, settle
from leaderboard.boards.board import Board
from leaderboard.claims import Situation
from leaderboard.claims.choices import ChoiceOption, ChosenBoard
from leaderboard.site import write_site
from leaderboard.store import Store
from tests.browser.conftest import picture
from tests.leaderboard.conftest import build_record

GAINS = {"single_task": 0.0, "hard": -2.0, "cross_stitch": 1.0, "soft+l2": 0.0}
NOISE = {"soft+l2": [2.0, -2.0, 1.0, -1.0, 0.5]}
MADE = "2026-11-30T12:00:00+00:00"
TASKS = ("segmentation", "depth", "normals")
ANSWERED_ELSEWHERE = {"cite.html", "data.html", "changes.html"}  # pages of their own, with tests of their own

# question typed -> (the question as the front page has it, the page, what stands there)
QUESTIONS = {
    "which is better for three dense tasks": (
        "Which method is better for three dense tasks?",
        "choose.html",
        r"Cross-stitch networks.*error -\d+\.\d % \[-\d+\.\d, -\d+\.\d\], better; leads; 1\.10x the parameters",
    ),
    "is hard worse than single-task on two digits": (
        "Is hard sharing worse than separate models on two digits?",
        "compare/hard.html",
        r"against single_task.*multidigits\s+multidigits\s+\+\d+\.\d % \[\+\d+\.\d, \+\d+\.\d\]\s+worse\s+5\s+0\.50x",
    ),
    "which results cannot be told apart": (
        "Which results cannot be told apart?",
        "leaderboard.html",
        r"soft\+l2.*not told apart",
    ),
    "what does it cost": (
        "What does a method cost?",
        "compare/hard.html",
        r"against cross_stitch.*parameters\s+training FLOPs.*0\.45x\s+0\.45x",
    ),
    "show me predictions": ("Can I see predictions?", "suites/scenes.html", r"What the methods make of test images"),
    "where is the paper of cross-stitch": (
        "Where is the paper of cross-stitch networks?",
        "methods/cross_stitch.html",
        r"Misra.*2016",
    ),
    "how do I reproduce this table and how long does it take": (
        "How do I reproduce a table, and how long does it take?",
        "suites/scenes.html",
        r"mtlbench reproduce scenes_1.*The 20 runs of this page took 1\.7 minutes of training",
    ),
    "how do I cite it": ("How do I cite it?", "cite.html", r"@\w+\{"),
    "can I get all runs as a table": ("Can I get all runs as a table?", "data.html", r"CSV"),
    "what changed": ("What changed?", "changes.html", r"\d{4}-\d\d-\d\d"),
}
WORDS = {
    "hard sharing": "methods/hard.html",
    "soft sharing": "methods/soft-l2.html",
    "cross-stitch": "methods/cross_stitch.html",
    "Misra": "methods/cross_stitch.html",
    "gradient": "methods/hard-pcgrad.html",
    "dense": "choose.html#segmentation-depth-and-normals-of-a-room",
    "cite": "cite.html",
    "download": "data.html",
    "reproduce": "suites/scenes.html#reproduce",
    "MultiDigits": "suites/multidigits.html",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rooms with three tasks and two digits, four methods and five seeds; pictures of one run."""
    root = tmp_path_factory.mktemp("questions")
    store = Store(root / "results")
    for suite, tasks in (("scenes", TASKS), ("multidigits", ("left", "right"))):
        for method, gain in GAINS.items():
            for seed in range(5):
                noise = NOISE.get(method, [0.0] * 5)[seed]
                values = dict.fromkeys(tasks, 80.0 + seed / 10 + gain + noise)
                size = {"hard": 100, "cross_stitch": 220}.get(method, 200)
                cost = Cost(
                    parameters=size,
                    forward_flops=10 * size,
                    step_ms=1.0,
                    train_seconds=5.0,
                    peak_memory_mb=1.0,
                    hardware="cpu",
                )
                store.write(build_record(method, seed, values, suite=suite, cost=cost, created=MADE))
    plain = build_record("hard", 0, suite="other")
    spec = RunSpec(**(plain.spec.model_dump() | {"method": "hard@pcgrad"}))
    store.write(plain.model_copy(update={"method": "hard@pcgrad", "spec": spec, "run_id": spec.run_id}).seal())
    record = next(
        run for run in store.read().records if (run.suite, run.method, run.spec.seed) == ("scenes", "hard", 0)
    )
    store.write_panels(record.spec, [picture()])
    boards = [
        Board(name=name, title=f"All of {suite}", version=1, suite=suite, methods=list(GAINS), seeds="0-4")
        for name, suite in (("scenes_1", "scenes"), ("multidigits", "multidigits"))
    ]
    dense = Situation(
        name="segmentation, depth and normals of a room",
        kind="dense maps of an image",
        tasks="three to five",
        rows="hundreds",
        boards=[ChosenBoard(board="scenes_1", suite="scenes")],
        options=[
            ChoiceOption(method="cross_stitch", needs=["better"]),
            ChoiceOption(method="hard", needs=["worse"]),
        ],
    )
    digits = dense.model_copy(
        update={
            "name": "two digits",
            "kind": "classes of an image",
            "tasks": "two",
            "boards": [ChosenBoard(board="multidigits", suite="multidigits")],
        }
    )
    contents = store.read()
    assert contents.problems == []
    write_site(contents, boards, root / "out", "results", choices=[dense, digits])
    return root / "out"


def require_page(folder: Path, href: str) -> None:
    """Skip where the page is one that this build of the site does not have yet; any other has to be there."""
    name = href.partition("#")[0]
    if not (folder / name).is_file():
        assert name in ANSWERED_ELSEWHERE
        pytest.skip(f"the site has no {name} yet")


def read_main(page) -> str:
    """The visible text of a page in one line."""
    return " ".join(page.locator("main").inner_text().split())


@pytest.mark.parametrize("typed", QUESTIONS)
def test_a_question_is_answered_one_click_from_the_front_page(visit, folder, typed):
    asked, name, answer = QUESTIONS[typed]
    require_page(folder, name)
    page = visit("index.html", folder=folder)
    page.get_by_role("link", name=asked, exact=True).click()
    settle(page)
    assert page.url.removeprefix(folder.as_uri()).removeprefix("/").partition("#")[0] == name
    assert re.search(answer, read_main(page)), read_main(page)


@pytest.mark.parametrize("typed", QUESTIONS)
def test_a_question_is_found_by_the_search(visit, folder, typed):
    asked, name, answer = QUESTIONS[typed]
    require_page(folder, name)
    page = visit("index.html", folder=folder)
    page.keyboard.press("/")
    page.keyboard.type(typed)
    page.locator(".find .hits a", has_text=asked).click()
    settle(page)
    assert re.search(answer, read_main(page))


@pytest.mark.parametrize("word", WORDS)
def test_a_word_finds_its_page(visit, folder, word):
    require_page(folder, WORDS[word])
    page = visit(f"search.html?q={word}", folder=folder)
    page.wait_for_selector("#found li")
    assert WORDS[word] in page.locator("#found a").evaluate_all("all => all.map((each) => each.getAttribute('href'))")
    assert page.locator("form.find input").input_value() == word


def test_the_index_is_loaded_when_somebody_begins_to_search(visit, folder):
    page = visit("suites/scenes.html", folder=folder)
    assert page.evaluate("window.mtlbenchIndex === undefined")
    page.keyboard.press("/")
    page.wait_for_function("() => window.mtlbenchIndex !== undefined")
    page.keyboard.type("misra")
    page.wait_for_selector(".find .hits li")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "../methods/cross_stitch.html"
    page.keyboard.press("Escape")
    assert page.locator(".find .hits").is_hidden()
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=misra")


def test_what_is_not_found_is_said_and_what_is_typed_is_text(visit, folder):
    page = visit("search.html?q=<zzimg zzx>", folder=folder)
    page.wait_for_selector("#found h2")
    assert "Nothing found for “<zzimg zzx>”" in page.locator("#found h2").inner_text()
    assert page.locator("zzimg").count() == 0
    page.locator("form.find input").fill("   ")
    assert page.locator(".find .hits").is_hidden()
    assert visit("search.html", folder=folder).locator("#found").is_hidden()


def test_two_menus_lead_to_a_comparison_that_is_open(visit, folder):
    page = visit("compare.html", folder=folder)
    page.get_by_label("Method A").select_option("cross_stitch")
    offered = page.get_by_label("Method B").locator("option").all_inner_texts()
    assert offered == ["hard", "single_task", "soft+l2"]
    page.get_by_label("Method B").select_option("soft+l2")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare/cross_stitch.html#soft-l2")
    settle(page)
    assert page.locator("details.versus[open] summary").all_inner_texts() == [
        page.locator("details.versus summary", has_text="soft+l2").inner_text()
    ]


def test_menus_leave_the_situations_and_methods_that_fit(visit, folder):
    page = visit("choose.html", folder=folder)
    shown = page.locator(".situation:visible h2")
    assert shown.all_inner_texts() == ["Segmentation, depth and normals of a room", "Two digits"]
    page.get_by_label("Kind of tasks").select_option("classes of an image")
    assert shown.all_inner_texts() == ["Two digits"]
    page.get_by_label("Number of tasks").select_option("three to five")
    assert "Nothing with so many tasks and rows was run." in page.locator("[role=status]").nth(1).inner_text()
    page.get_by_label("Budget").select_option("small")
    assert page.locator(".situation:visible article:visible h3").all_inner_texts() == ["Hard sharing hard"]
    again = visit("choose.html", folder=folder, anchor=page.evaluate("location.hash"))
    assert again.locator(".situation:visible h2").all_inner_texts() == ["Two digits"]


def test_menus_leave_one_subset_of_the_ranking(visit, folder):
    page = visit("ranking.html", folder=folder)
    assert page.locator(".subset:visible").count() == 1
    page.locator("#subset").get_by_label("Methods").select_option("stitched networks")
    assert page.locator(".subset:visible h2").inner_text() == "All suites, stitched networks"
    again = visit("ranking.html", folder=folder, anchor=page.evaluate("location.hash"))
    assert again.locator(".subset:visible h2").inner_text() == "All suites, stitched networks"
    assert page.locator("#subset").get_by_label("Suites").locator("option").all_inner_texts() == ["all"]


PAGES = ["index.html", "compare.html", "compare/hard.html", "ranking.html", "choose.html", "search.html?q=hard"]


@pytest.mark.parametrize("name", PAGES)
def test_new_pages_are_for_everybody_and_fit_a_phone(visit, folder, name):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(name, PHONE, folder=folder)
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.locator("form.find input").fill("hard")
    page.wait_for_selector(".find .hits li")
    box = page.locator(".find .hits").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
        assert [(name, theme, v["id"], v["nodes"][0]["html"]) for v in found] == []


def test_answers_are_there_without_a_script(chromium, folder):
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((folder / "compare/hard.html").as_uri() + "#single_task")
    assert page.locator("details.versus").count() == 3
    page.locator("details.versus summary", has_text="single_task").click()
    page.goto((folder / "ranking.html").as_uri())
    assert page.locator(".subset:visible").count() > 1
    page.goto((folder / "choose.html").as_uri())
    assert page.locator(".situation:visible").count() == 2
    page.goto((folder / "index.html").as_uri())
    page.locator("form.find a").click()
    assert page.get_by_role("link", name="Hard sharing (hard)").count() == 1
    context.close()
