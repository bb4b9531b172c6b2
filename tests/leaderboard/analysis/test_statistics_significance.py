"""Tests and families: against scipy and statsmodels, and how often they find what is not there."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from leaderboard.analysis.statistics import change_matrix, family, holm, interval, max_t, paired_t, sign_flip

DIFFERENCES = np.random.default_rng(5).normal([[0.0], [0.5], [1.0], [0.2]], 1.0, (4, 9))


def test_paired_t_is_scipys():
    a, b = np.random.default_rng(0).normal(size=(2, 9))
    assert paired_t(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-12)
    assert paired_t(np.append(a - b, np.nan)) == paired_t(a - b)


def test_differences_that_are_all_alike():
    assert (paired_t(np.zeros(5)), paired_t(np.ones(5))) == (1.0, 0.0)
    assert (sign_flip(np.zeros(5)), sign_flip(np.ones(5))) == (1.0, 2 / 32)
    assert math.isnan(paired_t(np.array([1.0, np.nan])))
    assert math.isnan(sign_flip(np.array([1.0, np.nan])))


@pytest.mark.parametrize("n", [2, 5, 9, 13])
def test_sign_flip_is_scipys_exact_permutation_test(n):
    a, b = np.random.default_rng(n).normal(0.2, 1, (2, n))
    expected = stats.permutation_test(
        (a, b), lambda x, y: (x - y).mean(), permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert sign_flip(a - b) == pytest.approx(expected.pvalue, rel=1e-12)


def test_sign_flip_counts_ties_as_extreme_whatever_the_order_of_the_sum():
    # |0.1 + 0.2 + 0.3| is reached by 4 of 32 flips: the two zeros have no sign
    sample = np.array([0.1, 0.0, 0.2, 0.0, 0.3])
    assert [sign_flip(sample[order]) for order in ([0, 1, 2, 3, 4], [4, 2, 0, 1, 3])] == [8 / 32] * 2
    assert sign_flip(np.array([0.1, 0.2, -0.3])) == 1.0


def test_least_p_of_the_sign_flip_test():
    assert [sign_flip(np.arange(1.0, n + 1)) for n in (5, 6, 10, 20)] == [2 / 2**n for n in (5, 6, 10, 20)]


def test_many_seeds_are_flipped_at_random():
    sample = np.random.default_rng(0).normal(0.4, 1, 24)
    found = sign_flip(sample, np.random.default_rng(1), replicates=9_999)
    assert found == pytest.approx(paired_t(sample), abs=0.01)
    assert found == sign_flip(sample, np.random.default_rng(1), replicates=9_999)
    assert sign_flip(sample + 9, np.random.default_rng(1), replicates=9_999) == 1 / 10_000
    with pytest.raises(ValueError, match=r"`generator` should be given for more than 20 seeds\. Found 24 seeds\."):
        sign_flip(sample)


def test_holm_is_statsmodels():
    p = np.array([0.04, 0.001, 0.03, 0.9, 0.012, 0.012])
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)
    holed = holm(np.insert(p, 2, np.nan))
    assert math.isnan(holed[2])
    np.testing.assert_array_equal(np.delete(holed, 2), holm(p))
    assert holm(np.array([])).size == 0


def test_max_t_of_one_comparison_is_the_sign_flip_test():
    assert max_t(DIFFERENCES[:1])[0] == sign_flip(DIFFERENCES[0])


def test_max_t_is_what_going_through_all_flips_by_hand_gives():
    n = DIFFERENCES.shape[1]
    flips = np.array([[1 if flip >> seed & 1 else -1 for seed in range(n)] for flip in range(2**n)])
    flipped = flips[:, None] * DIFFERENCES
    t = np.abs(stats.ttest_1samp(flipped, 0.0, axis=2).statistic)
    observed = np.abs(stats.ttest_1samp(DIFFERENCES, 0.0, axis=1).statistic)
    order = list(np.argsort(-observed))
    steps = [np.mean(t[:, order[place:]].max(axis=1) >= observed[at] - 1e-9) for place, at in enumerate(order)]
    np.testing.assert_allclose(max_t(DIFFERENCES)[order], np.maximum.accumulate(steps), rtol=1e-12)


def test_max_t_lies_between_one_test_and_holm():
    alone = np.array([sign_flip(row) for row in DIFFERENCES])
    assert (alone <= max_t(DIFFERENCES)).all()
    assert (max_t(DIFFERENCES) <= holm(alone) + 1e-12).all()
    # comparisons that are the same one cost nothing
    np.testing.assert_allclose(max_t(np.repeat(DIFFERENCES[:1], 3, axis=0)), alone[0])


def test_max_t_knows_holes():
    holed = np.insert(DIFFERENCES, 3, np.nan, axis=1)
    np.testing.assert_allclose(max_t(holed), max_t(DIFFERENCES))
    short = np.concatenate([DIFFERENCES, np.full((1, 9), np.nan)])
    np.testing.assert_array_equal(max_t(short)[:4], max_t(DIFFERENCES))
    assert math.isnan(max_t(short)[4])
    assert max_t(np.empty((0, 5))).size == 0
    assert np.isnan(max_t(np.full((2, 5), np.nan))).all()


@pytest.mark.parametrize("n", [5, 10])
def test_a_family_finds_at_most_six_percent_of_what_is_not_there(n, make_cells):
    generator = np.random.default_rng(n)
    found = np.zeros(3)
    for _ in range(2000):
        seed = generator.normal(0, 1, (1, n, 1))  # a seed is lucky for all methods
        data = make_cells(np.exp(seed + generator.normal(0, 1, (6, n, 2))))
        results = family(data)
        change = change_matrix(data)
        alone, together = min(one.p for one in results), min(one.adjusted for one in results)
        flipped = max_t(np.concatenate([change[1:], change[2:] - change[1]])).min()
        found += [alone <= 0.05, together <= 0.05, flipped <= 0.05]
    alone, by_holm, by_max_t = found / 2000
    assert by_holm <= 0.06
    assert by_max_t <= 0.06
    assert alone > 0.15
    if n == 5:
        assert by_max_t == 0  # its least p is 1/16
    else:
        assert by_max_t > 0.03  # it takes the correlation into account


def test_the_family_is_every_method_against_both_ends(make_cells):
    data = make_cells(np.random.default_rng(0).uniform(0.1, 0.5, (4, 6, 2)))
    results = family(data)
    assert [(one.method, one.reference) for one in results] == [
        ("hard", "single_task"),
        ("m2", "single_task"),
        ("m3", "single_task"),
        ("m2", "hard"),
        ("m3", "hard"),
    ]
    change = change_matrix(data)
    assert results[1].estimate == interval(change[2])
    difference = change[3] - change[1]
    assert results[4].estimate.mean == pytest.approx(difference.mean())
    assert results[4].p == pytest.approx(paired_t(difference))
    np.testing.assert_array_equal([one.adjusted for one in results], holm(np.array([one.p for one in results])))
    flips = family(data, correction="max_t")
    assert [one.p for one in flips] == pytest.approx(
        [sign_flip(row) for row in [*change[1:], *(change[2:] - change[1])]]
    )


def test_a_family_shows_what_is_missing(make_cells):
    errors = np.random.default_rng(0).uniform(0.1, 0.5, (3, 6, 2))
    errors[2, 1:] = np.nan
    results = family(make_cells(errors))
    assert [(one.method, one.estimate.n) for one in results] == [("hard", 6), ("m2", 1), ("m2", 1)]
    assert [math.isnan(one.adjusted) for one in results] == [False, True, True]
    assert results[0].adjusted == results[0].p
    without = make_cells(errors, ["single_task", "cross_stitch", "m2"])
    assert [one.reference for one in family(without)] == ["single_task", "single_task"]
    assert family(make_cells(errors, ["a", "b", "c"])) == []


def test_an_unknown_correction_is_one_sentence(make_cells):
    with pytest.raises(ValueError, match=r"`correction` should be one of holm, max_t\. Found `none`\."):
        family(make_cells(np.ones((2, 5, 1))), correction="none")
