"""Runs of linear suites under the dial of missing labels: whole records, and what an independent program gets."""

import itertools
import math

import numpy as np
import pytest

from bench.core.thinning import thin_labels
from bench.planning.plan import parse_suite, plan
from bench.records import ResultRecord
from bench.training.fit import fit

SHARED = "linear_synthetic:inputs=shared,tasks=6,train=60"
OWN = "linear_synthetic:tasks=6,train=60"
SHORT = {"folds": "3", "strengths": "4", "labels": "0.6", "tolerance": "1e-12"}


def solved(name: str, method: str, **settings: str) -> ResultRecord:
    [spec] = plan(name, [method], [2], SHORT | settings)
    record = fit(spec)
    assert record.status == "done", record.error
    assert record.find_problems() == []
    assert record.solution is not None
    assert record.solution.met
    return record


def solve_by_labels(name: str, by: str, coupling: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One dense system, an equation for each label that the setting keeps: weights (d, T) and intercepts (T,).

    coupling: (T, T), of the penalty tr W coupling W^T.
    """
    _, suite = parse_suite(name)
    data = thin_labels(suite.dataset("train", 2), 0.6, by, 2)  # type: ignore[arg-type]
    T, d = 6, 30
    A, c = np.zeros((T, d + 1, T, d + 1)), np.zeros((T, d + 1))
    for t, task in enumerate(data.targets):
        for x, y in zip(data.inputs[task].double().numpy(), data.targets[task].double().numpy(), strict=True):
            if not np.isnan(y[0]):
                z = np.append(x, 1.0)
                A[t, :, t, :] += np.outer(z, z)
                c[t] += y[0] * z
    for t, s, j in itertools.product(range(T), range(T), range(d)):
        A[t, j, s, j] += 2 * coupling[t, s]
    W = np.linalg.solve(A.reshape(T * (d + 1), -1), c.ravel()).reshape(T, d + 1)
    return W[:, :d].T, W[:, d]


def score_by_hand(name: str, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """rmse of every task on the whole test split."""
    _, suite = parse_suite(name)
    test = suite.dataset("test", 2)
    left = [
        test.targets[t][:, 0].double().numpy() - test.inputs[t].double().numpy() @ w - offset
        for t, w, offset in zip(test.targets, W.T, b, strict=True)
    ]
    return np.array([math.sqrt((each**2).mean()) for each in left])


@pytest.mark.parametrize("by", ["random", "same", "block"])
@pytest.mark.parametrize("method", ["single_task", "soft+l2", "soft+graph:edges=ring"])
@pytest.mark.parametrize("name", [SHARED, OWN])
def test_scores_are_those_of_one_dense_system_over_the_labels(name: str, method: str, by: str) -> None:
    """At the strength that was chosen among the labels that are there; on a test split that keeps all of its own."""
    record = solved(name, method, labels_by=by)
    ring = np.roll(np.eye(6), 1, axis=1)
    coupling = {
        "single_task": np.eye(6),
        "soft+l2": np.eye(6) - 1 / 6,
        "soft+graph:edges=ring": 2 * np.eye(6) - ring - ring.T,
    }[method]
    assert record.solution is not None
    W, b = solve_by_labels(name, by, float(record.solution.strength or 0) * coupling)
    errors = score_by_hand(name, W, b)
    if name == OWN:
        expected, counts = {"pooled": math.sqrt((errors**2).mean())}, {"pooled": 6 * 36}
    else:
        expected = {f"task{t:02d}": error for t, error in enumerate(errors)}
        counts = dict.fromkeys(expected, 36)  # more than inputs: one solution
    assert record.labels == {"train": counts}
    for task, error in expected.items():
        assert record.scores["val"][task]["rmse"] == pytest.approx(error, rel=1e-7)  # the strength has nine digits


def test_a_process_is_conditioned_on_the_labels_that_are_kept() -> None:
    counts = dict.fromkeys((f"task{t:02d}" for t in range(6)), 24)
    settings = {"labels": "0.4", "labels_by": "block", "steps_per_epoch": "5"}
    [spec] = plan(SHARED, ["gp_icm"], [0], settings)
    record = fit(spec)
    assert record.status == "done", record.error
    assert record.find_problems() == []
    assert record.labels == {"train": counts}


def test_all_labels_are_the_run_that_it_was() -> None:
    one, same = (plan(OWN, ["soft+l2"], [0], settings)[0] for settings in ({}, {"labels": "1", "labels_by": "block"}))
    assert one.run_id == same.run_id
