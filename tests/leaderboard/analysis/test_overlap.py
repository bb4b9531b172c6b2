"""Boards whose seeds are random splits of the same rows: intervals, tests, ranks and notes."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from leaderboard.analysis.standings import rank_methods
from leaderboard.analysis.statistics import corrected_interval, find_ties, interval, paired_t, rank_intervals
from leaderboard.boards.board import Board
from leaderboard.report.details import write_details
from leaderboard.report.formats import format_table, write_notes
from leaderboard.report.statistics_json import write_standings
from leaderboard.report.table import tabulate
from leaderboard.store import StoreContents
from tests.leaderboard.conftest import protocol

SPLITS = {"train": 75, "test": 25}
OVERLAPPING = {"overlapping": True, "splits": SPLITS | {"val": 1}}
METHODS = ["single_task", "hard", "good"]


def test_the_test_uses_the_variance_of_the_interval():
    """p is 0.05 where the corrected interval ends at 0."""
    sample = np.random.default_rng(0).normal(0.4, 1.0, 10)
    assert interval(sample, overlap=1 / 3) == corrected_interval(sample, 1 / 3)
    half = corrected_interval(sample, 1 / 3).high - sample.mean()
    assert paired_t(sample - sample.mean() + half, 1 / 3) == pytest.approx(0.05)
    assert paired_t(sample) == pytest.approx(stats.ttest_1samp(sample, 0).pvalue)
    assert paired_t(sample, 1 / 3) > paired_t(sample)


def test_false_findings_over_splits_are_as_rare_as_is_said():
    generator = np.random.default_rng(0)
    common = generator.normal(0, 0.5, (4000, 1))
    samples = common + generator.normal(0, math.sqrt(0.75), (4000, 10))
    corrected, plain = (np.mean([paired_t(s, overlap) <= 0.05 for s in samples]) for overlap in (1 / 3, 0.0))
    assert 0.035 <= corrected <= 0.065
    assert plain > 0.15


@pytest.fixture
def data(make_cells):
    """`good` is better in every seed, by an amount that the plain test believes and the corrected one does not."""
    noise = np.random.default_rng(1).normal(0, 1, (3, 10, 1))
    errors = np.exp(0.05 * noise + np.array([0.0, 0.0, -0.06])[:, None, None])
    return make_cells(errors, METHODS)


def test_standings_of_splits_that_overlap(data):
    plain = rank_methods(data, METHODS)
    found = rank_methods(
        replace(data, protocol=protocol({"t0": "regression"}, splits=OVERLAPPING["splits"], overlapping=True)), METHODS
    )
    change = np.log(data.errors[0] / data.errors[2])[:, 0]
    good = found.methods["good"]
    assert good.change == corrected_interval(change, 1 / 3)
    assert plain.methods["good"].verdict == "better"
    assert good.verdict == "undecided"
    assert good.comparisons["single_task"].p == pytest.approx(paired_t(change, 1 / 3))
    assert (good.rank.low, plain.methods["good"].rank.low) == (None, 1.0)
    assert math.isnan(good.max_t["single_task"])
    assert good.worst.gain == good.change
    row = next(row for row in write_standings(found) if row["method"] == "good")
    assert row["p_max_t"] == {"single_task": None, "hard": None}


def test_ties_are_wider_and_ranks_have_no_interval(data):
    changes = np.log(data.errors[:1] / data.errors)[:, :, 0]
    assert len(find_ties(changes).groups()) == 2
    assert (
        find_ties(changes, overlap=1 / 3).groups() == [[2, 1, 0]]
        or len(find_ties(changes, overlap=1 / 3).groups()) == 1
    )
    found = rank_intervals(changes, np.random.default_rng(0), overlap=1 / 3)
    assert [one.low for one in found] == [None] * 3
    assert sorted(one.mean for one in found) == [1.0, 2.0, 3.0]


def records(make_record, **changed):
    generator = np.random.default_rng(0)
    return [
        make_record(
            method,
            seed,
            {"all": 2.0 - 0.2 * at + 0.02 * generator.standard_normal()},
            {"all": "regression"},
            changed=changed,
        )
        for at, method in enumerate(METHODS)
        for seed in range(5)
    ]


def test_a_table_says_that_its_splits_overlap(make_record):
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=METHODS, seeds="0-4")
    plain = tabulate(board, StoreContents(records(make_record), [], None))
    found = tabulate(board, StoreContents(records(make_record, **OVERLAPPING), [], None))
    assert "Student t intervals over seeds" in write_notes(plain)[0]
    assert write_notes(found)[0].startswith("mean [low, high]: 95 % t intervals over seeds")
    assert "1/n + 0.333, the test rows per training row" in write_notes(found)[0]
    one, two = (next(row for row in table.rows if row.method == "good") for table in (plain, found))
    assert one.mean == two.mean
    assert (two.ci_high - two.mean) / (one.ci_high - one.mean) == pytest.approx(math.sqrt((1 / 5 + 1 / 3) * 5))
    assert not any("bootstrap" in note for note in write_notes(found))
    assert "not told apart" in write_details(found)
    assert json.loads(format_table(found, "json"))["statistics"]


def test_a_table_of_cross_validated_strengths_says_so(make_record):
    from leaderboard.report.footnotes import CHOSEN, RULES

    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=METHODS, seeds="0-4")
    chosen = [
        record.model_copy(update={"statistics": {"val": record.statistics["val"]}})
        for record in records(make_record, selection="cv")
    ]
    assert f"Selection {CHOSEN}; all numbers are on the test split." in write_notes(
        tabulate(board, StoreContents(chosen, [], None))
    )
    plain = tabulate(board, StoreContents(records(make_record), [], None))
    assert f"Selection {RULES['val']}; all numbers are on the test split." in write_notes(plain)
