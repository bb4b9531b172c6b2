"""Intervals: against scipy and rliable, and what they cover in simulations with a known mean."""

import math
import warnings

import numpy as np
import pytest
from rliable.library import get_interval_estimates
from rliable.metrics import aggregate_iqm
from scipy import stats

from leaderboard.analysis.statistics import (
    Interval,
    bootstrap_interval,
    corrected_interval,
    interquartile_mean,
    interval,
    sign_flip,
    sign_flip_interval,
)

RUNS = np.array([[0.81, 0.64], [0.79, 0.66], [0.84, 0.61], [0.80, 0.67], [0.90, 0.70], [0.77, 0.59], [0.82, 0.71]])


def rate_of_cover(samples: np.ndarray, mean: float = 0.0) -> float:
    """The share of samples [replicate, seed] whose paired t interval holds the mean."""
    found = [interval(sample) for sample in samples]
    return float(np.mean([one.low <= mean <= one.high for one in found]))


@pytest.mark.parametrize("n", [5, 10, 30])
def test_paired_t_covers_what_it_says_on_normal_differences(n):
    generator = np.random.default_rng(n)
    seed = generator.normal(0, 3, (4000, n))  # shared by the pair, so it cancels
    a, b = (seed + generator.normal(0, scale, (4000, n)) for scale in (1.0, 0.5))
    assert 0.93 <= rate_of_cover(a - b) <= 0.97


@pytest.mark.parametrize("n", [5, 10, 30])
def test_paired_t_covers_at_least_93_percent_on_differences_of_log_normals(n):
    a, b = np.random.default_rng(n).lognormal(size=(2, 4000, n))
    assert rate_of_cover(a - b) >= 0.93


