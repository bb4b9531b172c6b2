"""The parts of a change's noise: the analysis of variance by hand, and simulations whose parts are known."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.records import ResultRecord
from leaderboard.analysis.statistics import change_matrix, interval
from leaderboard.analysis.variance import VarianceParts, compare_splits, estimate_parts, find_split_suites
from leaderboard.boards.board import Board
from leaderboard.report.split_changes import write_split_changes
from leaderboard.report.table import Table, tabulate
from leaderboard.store import StoreContents
from tests.leaderboard.conftest import build_record

DRAWS = 3000
MEAN = 0.1


def parts_of(values: Any, overlap: float = 0.0) -> VarianceParts:
    parts = estimate_parts([np.asarray(each, dtype=float) for each in values], overlap)
    assert parts is not None
    return parts


def draw(
    generator: np.random.Generator, sizes: list[int], split: float, seed: float, correlation: float = 0.0
) -> list[np.ndarray]:
    """Changes [seed] of every split; what splits add has this correlation between any two of them."""
    common = math.sqrt(correlation) * generator.standard_normal()
    own = common + math.sqrt(1 - correlation) * generator.standard_normal(len(sizes))
    return [MEAN + split * s + seed * generator.standard_normal(size) for s, size in zip(own, sizes, strict=True)]


@pytest.mark.parametrize("sizes", [[5] * 6, [2, 3, 5, 9, 4, 7]], ids=["balanced", "unbalanced"])
def test_known_parts_are_found_and_the_mean_is_covered_where_one_split_is_not_enough(sizes: list[int]) -> None:
    generator, split, seed = np.random.default_rng(5), 0.2, 0.1
    estimates, covered, alone = [], 0, 0
    for _ in range(DRAWS):
        values = draw(generator, sizes, split, seed)
        parts, one = parts_of(values), interval(values[-1])
        estimates.append((parts.split**2, parts.seed**2))
        assert parts.mean.low is not None
        assert parts.mean.high is not None
        assert one.low is not None
        assert one.high is not None
        covered += parts.mean.low <= MEAN <= parts.mean.high
        alone += one.low <= MEAN <= one.high
    assert np.mean(estimates, axis=0) == pytest.approx([split**2, seed**2], rel=0.05)
    assert covered / DRAWS == pytest.approx(0.95, abs=0.013)
    assert alone / DRAWS < 0.6


@pytest.mark.parametrize("seed", [0.05, 0.4])
def test_splits_of_the_same_rows_are_covered_with_the_correction_only(seed: float) -> None:
    """Correlation o / (1 + o), for which the correction of Nadeau and Bengio is exact."""
    generator, overlap, covered = np.random.default_rng(8), 0.4, np.zeros(2)
    for _ in range(DRAWS):
        values = draw(generator, [10] * 8, 0.2, seed, overlap / (1 + overlap))
        for at, each in enumerate((parts_of(values), parts_of(values, overlap))):
            assert each.mean.low is not None
            assert each.mean.high is not None
            covered[at] += each.mean.low <= MEAN <= each.mean.high
    plain, corrected = covered / DRAWS
    assert plain < 0.88
    assert 0.93 <= corrected <= 0.97


def test_balanced_parts_are_those_of_the_analysis_of_variance() -> None:
    values = 3 * np.random.default_rng(0).normal(size=(4, 1)) + np.random.default_rng(1).normal(size=(4, 6))
    parts = parts_of(values)
    mean_square = values.var(axis=1, ddof=1).mean()
    f = stats.f_oneway(*values).statistic
    assert parts.seed**2 == pytest.approx(mean_square)
    assert parts.split**2 == pytest.approx(mean_square * (f - 1) / 6)
    assert parts.mean == interval(values.mean(axis=1))
    assert parts.seeds == (6, 6)


def test_the_interval_with_an_overlap_by_hand() -> None:
    values, overlap = np.array([[0.0, 0.2], [1.0, 1.4], [2.0, 2.0]]), 0.5
    parts = parts_of(values, overlap)
    s2, ms = values.mean(axis=1).var(ddof=1), values.var(axis=1, ddof=1).mean()
    first, second = s2 * (1 / 3 + overlap), overlap * ms / 2
    assert parts.split**2 == pytest.approx(s2 - ms / 2)
    freedom = (first - second) ** 2 / (first**2 / 2 + second**2 / 3)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(first - second)
    assert (parts.mean.low, parts.mean.high) == pytest.approx((1.1 - half, 1.1 + half))


def test_where_splits_add_nothing_their_part_is_zero_and_the_overlap_takes_no_part() -> None:
    """Every split has the same mean, which noise of seeds alone would hardly give."""
    values = np.tile(np.array([0.0, 1.0, 2.0]), (4, 1))
    parts = parts_of(values, 0.4)
    assert (parts.split, parts.seed) == (0.0, 1.0)
    assert (parts.mean.low, parts.mean.high) == (1.0, 1.0)


def test_what_too_few_runs_cannot_tell() -> None:
    assert estimate_parts([np.arange(3.0)]) is None
    assert estimate_parts([np.arange(3.0), np.array([np.nan])]) is None
    two = parts_of([[0.0, 1.0], [2.0, np.nan]])
    assert (two.mean.mean, two.mean.low, two.mean.n, two.seeds) == (1.25, None, 2, (1, 2))
    lone = parts_of([[0.0], [1.0], [2.0]])
    assert math.isnan(lone.split)
    assert math.isnan(lone.seed)
    assert lone.mean == interval(np.arange(3.0))


# --- from records ------------------------------------------------------------------------------

BOARD = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-2")


def on_split(number: int, method: str, seed: int, errors: float) -> ResultRecord:
    """A record of the suite `toy:size=1`, or of `toy:size=1,split=number`; `errors` in per cent."""
    record = build_record(method, seed, {"left": 100 - errors}, data=f"d{number}")
    if not number:
        return record
    spec = record.spec.vary(suite=f"toy:size=1,split={number}")
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id, "suite": f"toy:split={number}"}).seal()


def records_of(splits: int) -> list[ResultRecord]:
    errors = np.random.default_rng(2).integers(4, 20, (splits, 2, 3))
    return [
        on_split(number, method, seed, float(errors[number, at, seed]))
        for number in range(splits)
        for at, method in enumerate(BOARD.methods)
        for seed in range(3)
    ]


def table_of(records: list[ResultRecord]) -> Table:
    return tabulate(BOARD, StoreContents(records, []))


def test_suites_are_found_by_the_option_in_the_order_of_its_number() -> None:
    records = [on_split(number, "hard", 0, 5.0) for number in (11, 2, 0)]
    names = ["toy:size=1", "toy:size=1,split=2", "toy:size=1,split=11"]
    assert find_split_suites("toy:size=1", records) == find_split_suites("toy:size=1,split=2", records) == names
    assert find_split_suites("toy:size=2", records) == []


def test_changes_of_all_splits_come_together_and_the_board_stays_its_own() -> None:
    records = records_of(4)
    table = table_of(records)
    [(method, parts)] = compare_splits(table.results, records).items()
    logs = np.log(
        [
            [
                100 - records[6 * k + s].scores["val"]["left"]["accuracy"],
                100 - records[6 * k + 3 + s].scores["val"]["left"]["accuracy"],
            ]
            for k in range(4)
            for s in range(3)
        ]
    )
    expected = parts_of((logs[:, 0] - logs[:, 1]).reshape(4, 3))
    assert method == "hard"
    assert (parts.split, parts.seed, parts.mean.mean) == pytest.approx(
        (expected.split, expected.seed, expected.mean.mean)
    )
    assert change_matrix(table.results.cells).shape == (2, 3)
    assert table.results.cells.errors[1, 0, 0] == pytest.approx(np.exp(logs[0, 1]) / 100)


def test_one_split_has_no_parts_and_no_text() -> None:
    records = records_of(1)
    assert compare_splits(table_of(records).results, records) == {}
    assert write_split_changes(table_of(records), records) == ""
    assert compare_splits(table_of([]).results, []) == {}


@pytest.mark.parametrize("format", ["text", "md"])
def test_the_text_has_both_intervals_and_both_deviations(format: str) -> None:
    records = records_of(3)
    text = write_split_changes(table_of(records), records, format, overlap=0.4)
    parts = compare_splits(table_of(records).results, records, 0.4)["hard"]
    assert "3 x 3" in text
    assert f"{parts.split:.3f}" in text
    assert f"{parts.seed:.3f}" in text
    assert f"{parts.mean.mean:+.3f}" in text
    assert "1/K + 0.400" in " ".join(text.split())
    assert "Nadeau" not in write_split_changes(table_of(records), records, format)
