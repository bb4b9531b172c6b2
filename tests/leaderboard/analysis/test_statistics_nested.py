"""Means over suites with suites and seeds both drawn: a plain program, laws, and how often intervals hold."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from leaderboard.analysis.statistics import LEAST_SUITES, NestedMeans, band_means, draw_suites

SIZES = (5, 20, 3, 10, 5)  # seeds of each suite


def make_samples(generator: np.random.Generator, methods: int = 3) -> list[np.ndarray]:
    """Of each suite the effect of every method on it, and noise of the seeds."""
    return [generator.normal(0, 1, (methods, 1)) + generator.normal(0, 0.5, (methods, n)) for n in SIZES]


def draw_plainly(samples: list[np.ndarray], generator: np.random.Generator, resamples: int) -> np.ndarray:
    """The same by two loops: a suite, then its seeds one by one."""
    drawn = []
    for _ in range(resamples):
        means = []
        for _ in samples:
            suite = samples[generator.integers(len(samples))]
            seeds = [generator.integers(suite.shape[1]) for _ in range(suite.shape[1])]
            means.append(suite[:, seeds].mean(axis=1))
        drawn.append(np.mean(means, axis=0))
    return np.array(drawn)


def test_draws_are_those_of_a_plain_program() -> None:
    samples = make_samples(np.random.default_rng(0))
    found = draw_suites(samples, np.random.default_rng(1), 20_000)
    plain = draw_plainly(samples, np.random.default_rng(2), 4_000)
    np.testing.assert_allclose(found.means, np.mean([each.mean(axis=1) for each in samples], axis=0), atol=1e-12)
    spread = plain.std(axis=0)
    np.testing.assert_allclose(found.drawn.mean(axis=0), found.means, atol=4 * float(spread.max()) / math.sqrt(20_000))
    # The whole covariance: methods of one draw share its suites and its seeds.
    np.testing.assert_allclose(np.cov(found.drawn.T), np.cov(plain.T), atol=0.08 * float(spread.max()) ** 2)
    for share in (0.05, 0.5, 0.95):
        np.testing.assert_allclose(
            np.quantile(found.drawn, share, axis=0), np.quantile(plain, share, axis=0), atol=0.08 * float(spread.max())
        )


def test_the_variance_is_that_of_two_levels() -> None:
    """Var* = 1/S [variance of the suites' means + mean over suites of the variance inside / n], both with ddof 0."""
    samples = make_samples(np.random.default_rng(3), methods=1)
    found = draw_suites(samples, np.random.default_rng(4), 100_000)
    between = np.var([each.mean() for each in samples])
    within = np.mean([each.var() / each.size for each in samples])
    assert found.drawn.var() == pytest.approx((between + within) / len(samples), rel=0.02)


def test_the_first_of_each_draw_is_counted_and_ties_share() -> None:
    found = NestedMeans(np.zeros(3), np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 3.0, 1.0], [5.0, 1.0, 1.0]]), 4)
    np.testing.assert_allclose(found.first, [0.625, 0.375, 0.0])


def test_seeds_without_noise_leave_the_spread_of_suites() -> None:
    """With one value for each suite the intervals are those of t over suites."""
    from scipy.stats import t

    values = np.array([0.1, 0.4, -0.2, 0.3, 0.6, 0.2])
    samples = [np.full((1, 4), value) for value in values]
    [found] = band_means(draw_suites(samples, np.random.default_rng(0), 50_000), np.eye(1))
    half = t.ppf(0.975, 5) * values.std(ddof=1) / math.sqrt(6)
    assert found.mean == pytest.approx(values.mean())
    assert found.high is not None
    assert found.high - found.mean == pytest.approx(half, rel=0.01)
    assert found.n == 6


def test_more_contrasts_make_every_interval_wider() -> None:
    found = draw_suites(make_samples(np.random.default_rng(0)), np.random.default_rng(0))
    [alone] = band_means(found, np.eye(3)[:1])
    together = band_means(found, np.eye(3))[0]
    assert alone.high is not None
    assert together.high is not None
    assert together.high > alone.high
    assert together.mean == alone.mean


def test_few_suites_have_no_interval_and_nothing_is_filled_in() -> None:
    few = make_samples(np.random.default_rng(0))[: LEAST_SUITES - 1]
    [found] = band_means(draw_suites(few, np.random.default_rng(0)), np.eye(3)[:1])
    assert (found.low, found.high, found.n) == (None, None, LEAST_SUITES - 1)
    with pytest.raises(ValueError, match=r"`samples` should be finite\. Found a missing value"):
        draw_suites([*few, np.array([[1.0], [math.nan], [0.0]])], np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"`samples` should have a suite\. Found none\."):
        draw_suites([], np.random.default_rng(0))


def draw_normal(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return generator.normal(0, 1, shape)


def draw_skewed(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return generator.exponential(1, shape) - 1


@pytest.mark.parametrize(
    ("suites", "methods", "noise", "effects", "least", "most"),
    [
        (5, 1, 0.1, draw_normal, 0.91, 0.98),
        (5, 6, 0.1, draw_normal, 0.91, 0.99),
        (12, 6, 0.1, draw_normal, 0.92, 0.99),
        (8, 4, 1.0, draw_normal, 0.94, 1.0),
        (8, 4, 0.1, draw_skewed, 0.72, 0.92),  # too narrow, as any t interval of few skewed values
    ],
)
def test_intervals_hold_for_all_contrasts_at_once_as_often_as_they_say(
    suites: int,
    methods: int,
    noise: float,
    effects: Callable[[np.random.Generator, tuple[int, int]], np.ndarray],
    least: float,
    most: float,
) -> None:
    """Of 400 worlds whose true means are 0, the share in which every interval has 0 in it."""
    generator = np.random.default_rng(suites * 100 + methods)
    held = 0
    for _ in range(400):
        own = effects(generator, (suites, methods))
        samples = [each[:, None] + generator.normal(0, noise, (methods, 5)) for each in own]
        found = band_means(draw_suites(samples, generator, 300), np.eye(methods))
        held += all(each.low is not None and each.high is not None and each.low <= 0 <= each.high for each in found)
    assert least <= held / 400 <= most
