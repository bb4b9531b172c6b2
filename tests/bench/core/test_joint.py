"""Scores over all labels of a row: those of scikit-learn, in pieces, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, hamming_loss, label_ranking_loss
from torch import Tensor

from bench.core.data import Dataset
from bench.core.joint import JointMetric, MultiLabel, OneAgainstRest
from bench.core.labels import check_labels
from bench.errors import UsageError
from bench.planning.plan import parse_suite
from bench.scores import find_kind, primary_error, score

NAMES = ["a", "b", "c", "d", "e"]
GENERATOR = torch.Generator().manual_seed(5)
# Halves, so that scores tie within rows.
Z = (torch.randn(80, 5, generator=GENERATOR) * 2).round() / 2
Y = (torch.rand(80, 5, generator=GENERATOR) < torch.tensor([0.5, 0.1, 0.9, 0.3, 0.0])).float()
Y[:3], Y[3:6] = 0.0, 1.0  # rows without a label, and with all of them


def gather(metric: JointMetric, z: Tensor, y: Tensor, order: list[str], size: int = 80) -> dict[str, Any]:
    """The statistics of columns of logits and labels, task by task in an order, some rows at a time."""
    for rows in torch.arange(len(z)).split(size):
        for name in order:
            t = metric.names.index(name)
            metric.update_task(name, z[rows][:, [t]], y[rows][:, [t]])
    return metric.state()


STATE = gather(MultiLabel(NAMES), Z, Y, NAMES)


def test_the_scores_are_those_of_scikit_learn() -> None:
    found, truth, guess = score("multilabel", STATE), Y.numpy().astype(int), (Z > 0).numpy().astype(int)
    expected = {
        "accuracy": 100 * (1 - hamming_loss(truth, guess)),
        "macro_f1": 100 * f1_score(truth, guess, average="macro", zero_division=0),
        "micro_f1": 100 * f1_score(truth, guess, average="micro"),
        "ranking_loss": 100 * label_ranking_loss(truth, Z.numpy()),
        "subset_accuracy": 100 * accuracy_score(truth, guess),
    }
    assert found == pytest.approx(expected, rel=1e-12)
    assert primary_error("multilabel", STATE) == pytest.approx(hamming_loss(truth, guess), rel=1e-12)
    kind = find_kind("multilabel")
    assert kind.error_of is not None
    assert kind.error_of(found) == pytest.approx(hamming_loss(truth, guess), rel=1e-12)
    assert kind.rows is not None
    assert kind.rows(STATE) == 80
    assert kind.truth(STATE) == [80, *truth.sum(axis=0)]


@pytest.mark.parametrize("size", [1, 7, 80])
def test_neither_pieces_nor_the_order_of_tasks_matter(size: int) -> None:
    assert gather(MultiLabel(NAMES), Z, Y, ["c", "a", "e", "b", "d"], size) == STATE


def test_perfect_labels_have_an_error_below_that_of_one_mistake() -> None:
    right = gather(MultiLabel(NAMES), Y - 0.5, Y, NAMES)
    scores = score("multilabel", right)
    assert (scores["accuracy"], scores["subset_accuracy"], scores["ranking_loss"]) == (100, 100, 0)
    assert primary_error("multilabel", right) == 0.5 / 400


def test_the_decision_between_classes_is_the_highest_logit() -> None:
    z, digit = torch.randn(60, 5, generator=GENERATOR), torch.arange(60) % 5
    state = gather(OneAgainstRest(NAMES), z, torch.eye(5)[digit], NAMES[::-1], 9)
    assert np.array_equal(state["confusion"], confusion_matrix(digit, z.argmax(dim=1)))
    wrong = float((z.argmax(dim=1) != digit).double().mean())
    assert primary_error("one_against_rest", state) == pytest.approx(wrong)
    assert score("one_against_rest", state)["accuracy"] == pytest.approx(100 - 100 * wrong)


def test_a_task_alone_is_the_only_one() -> None:
    labels, decision = MultiLabel(NAMES), OneAgainstRest(NAMES)
    for metric in (labels, decision):
        metric.update(Z[:, :1], Y[:, :1])
    scores = score("multilabel", labels.state())
    right = 100 * float(((Z[:, 0] > 0) == Y[:, 0].bool()).double().mean())
    assert [scores["accuracy"], scores["subset_accuracy"]] == pytest.approx([right, right])
    assert np.array_equal(decision.state()["confusion"], confusion_matrix(Y[:, 0], Z[:, 0] > 0))


@pytest.mark.parametrize("metric", [MultiLabel(NAMES), OneAgainstRest(NAMES)])
def test_rows_that_some_tasks_lack_are_refused(metric: JointMetric) -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        metric.state()
    metric.update_task("a", Z[:, :1], Y[:, :1])
    metric.update_task("b", Z[:9, 1:2], Y[:9, 1:2])
    with pytest.raises(UsageError, match=r"a label in every row\. Found 9 labels of one and 80 of another\."):
        metric.state()


def test_rows_of_as_many_labels_are_refused_where_they_are_different_ones() -> None:
    """Which the metric does not see: each task has as many rows as the others."""
    suite = parse_suite("multilabel:tasks=2,train=16")[1]
    rows = suite.dataset("test", 0)
    first, second = rows.targets
    apart = replace(rows, inputs={first: rows.inputs[first], second: rows.inputs[second].clone()})
    gaps = {name: labels.clone() for name, labels in rows.targets.items()}
    gaps[first][0], gaps[second][1] = torch.nan, torch.nan
    check_labels(suite, "test", rows)
    check_labels(suite, "train", Dataset(rows.inputs, gaps))  # which no metric sees
    with pytest.raises(UsageError, match=r"Found `label01` and `label02` with rows of their own in `test`\."):
        check_labels(suite, "test", apart)
    with pytest.raises(
        UsageError, match=r"`labels` scores together .* Found rows without a label of `label01` in `val`"
    ):
        check_labels(suite, "val", Dataset(rows.inputs, gaps))
    alone = replace(suite.tasks[0], pool="")
    suite.tasks = [alone]
    check_labels(suite, "val", Dataset({first: rows.inputs[first]}, {first: gaps[first]}))


def test_a_row_of_two_classes_or_of_none_is_refused() -> None:
    with pytest.raises(UsageError, match=r"of one class\. Found one of 0 classes"):
        gather(OneAgainstRest(NAMES), Z, Y, NAMES)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"truth": [1, 2, 3, 4]}, "lists of counts"),
        ({"truth": [True, 2, 3, 4, 5]}, "lists of counts"),
        ({"predicted": [0, 0, 0, 0, -1]}, "lists of counts"),
        ({"correct": [0.0, 0, 0, 0, 0]}, "lists of counts"),
        ({"truth": [81, 0, 0, 0, 0]}, "at most `rows` rows"),
        ({"correct": [80, 80, 80, 80, 80]}, "among `truth` and `predicted`"),
        ({"predicted": [80, 80, 80, 80, 80], "correct": [0, 0, 0, 0, 0]}, "among `truth` and `predicted`"),
        ({"exact": 80}, "should leave as many rows"),
        ({"exact": 1.0}, "whole number of rows"),
        ({"exact": 81}, "whole number of rows"),
        ({"ranking": 80.1}, "sum of shares"),
        ({"ranking": -1.0}, "finite number"),
        ({"rows": 0}, "at least 1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        score("multilabel", STATE | changes)
