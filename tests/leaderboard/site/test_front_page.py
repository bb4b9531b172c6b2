"""The front page: families of methods on suites, from runs alone, in the colours of their verdicts."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.records import ResultRecord
from leaderboard.analysis.family_changes import compare_families
from leaderboard.boards.board import Board
from leaderboard.intake.source_card import read_built_in_cards, read_suite_cards
from leaderboard.report.table import analyse_board
from leaderboard.site import write_site
from leaderboard.site.families import (
    METHOD_FAMILIES,
    SUITE_FAMILIES,
    find_method_family,
    is_plain,
    order_families,
    write_method_title,
)
from leaderboard.store import StoreContents

METHODS = {"single_task": 0.0, "hard": -2.0, "mmoe": 1.0, "cgc": 3.0, "cross_stitch": 0.0, "hard:split=1": 9.0}
BOARD = Board(name="toy", title="Toy", version=1, suite="toy", methods=list(METHODS), seeds="0-4")


@pytest.fixture
def records(make_record: Callable[..., ResultRecord]) -> list[ResultRecord]:
    """Gates gain 1 and 3 points, one trunk loses 2, stitches none; `hard:split=1` is no method as it comes."""
    noise = {"cross_stitch": [2.0, -2.0, 1.0, -1.0, 0.5]}
    return [
        make_record(method, seed, {"left": 80.0 + seed / 10 + gain + noise.get(method, [0.0] * 5)[seed]})
        for method, gain in METHODS.items()
        for seed in range(5)
    ]


def test_a_family_is_the_mean_of_its_methods_seed_by_seed(records: list[ResultRecord]) -> None:
    results = analyse_board(BOARD, StoreContents(records))
    found = compare_families(results, {"gates": ["mmoe", "cgc"], "trunk": ["hard"]})
    means = [results.standings.methods[name].change.mean for name in ("mmoe", "cgc")]
    assert found["gates"].estimate.mean == pytest.approx(sum(means) / 2)
    assert found["gates"].verdict == "better"
    assert found["gates"].family == 1
    assert found["trunk"] is results.standings.methods["hard"].contrasts["reference"]  # one row, one verdict
    assert compare_families(results, {}) == {}


def test_cells_have_the_colour_and_the_words_of_their_verdict_and_gaps_stay_empty(
    records: list[ResultRecord], tmp_path: Path
) -> None:
    page = write_site(StoreContents(records), [BOARD], tmp_path / "out", "runs").read_text()
    heads = re.findall(r'<th scope="col">(.*?)</th>', page)
    assert heads == ["suite", "stitched networks", "experts and gates", "one shared trunk"]
    cells = re.findall(r'<td class="cell (\w+)".*?</td>', page)
    assert cells == ["unclear", "better", "worse"]
    assert re.findall(r'<span class="hidden">(.*?)</span>', page) == ["not told apart", "better", "worse"]
    assert "better: mean of 2: " in page
    assert 'href="suites/toy.html"' in page
    assert "What we found" not in page  # these are nobody's findings
    assert "tables.js" not in page
    fewer = [record for record in records if record.method != "hard"]
    others = [record.model_copy(update={"suite": "b"}) for record in fewer]
    both = write_site(StoreContents([*records, *others]), [BOARD], tmp_path / "two", "runs").read_text()
    assert both.count('<td class="cell none">') == 1


def test_every_page_leads_to_every_other(records: list[ResultRecord], tmp_path: Path) -> None:
    folder = write_site(StoreContents(records), [BOARD], tmp_path / "out", "runs").parent
    for name in ("index.html", "leaderboard.html", "suites.html", "methods.html", "suites/toy.html"):
        text = (folder / name).read_text()
        root = "../" * name.count("/")
        for page in ("index", "leaderboard", "suites", "methods"):
            assert f'href="{root}{page}.html"' in text


def test_every_part_has_a_title_and_families_are_those_that_pages_order() -> None:
    cards, suites = read_built_in_cards(), read_suite_cards()
    assert [card.name for card in (*cards.values(), *suites.values()) if not card.title] == []
    assert {card.family for card in cards.values()} - {""} == set(METHOD_FAMILIES)
    assert {card.family for card in suites.values()} == set(SUITE_FAMILIES)


@pytest.mark.parametrize(
    ("method", "family", "title", "plain"),
    [
        ("hard", "one shared trunk", "Hard sharing", True),
        ("hard:split=1", "one shared trunk", "Hard sharing", False),
        ("soft+l2", "penalised copies", "Soft sharing, distance to the mean", True),
        ("soft+l2:halflife=1.0", "penalised copies", "Soft sharing, distance to the mean", False),
        ("soft+ridge", "", "Soft sharing, ridge of each task", True),
        ("hard@pcgrad", "combined gradients", "Hard sharing, PCGrad", True),
        ("hard@uniform", "one shared trunk", "Hard sharing, equal weights", True),
        ("hard_wide", "", "Hard sharing, wide trunk", True),
        ("mine", "", "", True),
        ("x`y", "", "", False),
    ],
)
def test_what_a_method_is_follows_from_its_parts(method: str, family: str, title: str, plain: bool) -> None:
    cards = read_built_in_cards()
    assert (find_method_family(method, cards), write_method_title(method, cards)) == (family, title)
    assert is_plain(method) == plain


def test_families_that_nobody_knows_come_last() -> None:
    assert order_families(["z", "rooms", "", "a", "digits", "rooms"], SUITE_FAMILIES) == ["digits", "rooms", "a", "z"]


def test_years_are_read_from_papers() -> None:
    cards = read_built_in_cards()
    assert (cards["cross_stitch"].year, cards["ridge"].year) == ("2016", "")
