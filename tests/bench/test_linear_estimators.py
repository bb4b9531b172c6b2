"""The estimators: scikit-learn's own checks, and what they share with the solver."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso
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
    with pytest.raises(KeyError, match="no task"):
        model.predict(X, np.full(41, "d"))
    with pytest.raises(ValueError, match="should be given the tasks"):
        model.predict(X)


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
    ("options", "error", "words"),
    [
        (
            {"strength": -1.0},
            UsageError,
            "`strength` of `l21` should be a number in [0, inf]. Found `strength = -1.0`.",
        ),
        ({"constraint": "l21:strength=1"}, ValueError, "The strength should be given apart."),
        ({"constraint": "l22"}, UsageError, "There is no constraint `l22`; the nearest: "),
        ({"constraint": "orthogonal"}, UsageError, "A solver needs a constraint with a prox"),
        ({"intercept": "some"}, ValueError, "`intercept` should be one of task, pooled, shrunk, none."),
        ({"intercept_strength": -1.0}, ValueError, "`intercept_strength` should be at least 0."),
    ],
)
def test_mistakes_get_a_sentence(options, error, words):
    X, y, task = rows()
    with pytest.raises(error) as caught:
        MultiTaskRegressor(**options).fit(X, y, task)
    assert str(caught.value).startswith(words)


def test_rows_that_cannot_be_fitted_get_a_sentence():
    X, y, task = rows()
    with pytest.raises(ValueError, match=r"^With `tasks`, y and tasks should hold one entry for each of the 41 rows\."):
        MultiTaskRegressor().fit(X, y, task[:5])
    X = np.column_stack([X, np.ones(41)])
    with pytest.raises(ValueError, match=r"^Every column should vary .* Found one value in column 5; leave it out"):
        MultiTaskRegressor().fit(X, y, task)
    assert MultiTaskRegressor(intercept="none").fit(X, y, task).coef_.shape == (3, 6)
    task = np.where(np.arange(41) == 0, "d", task)
    with pytest.raises(UsageError, match=r"^`d` should have 2 samples or more to leave some out\. Found 1 sample\.$"):
        MultiTaskRegressorCV().fit(X[:, :5], y, task)


def test_an_unmet_certificate_is_a_warning():
    X, y, task = rows()
    with pytest.warns(ConvergenceWarning, match=r"^The gap is .* after 10 iterations, not 1\.0e-12; raise `max_iter`"):
        MultiTaskRegressor("trace_norm", 0.01, tol=1e-12, max_iter=10).fit(X, y, task)
