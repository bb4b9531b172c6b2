"""Intervals over seeds and rows: the formula by hand, and what they cover where the truth is known."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from leaderboard.analysis.statistics import crossed_interval, gather_units, interval

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
DRAWS = 1500  # samples behind a coverage: its standard error is 0.6 points at 95 %


def draw_normal(generator: np.random.Generator, seeds: int, rows: int) -> np.ndarray:
    """Differences [seed, row] of mean 0 with effects of seeds, of rows and of both together."""
    a, b = 0.1 * generator.standard_normal((seeds, 1)), 2 * generator.standard_normal(rows)
    return a + b + generator.standard_normal((seeds, rows))


def draw_correctness(generator: np.random.Generator, seeds: int, rows: int) -> np.ndarray:
    """Differences in {-1, 0, 1} of two classifiers, exchangeable, so that their mean is 0.

    Each finds rows hard in its own way, beside what both find hard, and is better in some seeds than in others.
    """
    hard, luck = 2 * generator.standard_normal(rows), generator.standard_normal((seeds, 1))
    rights = [
        generator.random((seeds, rows))
        < 1 / (1 + np.exp(-2 - hard - luck * 0.3 - own - 0.1 * generator.standard_normal((seeds, 1))))
        for own in 1.5 * generator.standard_normal((2, rows))
    ]
    difference: np.ndarray = rights[0].astype(float) - rights[1]
    return difference


def count_covered(draw: Draw, seeds: int, rows: int) -> tuple[float, float]:
    """Shares of samples whose mean 0 lies in the interval over seeds, and in the one over seeds and rows."""
    generator, covered = np.random.default_rng(7), np.zeros(2)
    for _ in range(DRAWS):
        sample = draw(generator, seeds, rows)
        for at, each in enumerate((interval(sample.mean(axis=1)), crossed_interval(sample))):
            assert each.low is not None
            assert each.high is not None
            covered[at] += each.low <= 0 <= each.high
    return tuple(covered / DRAWS)  # type: ignore[return-value]


@pytest.mark.parametrize("draw", [draw_normal, draw_correctness])
@pytest.mark.parametrize(("seeds", "rows", "most"), [(3, 200, 0.93), (5, 60, 0.88), (20, 200, 0.75)])
def test_rows_and_seeds_are_covered_where_seeds_alone_are_too_narrow(
    draw: Draw, seeds: int, rows: int, most: float
) -> None:
    over_seeds, over_both = count_covered(draw, seeds, rows)
    assert over_seeds < most
    assert 0.93 <= over_both <= 0.985


def test_without_an_effect_of_rows_both_cover() -> None:
    """Seeds alone differ: the interval over both is no wider than it has to be."""
    over_seeds, over_both = count_covered(lambda g, s, n: g.standard_normal((s, 1)) + np.zeros((1, n)), 5, 20)
    assert 0.935 <= over_seeds <= over_both <= 0.965


def test_the_formula_by_hand() -> None:
    """Four seeds and three rows, with the mean squares written out."""
    y = np.array([[1.0, 4.0, -9.0], [2.0, 3.0, -8.0], [3.0, 6.0, -8.0], [1.0, 5.0, -9.5]])
    mean = y.mean()
    ms_a = 3 * ((y.mean(1) - mean) ** 2).sum() / 3
    ms_b = 4 * ((y.mean(0) - mean) ** 2).sum() / 2
    ms_e = ((y - y.mean(1)[:, None] - y.mean(0) + mean) ** 2).sum() / 6
    variance = (ms_a + ms_b - ms_e) / 12
    freedom = variance**2 / ((ms_a / 12) ** 2 / 3 + (ms_b / 12) ** 2 / 2 + (ms_e / 12) ** 2 / 6)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert half > stats.t.ppf(0.975, 3) * np.sqrt(ms_a / 12)  # or the interval over seeds would be the wider one
    found = crossed_interval(y)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half), rel=1e-12)
    assert (found.mean, found.n) == (mean, 4)


def test_rows_that_are_equal_leave_the_interval_over_seeds() -> None:
    sample = np.random.default_rng(0).standard_normal(6)
    both, seeds = crossed_interval(np.tile(sample[:, None], 50)), interval(sample)
    assert (both.low, both.high) == pytest.approx((seeds.low, seeds.high), rel=1e-9)


def test_too_few_have_no_interval_and_what_never_differs_has_a_point() -> None:
    assert crossed_interval(np.ones((2, 9))).low is None
    assert crossed_interval(np.ones((3, 1))).low is None
    assert crossed_interval(np.empty((0, 9))).n == 0
    assert crossed_interval(np.ones((3, 9))).low == crossed_interval(np.ones((3, 9))).high == 1.0
    assert crossed_interval(np.array([[1.0, 2.0], [np.nan, 1.0], [2.0, 2.0]])).n == 2


def test_units_keep_the_mean_of_every_seed_and_add_up_what_their_rows_deviate() -> None:
    values, units = np.array([[1.0, 0.0, 2.0, 5.0], [0.0, 0.0, 4.0, 4.0]]), np.array([0, 0, 2, 2])
    gathered = gather_units(values, units, 3)
    np.testing.assert_allclose(gathered.mean(axis=1), values.mean(axis=1))
    # The mean of the first seed is 2: its rows deviate by -1 and -2, nothing, 0 and 3.
    np.testing.assert_allclose(gathered[0], 2 + 3 / 4 * np.array([-3.0, 0.0, 3.0]))
    assert gather_units(values, None, 4) is values


def test_rows_four_times_over_are_no_four_rows() -> None:
    """With units a sample is as wide as before its rows were repeated; without them half as wide."""
    sample = draw_correctness(np.random.default_rng(3), 40, 300)
    again, units = np.tile(sample, 4), np.tile(np.arange(300), 4)
    one, four, naive = (crossed_interval(each) for each in (sample, gather_units(again, units, 300), again))
    assert (four.low, four.high) == pytest.approx((one.low, one.high), rel=1e-9)
    widths = [each.high - each.low for each in (one, naive) if each.high is not None and each.low is not None]
    assert widths[1] < 0.7 * widths[0]
