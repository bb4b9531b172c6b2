"""Ranks: laws, cases with a known order, and scipy."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from leaderboard.analysis.statistics import (
    change_matrix,
    compare_pairs,
    find_ties,
    holm,
    kendall_tau,
    paired_t,
    rank_intervals,
    ranks,
    sensitivity,
)

SEEDS = 12
NOISE = np.random.default_rng(0).normal(0, 1, (4, SEEDS))


def spread(*means: float) -> np.ndarray:
    """[method, seed] changes with these means and noise of deviation about 1."""
    return np.array(means)[:, None] + NOISE[: len(means)] - NOISE[: len(means)].mean(axis=1, keepdims=True)


def test_ranks_are_scipys_from_the_top():
    scores = np.array([[3.0, 1.0, 3.0, 7.0], [0.0, 0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(ranks(scores), stats.rankdata(-scores, axis=1))
    np.testing.assert_array_equal(ranks(np.array([1.0, np.nan, 2.0])), [2, np.nan, 1])


def test_rank_intervals_of_a_clear_order_are_points_and_of_a_tie_are_not():
    found = rank_intervals(spread(100.0, 0.0, 0.1, -100.0), np.random.default_rng(0))
    assert [(one.mean, one.low, one.high, one.n) for one in found] == [
        (1.0, 1.0, 1.0, SEEDS),
        (3.0, 2.0, 3.0, SEEDS),
        (2.0, 2.0, 3.0, SEEDS),
        (4.0, 4.0, 4.0, SEEDS),
    ]


def test_rank_intervals_keep_runs_paired():
    luck = np.random.default_rng(1).normal(0, 100, SEEDS)
    found = rank_intervals(spread(5.0, 0.0) + luck, np.random.default_rng(0))
    assert [(one.low, one.high) for one in found] == [(1.0, 1.0), (2.0, 2.0)]


def test_an_incomplete_method_is_not_ranked_and_takes_no_seed_from_the_others():
    changes = spread(3.0, 2.0, 1.0)
    changes[1, 2] = np.nan
    found = rank_intervals(changes, np.random.default_rng(0))
    assert [(one.mean, one.n) for one in found if not math.isnan(one.mean)] == [(1.0, SEEDS), (2.0, SEEDS)]
    assert (found[1].low, found[1].n) == (None, SEEDS - 1)
    assert find_ties(spread(300.0, 0.0, -300.0) + np.where(np.isnan(changes), np.nan, 0.0)).groups() == [[0], [2]]
    changes[:, 5] = np.nan  # a seed without reference
    assert [one.n for one in rank_intervals(changes, np.random.default_rng(0))] == [SEEDS - 1, SEEDS - 2, SEEDS - 1]


@pytest.mark.parametrize("n", [2, 9, 10])
def test_ranks_of_few_seeds_have_no_interval(n):
    found = rank_intervals(spread(5.0, 0.0)[:, :n], np.random.default_rng(0))
    assert [rank.mean for rank in found] == [1.0, 2.0]
    assert [(rank.low, rank.high) for rank in found] == ([(1.0, 1.0), (2.0, 2.0)] if n >= 10 else [(None, None)] * 2)


def test_rank_intervals_are_the_same_whatever_fits_into_memory(monkeypatch):
    changes = np.random.default_rng(5).normal(0, 1, (7, SEEDS))
    whole = rank_intervals(changes, np.random.default_rng(0))
    monkeypatch.setattr("leaderboard.analysis.statistics.ranking.DRAWN", 1000)
    assert rank_intervals(changes, np.random.default_rng(0)) == whole


def test_one_seed_has_ranks_without_intervals_and_none_has_nothing():
    one = rank_intervals(np.array([[1.0], [2.0]]), np.random.default_rng(0))
    assert [(rank.mean, rank.low) for rank in one] == [(2.0, None), (1.0, None)]
    assert find_ties(np.array([[1.0], [2.0]])).groups() == [[1, 0]]
    none = np.full((2, 3), np.nan)
    assert [math.isnan(rank.mean) for rank in rank_intervals(none, np.random.default_rng(0))] == [True, True]
    assert find_ties(none).groups() == []


def test_pairwise_is_holm_over_paired_t_tests():
    changes = spread(0.0, 1.0, 3.0)
    found = compare_pairs(changes)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = holm(np.array([paired_t(changes[a] - changes[b]) for a, b in pairs]))
    np.testing.assert_array_equal([found[pair] for pair in pairs], expected)
    np.testing.assert_array_equal(found, found.T)


def test_kendall_tau_is_scipys():
    generator = np.random.default_rng(0)
    for _ in range(10):
        a, b = generator.integers(0, 5, (2, 8))
        assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, rel=1e-12)
    assert math.isnan(kendall_tau(np.ones(4), np.arange(4.0)))


def test_sensitivity_to_the_definition_of_the_change(make_cells):
    # one task is halved and the other grows by a half, against two that grow by a tenth: ratios and logs disagree
    factors = np.array([[1.0, 1.0], [0.5, 1.9], [1.1, 1.1], [0.9, 0.9]])
    data = make_cells(np.repeat(factors[:, None], 5, axis=1))
    found = sensitivity(data)
    assert found.methods == ["single_task", "hard", "m2", "m3"]
    np.testing.assert_array_equal(found.ranks["delta_flat"], [2, 4, 3, 1])
    for name, rank in found.ranks.items():
        np.testing.assert_array_equal(rank, ranks(change_matrix(data, name).mean(axis=1)))
    assert found.tau["delta_flat", "delta_task"] == 1.0
    assert found.tau["delta_flat", "delta_log"] == pytest.approx(
        stats.kendalltau(found.ranks["delta_flat"], found.ranks["delta_log"]).statistic
    )
    assert set(found.tau) == {
        ("delta_flat", "delta_task"),
        ("delta_flat", "delta_log"),
        ("delta_task", "delta_log"),
    }


def test_sensitivity_leaves_incomplete_methods_and_absent_changes_out(make_cells):
    errors = np.random.default_rng(0).uniform(0.1, 0.5, (3, 4, 2))
    errors[2, 1] = np.nan
    assert sensitivity(make_cells(errors)).methods == ["single_task", "hard"]
    nothing = sensitivity(make_cells(np.full((2, 4, 2), np.nan)))
    assert nothing.methods == []
    assert math.isnan(nothing.tau["delta_flat", "delta_log"])
    data = replace(make_cells(errors[:2]), values=np.zeros((2, 4, 2)))
    assert sensitivity(data).methods == ["single_task", "hard"]
    assert np.isnan(sensitivity(data).ranks["delta_flat"]).all()
    assert sorted(sensitivity(data).ranks["delta_log"]) == [1, 2]
