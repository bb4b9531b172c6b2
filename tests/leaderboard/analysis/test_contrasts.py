"""Planned contrasts: each verdict on a named problem, families by hand, and what tables, JSON and the site show."""

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from bench.records import ResultRecord
from bench.records.record import Cost
from leaderboard.analysis.contrasts import Contrast, contrast_pairs, contrast_with_best, summarise_detectable
from leaderboard.analysis.results import analyse
from leaderboard.analysis.standings import Standing, rank_methods
from leaderboard.analysis.statistics import Cells, Interval, compare_pairs, detectable_effect, find_ties
from leaderboard.boards.board import Board
from leaderboard.boards.record_selection import select_records
from leaderboard.report.details import write_details
from leaderboard.report.formats import format_table, write_notes
from leaderboard.report.table import tabulate
from leaderboard.site.addresses import Addresses
from leaderboard.site.grids import board_grid
from leaderboard.site.shown import Shown
from leaderboard.store import StoreContents
from tests.leaderboard.conftest import build_cells, protocol

SEEDS = 10
NAMES = ["single_task", "hard", "same", "loud", "twin"]
MARGIN = math.log(1.05)


@pytest.fixture
def data(make_cells: Callable[..., Cells]) -> Cells:
    """`hard` has 20 % more error; `same` the reference's up to 1 %, `loud` up to 40 %; `twin` is 10 % above `same`."""
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((5, SEEDS))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, ddof=1, keepdims=True)
    logs = np.array([0.0, 0.2, 0.001, 0.002, 0.1])[:, None] + np.array([0.0, 0.01, 0.01, 0.4, 0.01])[:, None] * noise
    return make_cells(0.1 * np.exp(logs)[:, :, None], NAMES)


def test_each_verdict_has_its_problem(data: Cells) -> None:
    found = rank_methods(data, NAMES[:4], {"same": "twin", "hard": "twin", "loud": "absent"})
    verdicts = {name: {kind: each.verdict for kind, each in s.contrasts.items()} for name, s in found.methods.items()}
    assert {name: own.get("reference") for name, own in verdicts.items()} == {
        "single_task": None,
        "hard": "worse",
        "same": "equivalent",
        "loud": "undecided",
    }
    assert {name: own.get("twin") for name, own in verdicts.items()} == {
        "single_task": None,
        "hard": "worse",
        "same": "better",
        "loud": None,
    }
    assert {name: own.get("best") for name, own in verdicts.items()} == {
        "single_task": None,
        "hard": "worse",
        "same": "equivalent",
        "loud": "undecided",
    }
    assert found.kinds == ["reference", "twin", "best"]
    assert found.methods.keys() == set(NAMES[:4])  # a twin that takes no part is not ranked by being compared with


def test_both_tests_are_adjusted_over_the_methods_of_a_kind(data: Cells) -> None:
    found = rank_methods(data, NAMES[:4])
    logs = np.log(data.errors[:, :, 0])
    raw = [stats.ttest_rel(logs[0], logs[at]).pvalue for at in (1, 2, 3)]
    same = [ttost_paired(logs[0], logs[at], -MARGIN, MARGIN)[0] for at in (1, 2, 3)]
    for name, p, q in zip(NAMES[1:4], *(multipletests(each, method="holm")[1] for each in (raw, same)), strict=True):
        contrast = found.methods[name].contrasts["reference"]
        assert contrast.different == pytest.approx(p, rel=1e-6)
        assert contrast.equivalent == pytest.approx(q, rel=1e-6)
        assert contrast.family == 3
        assert contrast.detectable == pytest.approx(detectable_effect(logs[0] - logs[NAMES.index(name)], 3), rel=1e-12)
        assert contrast.estimate == found.methods[name].change


def test_the_best_is_compared_with_each_other_method(data: Cells) -> None:
    """p is that of the paired t test, times the methods that it was chosen from, or less where more is known."""
    changes = np.log(data.errors[:1, :, 0] / data.errors[:4, :, 0])
    standings = rank_methods(data, NAMES[:4])
    found, same = standings.methods, compare_pairs(changes, equivalence=True)
    best = int(changes.mean(axis=1).argmax())
    for at, name in enumerate(NAMES[:4]):
        if at != best:
            contrast = found[name].contrasts["best"]
            assert (contrast.other, contrast.family) == (NAMES[best], 3)
            own = min(1.0, 3 * stats.ttest_1samp(changes[at] - changes[best], 0).pvalue)
            others = [p for loser, p in list_losses(found) if loser == name]
            pairs = compare_pairs(changes)[at][changes.mean(axis=1) > changes[at].mean()]
            assert contrast.different == pytest.approx(min(own, *others, *pairs))
            assert contrast.equivalent == pytest.approx(same[at, best])
        assert found[name].could_be_best == (name not in {loser for _, loser in standings.apart} | {"hard"})


