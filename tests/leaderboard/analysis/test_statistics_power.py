"""Power and equivalence: against statsmodels, by integration, and by how often they come true."""

import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from leaderboard.analysis.statistics import (
    corrected_interval,
    detectable_effect,
    equivalence_t,
    interval,
    one_sided_t,
    paired_t,
)
from leaderboard.analysis.statistics.power import MARGIN, noncentrality

SAMPLE = np.random.default_rng(2).normal(0.01, 0.03, 10)


@pytest.mark.parametrize(("n", "tests"), [(3, 1), (5, 1), (10, 1), (5, 12), (10, 12), (30, 95)])
def test_the_detectable_effect_is_statsmodels(n: int, tests: int) -> None:
    sample = np.random.default_rng(n).normal(0, 0.2, n)
    wanted = TTestPower().solve_power(nobs=n, alpha=0.05 / tests, power=0.8, alternative="two-sided")
    assert detectable_effect(sample, tests) == pytest.approx(float(np.ravel(wanted)[0]) * sample.std(ddof=1), rel=2e-6)


@pytest.mark.parametrize(("n", "alpha"), [(3, 0.05 / 12), (5, 0.05 / 2000), (10, 0.05 / 95), (30, 0.05 / 2000)])
def test_the_power_at_the_solution_is_the_one_asked_for(n: int, alpha: float) -> None:
    """By adaptive integration over the sample's deviation, where other programs lose the root."""
    delta, critical = noncentrality(n - 1, alpha), stats.t.ppf(1 - alpha / 2, n - 1)

    def density(x: float) -> float:
        found = stats.norm.sf(critical * x - delta) + stats.norm.cdf(-critical * x - delta)
        return float(found * stats.chi.pdf(x * math.sqrt(n - 1), n - 1) * math.sqrt(n - 1))

    assert integrate.quad(density, 0, 4, points=[delta / critical], limit=400)[0] == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize("overlap", [0.0, 1 / 3])
def test_a_change_of_the_detectable_size_is_found_four_times_of_five(overlap: float) -> None:
    """Draws whose mean has the variance that the test assumes: 1/n + overlap."""
    generator, n = np.random.default_rng(0), 6
    known = generator.normal(0, 1, (1, n))
    known = (known - known.mean()) / known.std(ddof=1)
    effect = detectable_effect(known[0], 3, overlap)
    draws = generator.normal(0, 1, (4000, n)) + math.sqrt(overlap) * generator.normal(0, 1, (4000, 1)) + effect
    p = np.array([paired_t(draw, overlap) for draw in draws])
    assert np.mean(p <= 0.05 / 3) == pytest.approx(0.8, abs=0.02)


def test_more_seeds_and_fewer_tests_find_smaller_changes() -> None:
    sample = np.tile([0.1, -0.1], 10)
    effects = [detectable_effect(sample[:n]) for n in (4, 6, 10, 20)]
    assert effects == sorted(effects, reverse=True)
    assert detectable_effect(sample, 12) > detectable_effect(sample, 11)
    assert detectable_effect(sample, overlap=1 / 3) == pytest.approx(effects[-1] * math.sqrt(1 + 20 / 3))
    assert detectable_effect(np.append(sample, np.nan)) == effects[-1]
    assert detectable_effect(3 * sample) == pytest.approx(3 * effects[-1])


def test_power_without_a_change_is_the_level() -> None:
    assert noncentrality(9, 0.05, 0.05 + 1e-9) == pytest.approx(0.0, abs=1e-3)
    assert noncentrality(9, 0.05, 0.01) == 0.0


def test_too_little_to_find_anything() -> None:
    assert math.isnan(detectable_effect(np.array([1.0, 2.0])))
    assert detectable_effect(np.array([1.0, 2.0, 3.0]), 10**8) == math.inf
    assert detectable_effect(np.ones(5)) == 0.0


def test_one_sided_tests_are_scipys() -> None:
    rows = np.stack([SAMPLE, SAMPLE - 0.05])
    for bound in (0.0, 0.02, -0.1):
        wanted = stats.ttest_1samp(rows, bound, axis=1, alternative="greater").pvalue
        np.testing.assert_allclose(one_sided_t(rows, bound), wanted, rtol=1e-10)
    holed = np.insert(rows, 3, np.nan, axis=1)
    np.testing.assert_allclose(one_sided_t(holed), one_sided_t(rows), rtol=1e-12)
    np.testing.assert_array_equal(one_sided_t(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.0]])), [0.0, 1.0])
    assert np.isnan(one_sided_t(np.array([[1.0, np.nan]]))).all()


def test_two_one_sided_tests_are_statsmodels() -> None:
    for shift in (0.0, 0.02, -0.03, 0.2):
        wanted = ttost_paired(SAMPLE + shift, np.zeros(10), -MARGIN, MARGIN)[0]
        assert equivalence_t((SAMPLE + shift)[None])[0] == pytest.approx(float(wanted), rel=1e-10)


@pytest.mark.parametrize("overlap", [0.0, 1 / 3])
def test_equivalence_is_an_interval_of_90_percent_inside_the_margin(overlap: float) -> None:
    found = corrected_interval(SAMPLE, overlap, 0.9) if overlap else interval(SAMPLE, 0.9)
    end = max(abs(found.low), abs(found.high))  # type: ignore[arg-type]
    assert equivalence_t(SAMPLE[None], end * (1 + 1e-9), overlap)[0] < 0.05 + 1e-12
    assert equivalence_t(SAMPLE[None], end * (1 - 1e-6), overlap)[0] > 0.05


def test_equivalence_is_claimed_wrongly_in_one_of_twenty_at_the_margin() -> None:
    draws = np.random.default_rng(1).normal(MARGIN, 0.02, (20_000, 10))
    assert np.mean(equivalence_t(draws) <= 0.05) == pytest.approx(0.05, abs=0.005)


def test_what_is_always_the_same_is_equivalent() -> None:
    np.testing.assert_array_equal(equivalence_t(np.array([[0.0] * 5, [0.01] * 5, [0.1] * 5, [-0.1] * 5])), [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: equivalence_t(SAMPLE[None], 0.0), r"`margin` should be positive\. Found `margin = 0\.0`\."),
        (lambda: detectable_effect(SAMPLE, power=1.0), r"`power` should lie in \(0, 1\)\. Found `power = 1\.0`\."),
        (lambda: detectable_effect(SAMPLE, 0), r"`tests` should be 1 or more\. Found `tests = 0`\."),
    ],
)
def test_arguments_that_mean_nothing_are_one_sentence(call, sentence: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=sentence):
        call()
