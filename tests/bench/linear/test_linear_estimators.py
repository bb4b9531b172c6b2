"""The estimators: scikit-learn's own checks, and what they share with the solver."""

import math

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from bench.errors import UsageError
from bench.linear.estimators import MultiTaskRegressor, MultiTaskRegressorCV

KINDS = [MultiTaskRegressor(), MultiTaskRegressor("ridge", 0.1), MultiTaskRegressorCV("l2", n_strengths=4, cv=3)]


@parametrize_with_checks(KINDS)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def rows(seed=0):
    generator = np.random.default_rng(seed)
    task = np.repeat(["a", "b", "c"], [12, 20, 9])
    X = generator.standard_normal((41, 5))
    W = generator.standard_normal((5, 1)) + 0.3 * generator.standard_normal((5, 3))
    place = np.searchsorted(["a", "b", "c"], task)
    y = (X * W.T[place]).sum(axis=1) + place + 0.1 * generator.standard_normal(41)
    order = generator.permutation(41)
    return X[order], y[order], task[order]


def test_tasks_with_rows_of_their_own():
    X, y, task = rows()
    model = MultiTaskRegressor("l2", 1e-9).fit(X, y, task)
    assert list(model.tasks_) == ["a", "b", "c"]
    assert model.coef_.shape == (3, 5)
    for t, name in enumerate("abc"):
        own = task == name
        design = np.column_stack([X[own], np.ones(own.sum())])
        best = np.linalg.lstsq(design, y[own], rcond=None)[0]
        assert np.allclose(model.coef_[t], best[:-1], atol=1e-6)
        assert model.intercept_[t] == pytest.approx(best[-1], abs=1e-6)
        assert np.allclose(model.predict(X[own], task[own]), design @ best, atol=1e-5)
    assert model.certificate_.met
    assert model.score(X, y, tasks=task) == pytest.approx(r2_score(y, model.predict(X, task)))
    weights = np.arange(41)
    weighted = r2_score(y, model.predict(X, task), sample_weight=weights)
    assert model.score(X, y, weights, tasks=task) == pytest.approx(weighted)
    for asked in (lambda: model.predict(X), lambda: model.score(X, y)):
        with pytest.raises(ValueError, match=r"should be given the `tasks` of its rows, as `fit` was\."):
            asked()
    with pytest.raises(ValueError, match=r"^`predict` should be given no `tasks`, since `fit` was given none\.$"):
        MultiTaskRegressor().fit(X, y).predict(X, task)


def test_common_inputs_are_scikit_learns_joint_lasso():
    X, y, _ = rows()
    Y = np.column_stack([y, X[:, 0] - 2, y + X[:, 1]])
    ours = MultiTaskRegressor("l21", 41 * 0.2, tol=1e-14).fit(X, Y)
    theirs = MultiTaskLasso(alpha=0.2, tol=1e-14, max_iter=100_000).fit(X, Y)
    assert np.allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert np.allclose(ours.predict(X), theirs.predict(X), atol=1e-5)


def test_treatments_of_the_intercept():
    X, y, task = rows()
    each = {
        kind: MultiTaskRegressor("l2", 1.0, intercept=kind, intercept_strength=2.0).fit(X, y, task).intercept_
        for kind in ("task", "shrunk", "pooled", "none")
    }
    assert np.ptp(each["task"]) > np.ptp(each["shrunk"]) > np.ptp(each["pooled"]) == 0
    assert not each["none"].any()


