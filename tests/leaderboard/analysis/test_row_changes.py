"""Changes with test rows as random: from bits to numbers, and when there are none."""

from typing import Any

import numpy as np
import pytest

from bench.records import CorrectRows, ResultRecord
from leaderboard.analysis.results import Results
from leaderboard.analysis.row_changes import ALL_TASKS, compare_rows
from leaderboard.analysis.statistics import crossed_interval, gather_units, interval
from leaderboard.boards.board import Board
from leaderboard.report.row_changes import write_row_changes
from leaderboard.report.table import Table, tabulate
from leaderboard.store import StoreContents
from tests.leaderboard.conftest import ROWS, build_record

METHODS, TASKS, SEEDS = ("single_task", "hard"), ("left", "right"), 4
BOARD = Board(name="toy", title="Toy", version=1, suite="toy", methods=list(METHODS), seeds=f"0-{SEEDS - 1}")
HARD = np.random.default_rng(1).standard_normal((2, ROWS))  # how hard each row is for each task, whatever the method


def right_of(method: str, seed: int) -> dict[str, np.ndarray]:
    """task -> bool [row]: rows that are hard are hard in every seed, and each method has its own taste."""
    generator = np.random.default_rng([METHODS.index(method), seed])
    taste = np.random.default_rng(METHODS.index(method)).standard_normal((2, ROWS))
    return dict(zip(TASKS, HARD + taste + generator.standard_normal((2, ROWS)) < 1.5, strict=True))


def record_of(method: str, seed: int, bits: bool = True, **more: Any) -> ResultRecord:
    """A sound record whose statistics count these rows."""
    right = right_of(method, seed)
    rows = {task: CorrectRows.pack(each) for task, each in right.items()} if bits else {}
    values = {task: 100 * float(each.mean()) for task, each in right.items()}
    return build_record(method, seed, values, correct_rows=rows, **more)


def table_of(records: list[ResultRecord], rule: Any = "val") -> Table:
    return tabulate(BOARD, StoreContents(records, []), rule)


@pytest.fixture(scope="module")
def results() -> Results:
    records = [record_of(method, seed) for method in METHODS for seed in range(SEEDS)]
    assert [record.find_problems() for record in records] == [[]] * len(records)
    return table_of(records).results


def test_accuracies_are_those_of_the_bits_and_their_interval_counts_rows(results: Results) -> None:
    points = {
        task: np.array(
            [100.0 * right_of("hard", s)[task] - 100.0 * right_of("single_task", s)[task] for s in range(SEEDS)]
        )
        for task in TASKS
    }
    left, right, _ = compare_rows(results)
    for change, task in ((left, "left"), (right, "right")):
        assert (change.method, change.task, change.units) == ("hard", task, ROWS)
        assert change.over_seeds == interval(points[task].mean(axis=1))
        assert change.over_both == crossed_interval(points[task])
        assert change.over_seeds.low is not None
        assert change.over_both.low is not None
        assert change.over_both.low < change.over_seeds.low


def test_delta_log_is_that_of_the_table_over_seeds(results: Results) -> None:
    whole = compare_rows(results)[-1]
    row = results.change_rows["hard"]["delta_log"]
    assert whole.task == ALL_TASKS
    assert (whole.over_seeds.mean, whole.over_seeds.low) == pytest.approx((row.mean, row.ci_low), rel=1e-9)
    assert whole.over_both.mean == pytest.approx(row.mean, rel=1e-9)


def test_the_variance_of_delta_log_by_rows_is_that_of_the_rows_drawn_again(results: Results) -> None:
    """The delta method against a bootstrap of rows, with the seeds as they are."""
    rows, generator = np.arange(ROWS), np.random.default_rng(0)
    right = {method: np.array([list(right_of(method, s).values()) for s in range(SEEDS)]) for method in METHODS}

    def change(rows: np.ndarray) -> float:
        errors = {method: 1 - each[..., rows].mean(axis=2) for method, each in right.items()}  # [seed, task]
        return float(np.log(errors["single_task"] / errors["hard"]).mean())

    drawn = [change(generator.choice(rows, ROWS)) for _ in range(400)]
    both, seeds = compare_rows(results)[-1].over_both, compare_rows(results)[-1].over_seeds
    assert both.low is not None
    assert seeds.low is not None
    # Rows drawn again also draw what a row and a seed do together, so that their variance is no less than V - V_seeds.
    spread = both.mean - both.low
    assert np.std(drawn) * 1.7 < spread < np.hypot(np.std(drawn) * 2.3, seeds.mean - seeds.low)


def test_units_take_the_place_of_rows_and_tasks_share_them(results: Results) -> None:
    units = {"left": np.arange(ROWS) // 4, "right": np.arange(ROWS) % (ROWS // 4)}
    left, _, whole = compare_rows(results, units)
    points = np.array(
        [100.0 * right_of("hard", s)["left"] - 100.0 * right_of("single_task", s)["left"] for s in range(4)]
    )
    assert left.units == whole.units == ROWS // 4
    assert left.over_both == crossed_interval(gather_units(points, units["left"], ROWS // 4))
    assert left.over_seeds == compare_rows(results)[0].over_seeds


def test_units_of_another_split_are_not_used(results: Results) -> None:
    assert compare_rows(results, {"left": np.arange(3)})[0] == compare_rows(results)[0]


@pytest.mark.parametrize(
    ("records", "rule"),
    [
        ([record_of(method, seed, bits=False) for method in METHODS for seed in range(3)], "val"),
        ([record_of(method, seed) for method in METHODS for seed in range(3)], "last"),
        ([record_of(METHODS[0], seed) for seed in range(3)], "val"),
        (
            [record_of(method, seed, changed={"overlapping": True}) for method in METHODS for seed in range(3)],
            "val",
        ),
    ],
    ids=["no bits", "bits are of another rule", "no method", "random splits"],
)
def test_there_are_none(records: list[ResultRecord], rule: str) -> None:
    table = table_of(records, rule)
    assert compare_rows(table.results) == []
    assert write_row_changes(table) == ""


def test_rows_that_are_drawn_with_the_seed_are_not_crossed_with_it() -> None:
    """Another test split has other labels: here one row more of the second class."""
    records = [record_of(method, seed) for method in METHODS for seed in range(3)]
    states = {rule: dict(of_task) for rule, of_task in records[0].statistics.items()}
    [[right, wrong], _] = states["val"]["left"]["confusion"]
    states["val"]["left"] = {"confusion": [[right, wrong - 1], [1, 0]]}
    other = records[0].model_copy(update={"statistics": states})
    assert compare_rows(table_of(records).results)
    assert compare_rows(table_of([other, *records[1:]]).results) == []


def test_only_seeds_with_bits_of_both_count() -> None:
    records = [record_of(method, seed, bits=(method, seed) != ("hard", 2)) for method in METHODS for seed in range(4)]
    assert {change.over_seeds.n for change in compare_rows(table_of(records).results)} == {3}


@pytest.mark.parametrize("format", ["text", "md"])
def test_both_intervals_stand_side_by_side(results: Results, format: str) -> None:
    table = Table(results, [], [], [])
    text = write_row_changes(table, format, {"left": np.arange(ROWS) // 2, "right": np.arange(ROWS) // 2})
    assert "over seeds and rows" in text
    assert "the 5,000 units of test rows" in " ".join(text.split())
    [line] = [line for line in text.splitlines() if "hard" in line and "log" in line]
    assert line.count("[") + line.count("\\[") >= 2
    assert "the 10,000 test rows are random" in " ".join(write_row_changes(table, format).split())
