"""Classifier chains: those of scikit-learn, and without links its logistic regressions one by one."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import ClassifierChain

from bench.catalogue.method import Method
from bench.core.sharing import Blueprint
from bench.core.state import TrainState
from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit

SUITE = parse_suite("multilabel:tasks=4,train=60")[1]
NAMES = [task.name for task in SUITE.tasks]
ROWS, NEW = SUITE.dataset("train", 0), SUITE.dataset("val", 0)
X, X_NEW = (rows.inputs[NAMES[0]].double() for rows in (ROWS, NEW))
Y = np.stack([ROWS.targets[name].flatten().numpy().astype(int) for name in NAMES], axis=1)


def fitted(text: str, seed: int = 0, iterations: int = 500) -> Any:
    """The chains of a method, fitted to the rows of the suite, and what the fit found."""
    sharing: Any = Method.parse(text).sharing.build(Blueprint(SUITE, 0)).double()
    y = {name: torch.from_numpy(Y[:, t]).double() for t, name in enumerate(NAMES)}
    generator = torch.Generator().manual_seed(seed)
    sharing.found = sharing.fit(dict.fromkeys(NAMES, X), y, iterations, generator)
    return sharing


def probabilities(sharing: Any) -> np.ndarray:
    found = sharing(dict.fromkeys(NAMES, X_NEW), TrainState())
    return np.asarray(expit(torch.cat([found[name] for name in NAMES], dim=1).numpy()))


def regression(c: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=c, tol=1e-6, max_iter=500)


@pytest.mark.parametrize(("links", "method"), [("labels", "predict"), ("probabilities", "predict_proba")])
def test_a_chain_is_that_of_scikit_learn(links: str, method: str) -> None:
    chains = fitted(f"classifier_chains:c=2.0,links={links}")
    other = ClassifierChain(regression(2.0), order=[0, 1, 2, 3], chain_method=method).fit(X.numpy(), Y)
    np.testing.assert_allclose(probabilities(chains), other.predict_proba(X_NEW.numpy()), atol=1e-10)
    np.testing.assert_array_equal(probabilities(chains) > 0.5, other.predict(X_NEW.numpy()) > 0.5)


def test_without_links_it_is_a_regression_of_each_label() -> None:
    alone = fitted("classifier_chains:chained=false")
    for t, p in enumerate(probabilities(alone).T):
        other = regression().fit(X.numpy(), Y[:, t])
        np.testing.assert_allclose(p, other.predict_proba(X_NEW.numpy())[:, 1], atol=1e-10)
    assert alone.matrices() == {}
    np.testing.assert_allclose(probabilities(alone)[:, 0], probabilities(fitted("classifier_chains"))[:, 0], atol=1e-10)


def test_chains_in_random_orders_are_averaged() -> None:
    chains = fitted("classifier_chains:count=3,order=random")
    orders = [order for _, order in chains.chains]
    assert len({tuple(order) for order in orders}) > 1
    each = [
        ClassifierChain(regression(), order=order).fit(X.numpy(), Y).predict_proba(X_NEW.numpy()) for order in orders
    ]
    np.testing.assert_allclose(probabilities(chains), np.mean(each, axis=0), atol=1e-10)
    assert [order for _, order in fitted("classifier_chains:count=3,order=random", 1).chains] != orders


def test_links_are_the_weights_of_the_labels_before() -> None:
    links = fitted("classifier_chains").matrices()["links"].numpy()
    assert np.array_equal(links, np.tril(links, -1))
    # The last label of the chain, from its features and the true labels before it.
    other = regression().fit(np.hstack([X.numpy(), Y[:, :3]]), Y[:, 3])
    np.testing.assert_allclose(links[3, :3], other.coef_[0, -3:], atol=1e-10)


def test_the_end_of_a_fit_is_told() -> None:
    """The objective by hand, a gradient near 0 at the minimum, and one that is not where steps are too few."""
    chains = fitted("classifier_chains:chained=false,c=0.5")
    models = [regression(0.5).fit(X.numpy(), Y[:, t]) for t in range(4)]
    losses = [-0.5 * np.log(m.predict_proba(X.numpy())[np.arange(60), Y[:, t]]).sum() for t, m in enumerate(models)]
    expected = sum(losses) + sum(float(m.coef_[0] @ m.coef_[0]) / 2 for m in models)
    assert chains.found.objective == pytest.approx(expected, rel=1e-9)
    assert chains.found.residual < 1e-4
    assert chains.found.parameters == 4 * 11
    assert fitted("classifier_chains").found.parameters == 4 * 11 + 6
    assert fitted("classifier_chains", iterations=1).found.residual > 1e-2


def test_a_run_is_a_row_beside_networks() -> None:
    [spec] = plan("multilabel:tasks=3,train=60", ["classifier_chains"], [0])
    record = fit(spec)
    assert record.status == "done", record.error
    assert record.find_problems() == []
    assert record.solution is not None
    assert record.solution.met
    assert set(record.matrices) == {"learned links"}
    assert "scikit-learn" in record.environment


def test_before_the_fit_nothing_is_known() -> None:
    sharing = Method.parse("classifier_chains").sharing.build(Blueprint(SUITE, 0)).double()
    found = sharing(dict.fromkeys(NAMES, X_NEW), TrainState())
    assert all(torch.equal(each, torch.zeros(500, 1, dtype=torch.float64)) for each in found.values())
    assert logit(0.5) == 0


@pytest.mark.parametrize(
    ("suite", "method", "sentence"),
    [
        ("synthetic", "classifier_chains", "predicts labels of 0 or 1 (here `task00` is of kind `regression`)."),
        ("transfer", "classifier_chains", "chains labels of the same rows; this suite's tasks have rows of their own."),
        ("multilabel", "classifier_chains:count=2", "`count` should be 1 unless chains are in random orders. Found"),
        ("multilabel", "classifier_chains:count=0", "count"),
        ("multilabel", "classifier_chains:c=0.0", "c"),
        ("multilabel", "classifier_chains+l2", "has no copies of a parameter"),
    ],
)
def test_what_does_not_fit_is_one_sentence(suite: str, method: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(suite, [method], [0])
    assert sentence in str(caught.value)


def test_labels_that_are_all_the_same_are_refused() -> None:
    sharing: Any = Method.parse("classifier_chains").sharing.build(Blueprint(SUITE, 0)).double()
    y = {name: torch.from_numpy(Y[:, t]).double() for t, name in enumerate(NAMES)}
    with pytest.raises(UsageError, match=r"with and without a label\. Found `label02` 1 in all 60\."):
        sharing.fit(dict.fromkeys(NAMES, X), y | {"label02": torch.ones(60)}, 9, torch.Generator())
    with pytest.raises(UsageError, match="a label of every task in every row"):
        sharing.fit({name: X.clone() for name in NAMES}, y, 9, torch.Generator())