def test_what_was_chosen_by_cross_validation():
    X, y, task = rows()
    model = MultiTaskRegressorCV("cluster", n_strengths=6).fit(X, y, task)
    assert model.settings_["k"] in (1, 2, 3, 5)
    assert len(model.curves_) == 4
    assert model.matrices_["cluster"].shape == (3, 3)
    again = MultiTaskRegressor(f"cluster:k={model.settings_['k']}", model.strength_).fit(X, y, task)
    assert np.allclose(again.coef_, model.coef_, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strength": -1.0}, "`strength` of `l21` should be a number in [0, inf]. Found `strength = -1.0`."),
        ({"constraint": "l21:strength=1"}, "The strength should be given apart."),
        ({"constraint": "l22"}, "There is no constraint `l22`; the nearest: "),
        ({"constraint": "orthogonal"}, "A solver needs a constraint with a prox"),
        ({"constraint": None}, "The 'constraint' parameter of MultiTaskRegressor must be an instance of 'str'."),
        ({"strength": None}, "The 'strength' parameter of MultiTaskRegressor must be "),
        ({"strength": math.nan}, "`strength` of `l21` should be a number in [0, inf]. Found `strength = nan`."),
        ({"intercept": "some"}, "The 'intercept' parameter of MultiTaskRegressor must be a str among {"),
        ({"intercept": ["task"]}, "The 'intercept' parameter of MultiTaskRegressor must be a str among {"),
        ({"intercept_strength": -1.0}, "The 'intercept_strength' parameter of MultiTaskRegressor must be a float in "),
        ({"tol": "x"}, "The 'tol' parameter of MultiTaskRegressor must be a float in the range [0.0, 1.0)."),
        ({"tol": None}, "The 'tol' parameter of MultiTaskRegressor must be a float in the range [0.0, 1.0)."),
        ({"tol": 1.0}, "The 'tol' parameter of MultiTaskRegressor must be a float in the range [0.0, 1.0)."),
        ({"max_iter": 2.5}, "The 'max_iter' parameter of MultiTaskRegressor must be an int in the range [1, inf)."),
        ({"max_iter": 0}, "The 'max_iter' parameter of MultiTaskRegressor must be an int in the range [1, inf)."),
    ],
)
def test_mistakes_get_a_sentence(options, words):
    X, y, task = rows()
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        MultiTaskRegressor(**options).fit(X, y, task)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"span": 0},
            "'span' parameter of MultiTaskRegressorCV must be a float in the range (0.0, 1.0). Got 0 instead.",
        ),
        ({"span": 2.0}, "'span' parameter of MultiTaskRegressorCV must be a float in the range (0.0, 1.0)."),
        ({"span": "wide"}, "'span' parameter of MultiTaskRegressorCV must be a float in the range (0.0, 1.0)."),
        ({"cv": 1}, "'cv' parameter of MultiTaskRegressorCV must be an int in the range [2, inf). Got 1 instead."),
        ({"cv": None}, "'cv' parameter of MultiTaskRegressorCV must be an int in the range [2, inf)."),
        ({"n_strengths": 0}, "'n_strengths' parameter of MultiTaskRegressorCV must be an int in the range [1, inf)."),
        ({"n_strengths": 3.0}, "'n_strengths' parameter of MultiTaskRegressorCV must be an int in the range [1, inf)."),
        ({"random_state": "a"}, "'random_state' parameter of MultiTaskRegressorCV must be an instance of 'int'."),
        ({"tol": math.nan}, "'tol' parameter of MultiTaskRegressorCV must be a float in the range [0.0, 1.0)."),
    ],
)
def test_mistakes_in_cross_validation_get_a_sentence(options, words):
    X, y, task = rows()
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        MultiTaskRegressorCV(**options).fit(X, y, task)
    assert str(caught.value).startswith(f"The {words}")


def test_numbers_of_numpy_are_numbers():
    X, y, task = rows()
    plain = MultiTaskRegressorCV("l2", n_strengths=4, cv=3, random_state=2).fit(X, y, task)
    other = MultiTaskRegressorCV(
        "l2", n_strengths=np.int64(4), cv=np.int32(3), random_state=np.int64(2), tol=np.float64(1e-8)
    )
    assert np.array_equal(other.fit(X, y, task).coef_, plain.coef_)


def test_rows_that_cannot_be_fitted_get_a_sentence():
    X, y, task = rows()
    with pytest.raises(
        ValueError, match=r"^`tasks` should hold one label for each of the 41 rows\. Found shape \(5,\)\.$"
    ):
        MultiTaskRegressor().fit(X, y, task[:5])
    with pytest.raises(
        ValueError, match=r"^With `tasks`, y should hold one target for each of the 41 rows\. Found shape"
    ):
        MultiTaskRegressor().fit(X, np.column_stack([y, y]), task)
    task = np.where(np.arange(41) == 0, "d", task)
    with pytest.raises(UsageError, match=r"^`d` should have 2 samples or more to leave some out\. Found 1 sample\.$"):
        MultiTaskRegressorCV().fit(X, y, task)