def test_paired_t_is_scipys():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 9))
    expected = stats.ttest_rel(a, b).confidence_interval(0.9)
    found = interval(a - b, level=0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize(("n", "weak"), [(0, False), (1, True), (4, True), (5, False)])
def test_fewer_than_five_seeds_are_a_warning(n, weak):
    assert Interval(0.0, None, None, n).weak == weak


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("statistic", [None, np.median, np.max])
def test_bootstrap_is_scipys_with_the_same_draws(method, statistic):
    sample = np.random.default_rng(1).exponential(size=12)
    found = bootstrap_interval(sample, np.random.default_rng(7), statistic, method=method, resamples=999)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = stats.bootstrap(
            (sample,),
            statistic or np.mean,
            n_resamples=999,
            method=method,
            vectorized=False,
            random_state=np.random.default_rng(7),
        ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert found.mean == pytest.approx((statistic or np.mean)(sample))


def test_bootstrap_of_one_task_agrees_with_rliable():
    task = RUNS[:, :1]
    np.random.seed(0)  # rliable draws from the global generator
    points, ends = get_interval_estimates({"m": task}, lambda x: np.array([aggregate_iqm(x)]), reps=4_000)
    found = bootstrap_interval(task, np.random.default_rng(0), interquartile_mean, resamples=4_000)
    assert found.mean == pytest.approx(points["m"][0], rel=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(ends["m"][:, 0]), abs=0.004)


def test_bootstrap_keeps_the_tasks_of_a_seed_together():
    # what one task gains in a seed the other loses: the mean over tasks has no spread
    luck = np.random.default_rng(0).normal(size=8)
    found = bootstrap_interval(np.stack([luck, -luck], axis=1), np.random.default_rng(0))
    assert (found.low, found.high) == pytest.approx((0.0, 0.0), abs=1e-12)
    together = bootstrap_interval(np.stack([luck, luck], axis=1), np.random.default_rng(0))
    alone = bootstrap_interval(luck, np.random.default_rng(0))
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


def test_bootstrap_of_pairs_is_that_of_their_differences():
    difference = bootstrap_interval(RUNS[:, 0] - RUNS[:, 1], np.random.default_rng(3), resamples=500)
    pairs = bootstrap_interval(
        RUNS, np.random.default_rng(3), lambda runs: float(runs[:, 0].mean() - runs[:, 1].mean()), resamples=500
    )
    assert (pairs.mean, pairs.low, pairs.high) == pytest.approx((difference.mean, difference.low, difference.high))


def test_bootstrap_leaves_a_seed_with_a_hole_out():
    holed = np.concatenate([RUNS, [[0.1, np.nan]]])
    assert bootstrap_interval(holed, np.random.default_rng(0)) == bootstrap_interval(RUNS, np.random.default_rng(0))


def test_bootstrap_of_few_or_equal_seeds():
    generator = np.random.default_rng(0)
    assert math.isnan(bootstrap_interval(np.full((2, 3), np.nan), generator).mean)
    assert bootstrap_interval(np.array([2.0, np.nan]), generator) == Interval(2.0, None, None, 1)
    assert bootstrap_interval(np.array([2.0, 3.0]), generator) == Interval(2.5, None, None, 2)
    assert bootstrap_interval(np.full(5, 2.0), generator, method="bca") == Interval(2.0, 2.0, 2.0, 5)
    with pytest.raises(ValueError, match=r"`method` should be one of percentile, bca\. Found `basic`\."):
        bootstrap_interval(RUNS, generator, method="basic")


def test_corrected_t_is_wider_by_the_published_factor():
    sample = np.random.default_rng(0).normal(1.0, 2.0, 10)
    plain, corrected = interval(sample), corrected_interval(sample, 1 / 3)
    assert corrected.mean == plain.mean
    # sqrt((1/10 + 1/3) / (1/10))
    assert corrected.high - corrected.mean == pytest.approx((plain.high - plain.mean) * math.sqrt(13 / 3))
    assert corrected_interval(sample[:2], 1 / 3).low is None
    with pytest.raises(ValueError, match=r"`test_per_train` should be positive\. Found `test_per_train = 0`\."):
        corrected_interval(sample, 0)


def test_corrected_t_covers_where_values_correlate_as_it_assumes():
    generator = np.random.default_rng(0)
    share = 0.25  # correlation test / (test + train), the one under which the correction is exact
    common = generator.normal(0, math.sqrt(share), (4000, 1))
    samples = common + generator.normal(0, math.sqrt(1 - share), (4000, 10))
    found = [corrected_interval(sample, 1 / 3) for sample in samples]
    assert 0.94 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.96
    assert rate_of_cover(samples) < 0.75


@pytest.mark.parametrize("n", [6, 9, 24])
def test_inverted_sign_flips_end_where_the_test_rejects(n):
    sample = np.random.default_rng(n).normal(0.3, 1, n)
    found = sign_flip_interval(sample, np.random.default_rng(0), replicates=999)
    for inside, outside in ((found.low + 1e-6, found.low - 1e-6), (found.high - 1e-6, found.high + 1e-6)):
        assert sign_flip(sample - inside, np.random.default_rng(0), replicates=999) > 0.05
        assert sign_flip(sample - outside, np.random.default_rng(0), replicates=999) <= 0.05


def test_inverted_sign_flips_of_six_seeds_are_their_range():
    sample = np.array([3.0, 1.0, -1.0, 2.0, 8.0, np.nan, 4.0])
    assert sign_flip_interval(sample) == Interval(pytest.approx(17 / 6), -1.0, 8.0, 6)
    assert sign_flip_interval(sample[:5]) == Interval(pytest.approx(13 / 5), None, None, 5)
    assert math.isnan(sign_flip_interval(np.array([np.nan])).mean)


def test_inverted_sign_flips_cover_symmetric_differences_exactly():
    samples = np.random.default_rng(0).standard_t(2, (4000, 8))
    found = [sign_flip_interval(sample) for sample in samples]
    # k = floor(0.05 * 128) = 6: 1 - 12/256
    assert np.mean([one.low <= 0 <= one.high for one in found]) == pytest.approx(1 - 12 / 256, abs=0.01)
