"""Records in long form, held against the records and the board of the same runs."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from bench.records import ResultRecord
from bench.records.spec import Tuning
from leaderboard.analysis.results import analyse
from leaderboard.analysis.run_rows import RunRow, list_run_rows
from leaderboard.boards.board import board_of_suite
from leaderboard.boards.record_selection import select_records
from leaderboard.store.committed import read_committed_suite

Make = Callable[..., ResultRecord]


def test_a_run_has_a_row_for_each_task_and_metric(make_record: Make) -> None:
    record = make_record("hard", 3, {"left": 95.0, "depth": 0.5}, {"left": "classification", "depth": "regression"})
    left, depth = list_run_rows([record])
    assert (left.run_id, left.suite, left.method, left.seed) == (record.run_id, "toy", "hard", 3)
    assert (left.sharing, left.constraint, left.weighting) == ("hard", "", "uniform")
    assert (left.task, left.metric, left.unit, left.higher_is_better) == ("left", "accuracy", "%", True)
    assert (depth.task, depth.metric, depth.higher_is_better) == ("depth", "rmse", False)
    assert (left.value, depth.value) == (95.0, 0.5)
    assert (left.error, depth.error) == pytest.approx((0.05, 0.5))
    assert (left.selection, left.epoch, left.epochs, left.updates, left.protocol) == ("val", 3.0, 3, 6, 1)
    assert (left.status, left.failure, left.settings, left.search) == ("done", "", "", "")
    assert all(map(math.isnan, (left.reference_error, left.gain, left.parameters)))


def test_the_gain_is_paired_by_seed_and_settings(make_record: Make) -> None:
    records = [
        make_record("single_task", 0, {"left": 90.0}),
        make_record("single_task", 1, {"left": 80.0}),
        make_record("hard", 0, {"left": 95.0}),
        make_record("hard", 1, {"left": 60.0}),
        make_record("hard", 2, {"left": 95.0}),  # single-task was not run
        make_record("hard", 0, {"left": 95.0}, overrides={"lr": 0.5}, changed={"lr": 0.5}),  # nor here
        make_record("hard", 1, {"left": 60.0}, data="e" * 8),
    ]
    gains = [row.gain for row in list_run_rows(records)]
    assert gains == pytest.approx([0, 0, math.log(2), -math.log(2), *[math.nan] * 3], nan_ok=True)
    # References need not be among the runs.
    assert [row.gain for row in list_run_rows(records[2:3], references=records)] == pytest.approx([math.log(2)])


def test_rows_of_every_rule(make_record: Make) -> None:
    record = make_record("hard", 0, {"left": 95.0}, last={"left": 80.0})
    assert [(row.selection, row.value) for row in list_run_rows([record], None)] == [
        ("val", 95.0),
        ("per_task", 95.0),
        ("last", 80.0),
    ]
    assert [row.value for row in list_run_rows([record], "last")] == [80.0]


def test_runs_without_scores_have_rows_without_values(make_record: Make) -> None:
    failed = make_record("hard", 0, failed=True)
    rows = list(list_run_rows([failed]))
    assert [(row.task, row.metric, row.status, row.failure) for row in rows] == [
        (task, "accuracy", "failed", "Diverged: the loss was not finite") for task in ("left", "right")
    ]
    assert all(math.isnan(number) for row in rows for number in (row.value, row.error, row.gain, row.epoch))
    assert {row.selection for row in rows} == {""}
    trial = make_record("hard", 0, {"left": 95.0})
    spec = trial.spec.vary(tuning=Tuning(of="hard", trial=1, stage="trial"))
    trial = trial.model_copy(update={"spec": spec, "statistics": {}, "scores": {}, "validation": {"left": 0.25}})
    [row] = list_run_rows([trial])
    assert (row.search, row.validation_error) == ("trial", 0.25)
    assert math.isnan(row.value)


def test_settings_and_parts_are_named(make_record: Make) -> None:
    record = make_record("soft+l2@pcgrad", 0, {"left": 95.0}, overrides={"lr": 0.5, "epochs": 4})
    record = record.model_copy(update={"method": "soft+l2:halflife=10.0@pcgrad"})
    [row] = list_run_rows([record])
    assert row.settings == "epochs=4 lr=0.5"
    assert (row.sharing, row.constraint, row.weighting) == ("soft", "l2", "pcgrad")


@pytest.mark.parametrize("suite", ["scenes", "multimnist", "school"])
def test_committed_runs_cell_by_cell(suite: str) -> None:
    """Each value is that of its record, and the mean gain of a method is the Δ log of its board."""
    records = [record for record in read_committed_suite(suite) if record.suite == suite and not record.spec.overrides]
    rows = list(list_run_rows(records))
    kept = {record.run_id: record for record in records}
    assert len(rows) == sum(len(metrics) for record in records for metrics in record.scores["val"].values())
    for row in rows:
        record = kept[row.run_id]
        assert row.value == record.scores["val"][row.task][row.metric]
        assert record.cost
        assert (row.parameters, row.step_ms) == (record.cost.parameters, record.cost.step_ms)
        assert (row.epoch, row.method, row.seed) == (
            record.selection["val"][row.task],
            record.method,
            record.spec.seed,
        )
    results = analyse(select_records(board_of_suite(suite, records), records))
    for place, method in enumerate(results.board.methods):
        for column, seed in enumerate(results.board.seed_list):
            own = [row.gain for row in rows if (row.method, row.seed, row.primary) == (method, seed, True)]
            assert np.allclose(own, results.gains[place, column], rtol=0, atol=1e-13)


def test_fields_are_described() -> None:
    """Every column is named in the docstring, which docs/python.md shows."""
    assert [name for name in RunRow._fields if name not in str(RunRow.__doc__)] == []