def list_losses(found: dict[str, Standing]) -> list[tuple[str, float]]:
    """(method, p) of what a contrast with the reference has shown to be worse than another."""
    planned = [each.contrasts["reference"] for each in found.values() if each.verdict in ("better", "worse")]
    return [(each.method if each.verdict == "worse" else each.other, each.different) for each in planned]


@pytest.mark.parametrize("methods", [4, 12])
def test_the_truly_best_method_leaves_the_band_on_one_board_of_twenty_at_most(methods: int) -> None:
    """Whatever else is true: here the best is the reference or another one, a little or far ahead, or all are equal."""
    generator = np.random.default_rng(5)
    names = ["single_task", *(f"m{at}" for at in range(1, methods))]
    own = [(name, "single_task") for name in names[1:]]
    for best, ahead in ((0, 0.01), (1, 0.01), (1, 0.05), (1, 0.0)):
        lost = 0
        for _ in range(200):
            changes = 0.03 * generator.standard_normal((methods, 5))
            changes[best] += ahead
            changes -= changes[0]
            planned = contrast_pairs(changes, names, own)
            found = contrast_with_best(changes, names, find_ties(changes), planned=planned)
            lost += names[best] in found and found[names[best]].verdict == "worse"
        assert lost / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_each_interval_leaves_out_0_exactly_where_the_row_is_better_or_worse() -> None:
    generator = np.random.default_rng(6)
    seen = set()
    for _ in range(60):
        sizes = 0.15 * generator.standard_normal((6, 1))
        names = ["single_task", *(f"m{at}" for at in range(1, 6))]
        cells = build_cells(np.exp(sizes + 0.1 * generator.standard_normal((6, 6)))[:, :, None], names)
        for standing in rank_methods(cells, names).methods.values():
            contrast = standing.contrasts.get("reference")
            if contrast:
                own, wide = contrast.estimate, contrast.corrected
                assert wide.low <= own.low < own.high <= wide.high
                assert (wide.low > 0 or wide.high < 0) == (contrast.verdict in ("better", "worse"))
                seen.add((contrast.verdict, own.low > 0 or own.high < 0))
    assert {("undecided", True), ("undecided", False), ("better", True), ("worse", True)} <= seen


def test_among_equal_methods_one_claim_of_twenty_boards_is_wrong() -> None:
    """Of the difference that is not there; of a sameness that is not there, at the margin."""
    generator = np.random.default_rng(3)
    names = ["single_task", "a", "b", "c", "d"]
    pairs = [(name, "single_task") for name in names[1:]]
    wrong = np.zeros(2)
    for _ in range(1500):
        noise = 0.02 * generator.standard_normal((5, SEEDS))
        for at, shift in enumerate((0.0, MARGIN)):
            changes = noise + shift * np.arange(5).clip(max=1)[:, None]
            found = contrast_pairs(changes - changes[0], names, pairs)
            wrong[at] += any((c.different if at == 0 else c.equivalent) <= 0.05 for c in found.values())
    assert (wrong / 1500 <= 0.065).all()
    assert (wrong / 1500 > 0.01).all()


@pytest.mark.parametrize(
    ("mean", "low", "different", "equivalent", "verdict"),
    [
        (0.1, 0.05, 0.01, 1.0, "better"),
        (-0.1, -0.2, 0.05, 1.0, "worse"),
        (0.01, 0.005, 0.01, 0.01, "better"),  # certain and small: its order is known
        (0.01, -0.02, 0.4, 0.05, "equivalent"),
        (0.01, -0.2, 0.4, 0.4, "undecided"),
        (0.1, None, 0.01, 0.01, "undecided"),  # of two seeds
        (math.nan, None, math.nan, math.nan, "undecided"),
    ],
)
def test_the_verdict_follows_from_its_numbers(
    mean: float, low: float | None, different: float, equivalent: float, verdict: str
) -> None:
    estimate = Interval(mean, low, None if low is None else 2 * mean - low, 5)
    assert Contrast("a", "b", estimate, different, equivalent, 0.1, 3).verdict == verdict


def test_names_of_one_model_are_equivalent_and_have_no_part_in_the_detectable_effect(
    make_cells: Callable[..., Cells],
) -> None:
    base = np.random.default_rng(0).uniform(0.5, 1.0, (1, 5, 1))
    errors = np.repeat(base, 3, axis=0)
    errors[2] *= 1 - 1e-9
    solved = protocol({"t0": "regression"}, fit="solver", tolerance=1e-8)
    found = rank_methods(replace(make_cells(errors), protocol=solved), ["single_task", "hard", "m2"])
    assert {each.contrasts["reference"].verdict for each in found.methods.values() if each.contrasts} >= {"equivalent"}
    assert found.methods["m2"].contrasts["reference"].verdict == "equivalent"
    assert found.detectable is None