# --- constant columns ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["l21", "l1inf", "trace_norm", "robust", "l2", "ridge", "mtrl", "cluster:k=2", "mrn"])
@pytest.mark.parametrize("value", [0.1, 3e8])
def test_a_constant_column_has_no_weight(name, value):
    X, y, task = rows()
    wider = np.column_stack([X[:, :2], np.full(41, value), X[:, 2:]])
    counts_inputs = name in ("robust", "mrn")
    tol = 1e-6 if counts_inputs else 1e-11  # a weight of 0 is one from the first update on
    model = MultiTaskRegressor(name, 1.5, tol=tol).fit(wider, y, task)
    assert np.abs(model.coef_[:, 2]).max() < 1e-12  # 0, but for the turning of axes in `mrn`
    if not counts_inputs:
        without = MultiTaskRegressor(name, 1.5, tol=tol).fit(X, y, task)
        assert np.allclose(np.delete(model.coef_, 2, axis=1), without.coef_, atol=1e-8)
        assert np.allclose(model.predict(wider, task), without.predict(X, task), atol=1e-8)
    lasso = MultiTaskLasso(alpha=0.1).fit(wider, np.column_stack([y, X[:, 0]]))
    assert not lasso.coef_[:, 2].any()  # as there


def test_columns_that_are_constant_in_a_task_move_its_intercept():
    """A column of one value in each task, with weights of their own where other tasks have them: least squares."""
    X, y, task = rows()
    level = np.select([task == "a", task == "b"], [1e6, -2.0], X[:, 0] ** 2)
    wider = np.column_stack([X, level])
    model = MultiTaskRegressor("l2", 1e4, tol=1e-12, max_iter=100_000).fit(wider, y, task)
    assert abs(model.coef_[0, 5]) > 1e-3  # weights of a task without variation are those of the others
    for t, name in enumerate("abc"):
        own = task == name
        assert (y[own] - model.predict(wider[own], task[own])).mean() == pytest.approx(0, abs=1e-8)
        assert model.intercept_[t] == pytest.approx((y[own] - wider[own] @ model.coef_[t]).mean(), rel=1e-9)


@pytest.mark.parametrize("kind", ["pooled", "shrunk", "none"])
def test_where_intercepts_are_held_a_constant_column_is_an_input(kind):
    """Against dense algebra: it is a further intercept of each task, and costs what a weight costs."""
    X, y, task = rows()
    wider, shift = np.column_stack([X, np.full(41, 0.7)]), 1000.0 if kind != "none" else 0.0
    model = MultiTaskRegressor("ridge", 0.4, intercept=kind, intercept_strength=2.0, tol=1e-12)
    model.fit(wider, y + shift, task)
    design = np.zeros((41, 3 * 6 + 3))
    for t, name in enumerate("abc"):
        design[task == name, 6 * t : 6 * t + 6] = wider[task == name]
        design[task == name, 18 + t] = 1.0
    centring = np.eye(3) - 1 / 3
    tie = {"pooled": 1e9 * centring, "shrunk": 4.0 * centring, "none": 1e12 * np.eye(3)}[kind]
    cost = np.block([[0.8 * np.eye(18), np.zeros((18, 3))], [np.zeros((3, 18)), tie]])
    best = np.linalg.solve(design.T @ design + cost, design.T @ y)
    assert np.allclose(model.coef_.ravel(), best[:18], atol=1e-6)
    assert np.allclose(model.intercept_ - shift, best[18:], atol=1e-6)


def test_rare_columns_that_a_fold_lacks_are_no_obstacle():
    X, y, task = rows()
    rare = np.column_stack([X, np.eye(41)[:, :2]])
    search = GridSearchCV(MultiTaskRegressor("l21"), {"strength": [0.1, 1.0, 10.0]}, cv=3)
    search.fit(rare, np.column_stack([y, X[:, 0]]))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert MultiTaskRegressorCV("ridge", cv=3, n_strengths=5).fit(rare, y, task).certificate_.met


def test_an_unmet_certificate_is_a_warning():
    X, y, task = rows()
    with pytest.warns(ConvergenceWarning, match=r"^The gap is .* after 10 iterations, not 1\.0e-12; raise `max_iter`"):
        model = MultiTaskRegressor("trace_norm", 0.01, tol=1e-12, max_iter=10).fit(X, y, task)
    assert not model.certificate_.met
