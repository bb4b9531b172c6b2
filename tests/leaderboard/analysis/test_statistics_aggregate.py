"""Aggregates over runs and tasks: against scipy and rliable, and cases counted by hand."""

import math

import numpy as np
import pytest
from rliable.library import create_performance_profile
from rliable.metrics import aggregate_iqm, aggregate_mean, probability_of_improvement
from scipy import stats

from leaderboard.analysis.statistics import (
    bootstrap_interval,
    interquartile_mean,
    interval,
    performance_profile,
    win_probability,
    worst_tasks,
)

SCORES = np.random.default_rng(2).integers(0, 9, (3, 7, 4)).astype(float)  # [method, seed, task], with ties


@pytest.mark.parametrize("count", [1, 3, 4, 7, 8, 10])
def test_interquartile_mean_is_the_trimmed_mean(count):
    scores = np.random.default_rng(count).exponential(size=count)
    assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25), rel=1e-12)


def test_point_estimates_are_rliables():
    assert interquartile_mean(SCORES[0]) == pytest.approx(aggregate_iqm(SCORES[0]), rel=1e-12)
    mean = bootstrap_interval(SCORES[0], np.random.default_rng(0), resamples=10).mean
    assert mean == pytest.approx(aggregate_mean(SCORES[0]), rel=1e-12)


def test_interquartile_mean_without_outliers_or_holes():
    assert interquartile_mean(np.array([[1.0, 1e9, 2.0], [3.0, -1e9, np.nan]])) == pytest.approx(2.0)
    assert math.isnan(interquartile_mean(np.array([np.nan])))


def test_performance_profile_is_rliables():
    thresholds = np.array([-1.0, 0.0, 3.0, 3.5, 8.0])
    expected, _ = create_performance_profile({"m": SCORES[1]}, thresholds, reps=2)
    found = performance_profile(SCORES, thresholds)
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found[1], expected["m"], rtol=1e-12)
    assert (np.diff(found) <= 0).all()


def test_performance_profile_counts_what_is_there():
    scores = np.array([[1.0, 2.0], [np.nan, 4.0]])
    np.testing.assert_allclose(performance_profile(scores, np.array([1.0, 3.0])), [2 / 3, 1 / 3])
    assert np.isnan(performance_profile(np.full((2, 2), np.nan), np.array([0.0]))).all()


def test_unpaired_win_probability_is_rliables():
    found = win_probability(SCORES, paired=False)
    for a in range(3):
        for b in range(3):
            assert found[a, b] == pytest.approx(probability_of_improvement(SCORES[a], SCORES[b]), rel=1e-12)


def test_win_probability_of_pairs_counts_seeds_and_tasks():
    # of two seeds and two tasks the first wins two, ties one, loses one
    a, b = np.array([[1.0, 5.0], [2.0, 4.0]]), np.array([[0.0, 6.0], [2.0, 3.0]])
    np.testing.assert_allclose(win_probability(np.stack([a, b])), [[0.5, 0.625], [0.375, 0.5]])
    b[1, 1] = np.nan
    assert win_probability(np.stack([a, b]))[0, 1] == pytest.approx(0.5)
    b[:] = np.nan
    assert math.isnan(win_probability(np.stack([a, b]))[0, 1])


@pytest.mark.parametrize("paired", [True, False])
def test_win_probabilities_of_two_methods_add_up_to_one(paired):
    found = win_probability(SCORES, paired)
    np.testing.assert_allclose(found + found.T, np.ones((3, 3)), rtol=1e-12)


def test_pairing_sees_a_small_gain_below_the_luck_of_seeds():
    luck = np.random.default_rng(0).normal(0, 10, (1, 20, 1))
    scores = np.concatenate([luck + 0.1, luck])
    assert win_probability(scores)[0, 1] == 1.0
    assert win_probability(scores, paired=False)[0, 1] < 0.6


def test_the_worst_task_is_the_one_with_the_least_mean_gain(make_cells):
    errors = np.random.default_rng(0).uniform(0.9, 1.1, (3, 5, 3))
    errors[1, :, 2] *= 2
    errors[2, 0, 0] = np.nan
    found = worst_tasks(make_cells(errors))
    assert found["hard"].task == "t2"
    gain = interval(np.log(errors[0, :, 2] / errors[1, :, 2]))
    assert (found["hard"].gain.mean, found["hard"].gain.low) == pytest.approx((gain.mean, gain.low))
    assert found["m2"].gain.n in (4, 5)
    errors[2, :, 0] = np.nan
    assert set(worst_tasks(make_cells(errors))) == {"single_task", "hard"}
