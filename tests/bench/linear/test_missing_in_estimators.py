"""Estimators with labels that are missing: NaN in y, a column per task or one target for each row."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from bench.linear.estimators import MultiTaskRegressor, MultiTaskRegressorCV

NAN = math.nan


def rows(share=0.6, seed=0):
    """X (50, 4) and y (50, 3), labels kept at random."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(50, 4))
    W = generator.normal(size=(4, 1)) + 0.3 * generator.normal(size=(4, 3))
    Y = X @ W + [0.0, 1.0, -5.0] + 0.1 * generator.normal(size=(50, 3))
    return X, np.where(generator.random((50, 3)) < share, Y, NAN)


def test_every_target_has_the_rows_with_its_label():
    X, Y = rows()
    apart, ridge = MultiTaskRegressor("l2", 0.0, tol=1e-12).fit(X, Y), MultiTaskRegressor("ridge", 1.5, tol=1e-12)
    ridge.fit(X, Y)
    assert apart.coef_.shape == (3, 4)
    for t, y in enumerate(Y.T):
        there = ~np.isnan(y)
        assert 20 < there.sum() < 40
        theirs = LinearRegression().fit(X[there], y[there])
        assert np.abs(apart.coef_[t] - theirs.coef_).max() < 1e-8
        assert apart.intercept_[t] == pytest.approx(theirs.intercept_, abs=1e-8)
        assert np.abs(ridge.coef_[t] - Ridge(alpha=3.0, tol=1e-12).fit(X[there], y[there]).coef_).max() < 1e-8


@pytest.mark.parametrize("constraint", ["l2", "l21", "trace_norm"])
@pytest.mark.parametrize("intercept", ["task", "shrunk", "pooled", "none"])
def test_a_column_per_task_is_a_task_per_row(constraint, intercept):
    """(n, T) with NaN and (n,) with `tasks` are the same rows, in two ways of writing them."""
    X, Y = rows()
    at, task = np.nonzero(~np.isnan(Y))
    wide = MultiTaskRegressor(constraint, 2.0, intercept=intercept, tol=1e-12).fit(X, Y)
    long = MultiTaskRegressor(constraint, 2.0, intercept=intercept, tol=1e-12).fit(X[at], Y[at, task], tasks=task)
    assert np.allclose(wide.coef_, long.coef_, atol=1e-9)
    assert np.allclose(wide.intercept_, long.intercept_, atol=1e-9)
    assert wide.objective_ == pytest.approx(long.objective_, rel=1e-9)


def test_a_row_with_a_task_and_without_a_label_is_none():
    X, Y = rows()
    task = np.tile(["a", "b"], 25)
    y = Y[:, 0]
    there = ~np.isnan(y)
    with_gaps = MultiTaskRegressorCV("l2", n_strengths=4, cv=3).fit(X, y, tasks=task)
    without = MultiTaskRegressorCV("l2", n_strengths=4, cv=3).fit(X[there], y[there], tasks=task[there])
    assert np.array_equal(with_gaps.coef_, without.coef_)
    assert with_gaps.strength_ == without.strength_
    assert with_gaps.score(X, y, tasks=task) == without.score(X[there], y[there], tasks=task[there])
    single = MultiTaskRegressor("ridge", 1.0).fit(X, y)
    assert np.array_equal(single.coef_, MultiTaskRegressor("ridge", 1.0).fit(X[there], y[there]).coef_)


def test_one_mask_for_all_targets_is_a_data_set_of_fewer_rows():
    X, Y = rows(share=1.0)
    Y[::4] = NAN
    there = ~np.isnan(Y[:, 0])
    gaps, fewer = (MultiTaskRegressorCV("l21", n_strengths=5).fit(*each) for each in ((X, Y), (X[there], Y[there])))
    # Up to rounding: the columns of y lie elsewhere in memory, and are added up in another order.
    assert np.allclose(gaps.coef_, fewer.coef_, rtol=1e-10)
    assert gaps.strength_ == pytest.approx(fewer.strength_, rel=1e-12)
    assert gaps.score(X, Y) == pytest.approx(fewer.score(X[there], Y[there]), rel=1e-10)


def test_rows_that_no_target_has_a_label_in_change_nothing():
    X, Y = rows()
    Y[[3, 30]] = NAN
    far = X.copy()
    far[[3, 30]] = 1e100
    one, other = (MultiTaskRegressorCV("trace_norm", n_strengths=4).fit(each, Y) for each in (X, far))
    assert np.array_equal(one.coef_, other.coef_)
    assert np.array_equal(one.intercept_, other.intercept_)


def test_the_score_is_the_mean_over_the_labels_of_each_target():
    X, Y = rows()
    model = MultiTaskRegressor("l2", 1.0).fit(X, Y)
    predicted, weights = model.predict(X), np.arange(50.0)
    assert predicted.shape == (50, 3)
    assert np.isfinite(predicted).all()
    for weight in (None, weights):
        each = []
        for y, z in zip(Y.T, predicted.T, strict=True):
            there = ~np.isnan(y)
            each.append(r2_score(y[there], z[there], sample_weight=None if weight is None else weight[there]))
        assert model.score(X, Y, weight) == pytest.approx(np.mean(each), rel=1e-12)
    few = Y.copy()
    few[1:, 2] = NAN  # one label has no R^2
    few[:, 1] = NAN
    there = ~np.isnan(Y[:, 0])
    assert model.score(X, few) == pytest.approx(r2_score(Y[there, 0], predicted[there, 0]))
    whole = np.where(np.isnan(Y), 0.0, Y)
    assert model.score(X, whole) == r2_score(whole, predicted)
    assert math.isnan(model.score(X, np.full((50, 3), NAN)))


def test_model_selection_of_scikit_learn_takes_gaps_along():
    X, Y = rows()
    search = GridSearchCV(MultiTaskRegressor("l2"), {"strength": [0.01, 1.0, 1e4]}, cv=5).fit(X, Y)
    assert search.best_params_["strength"] < 1e4
    assert search.best_score_ > 0.9
    assert (cross_val_score(MultiTaskRegressorCV("l21", n_strengths=4), X, Y, cv=4) > 0.9).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, Y: (X, np.where(np.isnan(Y), math.inf, Y)), "Input y contains infinity"),
        (lambda X, Y: (np.where(X > 1, NAN, X), Y), "Input X contains NaN"),
        (lambda X, Y: (X, np.where(np.arange(3) == 1, NAN, Y)), "`target 1` should have a label in some row. Found no"),
        (lambda X, Y: (X[1:], Y), "Found input variables with inconsistent numbers of samples: [49, 50]"),
    ],
)
def test_what_is_no_missing_label_gets_a_sentence(change, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        MultiTaskRegressor().fit(*change(*rows()))
    assert str(caught.value).startswith(words)


def test_a_target_of_one_label_cannot_be_cross_validated():
    X, Y = rows()
    Y[1:, 2], Y[0, 2] = NAN, 1.0
    assert MultiTaskRegressor("l2", 1.0).fit(X, Y).coef_.shape == (3, 4)
    with pytest.raises(
        ValueError, match=r"^`target 2` should have 2 samples or more to leave some out\. Found 1 sample"
    ):
        MultiTaskRegressorCV("l2").fit(X, Y)
