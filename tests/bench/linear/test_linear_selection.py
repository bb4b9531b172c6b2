"""The estimators inside scikit-learn's model selection: `tasks` reach every fold, or a warning says why not."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.linear.estimators import MultiTaskRegressor, MultiTaskRegressorCV

CV = KFold(3, shuffle=True, random_state=0)


@pytest.fixture
def routed() -> Iterator[None]:
    with config_context(enable_metadata_routing=True):
        yield


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    X, W, task = generator.normal(size=(60, 5)), generator.normal(size=(5, 3)), np.repeat([0, 1, 2], 20)
    return X, (X * W[:, task].T).sum(axis=1) + 0.3 * generator.normal(size=60), task


def by_hand(strength: float, X: np.ndarray, y: np.ndarray, task: np.ndarray) -> list[float]:
    return [
        MultiTaskRegressor("l21", strength).fit(X[a], y[a], task[a]).score(X[b], y[b], tasks=task[b])
        for a, b in CV.split(X)
    ]


@pytest.mark.usefixtures("routed")
def test_tasks_reach_every_fold() -> None:
    X, y, task = rows()
    strengths = [0.1, 1.0, 10.0, 100.0]
    search = GridSearchCV(MultiTaskRegressor("l21"), {"strength": strengths}, cv=CV).fit(X, y, tasks=task)
    expected = np.array([by_hand(strength, X, y, task) for strength in strengths])
    assert search.cv_results_["mean_test_score"] == pytest.approx(expected.mean(axis=1))
    assert search.best_params_ == {"strength": strengths[int(expected.mean(axis=1).argmax())]}
    assert search.score(X, y, tasks=task) == search.best_estimator_.score(X, y, tasks=task)
    scores = cross_val_score(MultiTaskRegressor("l21", 10.0), X, y, cv=CV, params={"tasks": task})
    assert scores == pytest.approx(expected[2])


@pytest.mark.usefixtures("routed")
def test_folds_by_task_and_pipelines() -> None:
    """Rows sorted by task, which plain folds would leave out whole: folds of the labels have rows of all."""
    X, y, task = rows()
    folds = list(StratifiedKFold(4).split(X, task))
    model: Any = make_pipeline(StandardScaler(), MultiTaskRegressorCV("l2", n_strengths=4, cv=3))
    scores = cross_val_score(model, X, y, cv=folds, params={"tasks": task})
    assert scores.min() > 0.8
    assert model.fit(X, y, tasks=task).score(X, y, tasks=task) > 0.9


@pytest.mark.usefixtures("routed")
def test_common_inputs_need_no_tasks_where_metadata_is_routed() -> None:
    X, y, _ = rows()
    Y = np.column_stack([y, X[:, 0] - y])
    assert (cross_val_score(MultiTaskRegressor("l21"), X, Y, cv=CV) > 0.3).all()


def test_without_routing_a_missing_score_has_a_reason() -> None:
    X, y, task = rows()
    search = GridSearchCV(MultiTaskRegressor("l21"), {"strength": [0.1, 1.0]}, cv=CV)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y, tasks=task)
    reasons = [str(warning.message) for warning in caught if "Scoring failed" in str(warning.message)]
    assert len(reasons) == 6
    assert all("after `sklearn.set_config(enable_metadata_routing=True)`." in reason for reason in reasons)
    search.set_params(error_score="raise")
    with pytest.raises(ValueError, match=r"^`score` should be given the `tasks` of its rows, as `fit` was\."):
        search.fit(X, y, tasks=task)


@pytest.mark.usefixtures("routed")
def test_a_fold_without_a_task_has_a_reason() -> None:
    X, y, task = rows()
    with pytest.raises(ValueError, match=r"^`tasks` should be tasks whose rows `fit` was given\. Found 0; "):
        cross_val_score(MultiTaskRegressor("l21"), X, y, cv=3, params={"tasks": task}, error_score="raise")