def test_splits_that_overlap_have_wider_tests(data: Cells) -> None:
    overlapping = protocol({"t0": "regression"}, splits={"train": 75, "test": 25, "val": 1}, overlapping=True)
    plain, found = (rank_methods(each, NAMES[:4]) for each in (data, replace(data, protocol=overlapping)))
    factor = math.sqrt((1 / SEEDS + 1 / 3) * SEEDS)
    assert plain.detectable
    assert found.detectable
    assert found.detectable.middle == pytest.approx(factor * plain.detectable.middle)


def test_the_range_is_the_middle_and_the_ends() -> None:
    estimate = Interval(0.0, -1.0, 1.0, 5)
    effects = (0.1, math.inf, 0.4, math.nan, 0.2, 0.0)
    contrasts = [Contrast("a", "b", replace(estimate, n=5 + i), 1.0, 1.0, e, 7) for i, e in enumerate(effects)]
    found = summarise_detectable([*contrasts, None])
    assert found
    assert (found.middle, found.least, found.most, found.seeds, found.family) == (0.2, 0.1, 0.4, (5, 9), 7)


# --- from records to pages ---------------------------------------------------------------------


@pytest.fixture
def board() -> Board:
    return Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-4")


def test_every_format_says_what_the_board_can_find(board: Board, three_methods: list[ResultRecord]) -> None:
    table = tabulate(board, StoreContents(three_methods))
    [standing] = [each for each in table.results.standings.methods.values() if each.method == "hard"]
    effect = standing.contrasts["reference"].detectable
    [note] = [note for note in write_notes(table) if note.startswith("With 5 seeds")]
    assert note == (
        f"With 5 seeds, a change of {effect:.3f} in Δ log ({-100 * math.expm1(-effect):.1f} % less error) against "
        "`single_task` is found in four of five boards like this one (Holm over 1 test); smaller ones may be missed."
    )
    for format in ("text", "tex"):
        assert note[:60] in format_table(table, format)
    assert "With 5 seeds" in format_table(table, "md")
    assert note in json.loads(format_table(table, "json"))["notes"]


def test_details_json_and_site_have_the_verdicts(board: Board, three_methods: list[ResultRecord]) -> None:
    table = tabulate(board, StoreContents(three_methods))
    text = write_details(table, "md")
    line, *_ = [line for line in text.splitlines() if line.startswith("| hard")]  # of the first table
    heads = [cell.strip().replace("\\", "") for cell in text.splitlines()[2].split("|")]
    cells = dict(zip(heads, (cell.strip() for cell in line.split("|")), strict=True))
    assert (cells["vs single_task"], cells["vs best"]) == ("worse", "worse")
    assert "equivalent where it is within 5 % of error" in text
    by_method = {row["method"]: row for row in json.loads(format_table(table, "json"))["statistics"]}
    found = by_method["hard"]["contrasts"]["reference"]
    assert (found["against"], found["verdict"], found["seeds"], found["family"]) == ("single_task", "worse", 5, 1)
    assert found["p_different"] < 0.05 < found["p_equivalent"]
    assert by_method["single_task"]["contrasts"] == {}
    grid = board_grid(
        Shown("toy", table, committed=True), Addresses(["toy"], {"single_task": {"toy"}, "hard": {"toy"}})
    )
    at = [head.top for head in grid.heads].index("vs single_task")
    assert [[cell.text for cell in line.cells[at : at + 2]] for line in grid.lines] == [["—", "leads"], ["worse"] * 2]
    assert [line.best for line in grid.lines] == [True, False]


def test_csv_has_no_verdicts(board: Board, three_methods: list[ResultRecord]) -> None:
    text = format_table(tabulate(board, StoreContents(three_methods)), "csv")
    assert not [word for word in ("worse", "equivalent", "undecided", "detectable") if word in text]


@pytest.mark.parametrize(
    ("parameters", "state", "twin"),
    [(105, "valid", "single_task_narrow"), (200, "valid", None), (105, "reported", None)],
)
def test_the_twin_of_a_board_is_a_checked_model_of_the_same_size(
    make_record: Callable[..., ResultRecord], parameters: int, state: str, twin: str | None
) -> None:
    """A control, which is not ranked itself; half as large, or seen by nobody, it is no twin."""
    rest = {"forward_flops": 1, "step_ms": 1.0, "train_seconds": 1.0, "peak_memory_mb": 1.0, "hardware": "cpu"}
    sizes = {"single_task": 200, "hard": parameters, "single_task_narrow": 100}
    records = [
        make_record(name, seed, {"left": 90.0 + at + seed / 10}, cost=Cost(parameters=sizes[name], **rest))
        for at, name in enumerate(sizes)
        for seed in range(5)
    ]
    board = Board(
        name="toy", title="T", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-4", controls=["narrow"]
    )
    states = {"single_task": "valid", "hard": "valid", "single_task_narrow": state}
    found = analyse(select_records(board, records), states=states).standings.methods
    assert found.keys() == {"single_task", "hard"}
    contrast = found["hard"].contrasts.get("twin")
    assert (contrast.other if contrast else None) == twin
    if contrast:
        assert contrast.verdict == "worse"
        assert contrast.estimate.mean < 0 < found["hard"].change.mean
