import math
import warnings

import numpy as np
import pytest
from scipy import stats

from bench.scores import Metric
from leaderboard.analysis.results import collect_cells
from leaderboard.analysis.statistics import (
    Column,
    change_matrix,
    changes,
    delta_flat,
    delta_log,
    delta_task,
    gains,
    interval,
    replace_reference,
)
from leaderboard.boards.board import board_of_suite
from leaderboard.boards.record_selection import select_records


@pytest.mark.parametrize("n", [3, 5, 10, 40])
def test_interval_is_the_one_sample_t_interval(n):
    sample = np.random.default_rng(n).normal(3.0, 2.0, n)
    found = interval(sample)
    expected = stats.ttest_1samp(sample, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert (found.mean, found.n) == (pytest.approx(sample.mean()), n)


def test_interval_of_known_numbers():
    # mean 3, s = sqrt(2.5), t_{.975, 4} = 2.776445105
    found = interval(np.array([1.0, 2.0, np.nan, 3.0, 4.0, 5.0]))
    assert found.n == 5
    assert found.mean == 3.0
    assert found.high - 3.0 == pytest.approx(2.7764451052 * math.sqrt(2.5 / 5), abs=1e-9)


def test_few_values_have_no_interval():
    one, none = interval(np.array([np.nan, 4.0])), interval(np.array([np.nan]))
    two = interval(np.array([1.0, np.nan, 2.0]))
    assert (two.mean, two.low, two.high, two.n) == (1.5, None, None, 2)  # it would be [-4.9, 7.9]
    assert (one.mean, one.low, one.high, one.n) == (4.0, None, None, 1)
    assert math.isnan(none.mean)
    assert (none.low, none.n) == (None, 0)


NYU = [("segmentation", True)] * 2 + [("depth", False)] * 2 + [("normals", False)] * 2 + [("normals", True)] * 3
NYU_COLUMNS = [Column(task, Metric(f"m{index}", higher)) for index, (task, higher) in enumerate(NYU)]
SINGLE = np.array([[38.30, 63.76, 0.6754, 0.2780, 25.01, 19.21, 30.14, 57.20, 69.15]])
EQUAL = np.array([[39.29, 65.33, 0.5493, 0.2263, 28.15, 23.96, 22.09, 47.50, 61.08]])
MGDA = np.array([[30.47, 59.90, 0.6070, 0.2555, 24.88, 19.45, 29.18, 56.88, 69.36]])


def test_the_two_definitions_disagree_on_the_published_rows():
    # published with lower better, here higher is better
    published = {"flat": (5.59, 1.38), "task": (-0.88, 1.66)}
    for row, flat, task in zip((EQUAL, MGDA), *published.values(), strict=True):
        assert -delta_flat(row, SINGLE, NYU_COLUMNS)[0] == pytest.approx(flat, abs=0.006)
        assert -delta_task(row, SINGLE, NYU_COLUMNS)[0] == pytest.approx(task, abs=0.006)


def test_definitions_agree_with_one_metric_per_task_and_flip_with_direction():
    rng = np.random.default_rng(0)
    values, reference = rng.uniform(1, 2, (4, 3)), rng.uniform(1, 2, (4, 3))
    up = [Column(task, Metric("m", True)) for task in "abc"]
    down = [Column(task, Metric("m", False)) for task in "abc"]
    np.testing.assert_allclose(delta_flat(values, reference, up), delta_task(values, reference, up), rtol=1e-12)
    np.testing.assert_allclose(delta_flat(values, reference, up), -delta_flat(values, reference, down), rtol=1e-12)


def test_no_ratio_is_taken_of_a_reference_that_is_not_positive():
    column = [Column("a", Metric("m", True))]
    change = delta_flat(np.array([[1.0], [1.0], [3.0]]), np.array([[0.0], [-1.0], [2.0]]), column)
    np.testing.assert_array_equal(change, [np.nan, np.nan, 50.0])


def test_no_ratio_is_taken_of_a_reference_next_to_zero():
    """Its square would run over, and the interval of three of them would be infinite."""
    column = [Column("a", Metric("m", True))]
    change = delta_flat(np.array([[1.0], [1.0], [3.0]]), np.array([[1e-300], [5e-324], [2.0]]), column)
    np.testing.assert_array_equal(change, [np.nan, np.nan, 50.0])


def test_delta_log_is_antisymmetric_and_counts_errors():
    # 96 to 95 % accuracy is 25 % more error
    assert delta_log(np.array([[0.05]]), np.array([[0.04]]))[0] == pytest.approx(-math.log(1.25))
    a, b = np.array([[0.1, 0.3]]), np.array([[0.2, 0.1]])
    assert delta_log(a, b)[0] == pytest.approx(-delta_log(b, a)[0])
    assert delta_log(a, a)[0] == 0.0


def test_gains_are_the_terms_of_delta_log(make_cells):
    data = make_cells(np.random.default_rng(0).uniform(0.1, 0.5, (3, 4, 2)))
    np.testing.assert_allclose(gains(data).mean(axis=2), change_matrix(data), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(gains(data)[0], np.zeros((4, 2)))
    assert np.isnan(gains(replace_reference(data, "elsewhere"))).all()


def test_another_reference_shifts_delta_log_by_its_own_change(make_cells):
    data = make_cells(np.random.default_rng(0).uniform(0.1, 0.5, (3, 4, 2)))
    shifted = change_matrix(data) - change_matrix(data)[1]
    np.testing.assert_allclose(change_matrix(replace_reference(data, "hard")), shifted, rtol=1e-9, atol=1e-15)
    assert data.board.reference == "single_task"
    np.testing.assert_array_equal(
        change_matrix(replace_reference(data, "hard"), "delta_flat")[2],
        delta_flat(data.values_of("m2"), data.values_of("hard"), data.columns),
    )


def test_an_unknown_change_is_one_sentence(make_cells):
    with pytest.raises(ValueError, match=r"`change` should be one of delta_flat, delta_task, delta_log\. Found `x`\."):
        change_matrix(make_cells(np.ones((2, 2, 1))), "x")


def test_array_status_and_paired_changes(three_methods):
    board = board_of_suite("toy", three_methods)
    data = collect_cells(board, select_records(board, three_methods).records)
    assert board.methods == ["single_task", "cross_stitch", "hard"]
    assert data.values.shape == (3, 5, 2)
    assert [column.task for column in data.columns] == ["left", "right"]
    assert np.isnan(data.values_of("cross_stitch")[3:]).all()
    assert np.isfinite(data.values_of("cross_stitch")[:3]).all()
    assert [data.status(method) for method in board.methods] == ["complete", "incomplete (3/5)", "complete"]
    np.testing.assert_array_equal(data.errors[2, 0], [0.06, 0.12])

    flat = changes(data, "hard")["delta_flat"]
    left, right = data.values_of("single_task").T
    np.testing.assert_allclose(flat, 50 * (-1 / left - 2 / right), rtol=1e-12)
    paired = stats.ttest_rel(
        np.log(data.errors[0]).mean(axis=1), np.log(data.errors[2]).mean(axis=1)
    ).confidence_interval()
    found = interval(changes(data, "hard")["delta_log"])
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high), rel=1e-9)
    assert interval(changes(data, "cross_stitch")["delta_log"]).n == 3
    np.testing.assert_array_equal(changes(data, "single_task")["delta_task"], np.zeros(5))


def test_an_unpaired_seed_takes_no_part(make_record):
    records = [make_record(seed=seed) for seed in (0, 1)] + [make_record("hard", seed) for seed in (1, 2)]
    board = board_of_suite("toy", records)
    data = collect_cells(board, select_records(board, records).records)
    np.testing.assert_array_equal(changes(data, "hard")["delta_flat"], [np.nan, 0.0, np.nan])


def test_a_missing_task_is_a_missing_cell(make_record):
    kinds = {"left": "classification", "depth": "regression"}
    whole, part = {"left": 90.0, "depth": 0.5}, {"left": 92.0}
    records = [make_record(seed=0, values=whole, kinds=kinds), make_record("hard", 0, part, kinds)]
    board = board_of_suite("toy", records)
    data = collect_cells(board, select_records(board, records).records)
    assert data.status("hard") == "incomplete (0/1)"
    assert all(np.isnan(change).all() for change in changes(data, "hard").values())


def test_overrides_failures_and_old_versions_never_enter(make_record):
    records = [
        make_record(seed=0, version=2),
        make_record(seed=1, version=1),
        make_record("hard", 0, version=2),
        make_record("hard", 1, version=2, overrides={"lr": 1.0}),
        make_record("hard", 1, version=2, failed=True),
        make_record("hard", 0, version=2, versions={"suite/toy": 1, "sharing/x": 0}),
        make_record("hard", 0, version=2, data="another"),
        make_record("hard", 0, version=2, versions={"suite/toy": 0, "sharing/x": 9}),
    ]
    for order in (records, records[::-1]):
        chosen = select_records(board_of_suite("toy", order), order)
        assert chosen.records == {("single_task", 0): records[0], ("hard", 0): records[2]}
        text = "\n".join(chosen.notes)
        assert "1 record left out: with overrides" in text
        assert "2 records left out: of an older protocol or suite version" in text
        assert "1 record left out: of another protocol or data checksum" in text
        assert "1 record left out: of an older version of `hard`" in text
        assert "Failed run, not counted: `hard`, seed 1: Diverged" in text


def test_an_empty_board_has_no_numbers_and_no_warnings(make_record):
    board = board_of_suite("toy", [make_record(failed=True)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = collect_cells(board, {})
        assert data.status("single_task") == "missing"
        assert data.columns == []
        assert all(np.isnan(change).all() for change in changes(data, "single_task").values())
