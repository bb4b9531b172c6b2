"""Spans and their F1 against conlleval's way to count them, and what a record may hold of them."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from bench.scores import primary_error, score
from suites._shared.tagging.metrics import PairCounts, SpanCounts, TokenCounts
from suites._shared.tagging.tags import TagSet, count_spans, list_spans
from tests.suites._shared.tagging.conlleval import count

TYPES = TagSet(("X", "Y", "Z"), spans=True)


def logits(tags: np.ndarray) -> torch.Tensor:
    """Predictions (n, tags, L) whose largest is at the number of each tag."""
    return one_hot(torch.from_numpy(tags), len(TYPES.tags)).transpose(1, 2).float()


def evaluate(truth: np.ndarray, predicted: np.ndarray, **options: Any) -> dict[str, Any]:
    metric = SpanCounts(3, **options)
    metric.update(logits(predicted), torch.from_numpy(truth))
    return metric.state()


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        ("B-X I-X O", "B-X I-X O", (1, 1, 1)),
        ("B-X I-X O", "I-X I-X O", (1, 1, 1)),  # an I after O begins
        ("B-X I-X", "B-X I-Y", (1, 2, 0)),  # another type begins a span
        ("B-X B-X", "B-X I-X", (2, 1, 0)),  # spans beside one another
        ("B-X B-X", "B-X B-X", (2, 2, 2)),
        ("B-X I-X I-X", "B-X I-X O", (1, 1, 0)),  # a part is not right
        ("B-X O", "O O", (1, 0, 0)),
        ("O O", "O O", (0, 0, 0)),
        ("O O", "I-Z I-Z", (0, 1, 0)),
        ("B-X I-X B-Y", "B-X I-X I-Y", (2, 2, 2)),
        ("B-X I-Y I-X", "B-X I-Y B-X", (3, 3, 3)),
    ],
)
def test_hard_cases(truth: str, predicted: str, expected: tuple[int, int, int]) -> None:
    assert count(truth.split(), predicted.split()) == expected  # the reference itself
    a, b = TYPES.encode(truth.split()), TYPES.encode(predicted.split())
    state = evaluate(a[None], b[None])
    assert tuple(sum(state[key]) for key in ("truth", "predicted", "correct")) == expected


def test_random_tags_against_the_reference() -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    truth = generator.integers(len(TYPES.tags), size=(400, 9))
    predicted = np.where(generator.random(truth.shape) < 0.7, truth, generator.integers(len(TYPES.tags), size=(400, 9)))
    names = TYPES.tags
    each = [count([names[t] for t in a], [names[t] for t in b]) for a, b in zip(truth, predicted, strict=True)]
    state = evaluate(truth, predicted)
    true, found, right = np.sum(each, axis=0)
    assert [sum(state[key]) for key in ("truth", "predicted", "correct")] == [true, found, right]
    scores = score("spans", state)
    p, r = 100 * right / found, 100 * right / true
    assert scores == pytest.approx({"precision": p, "recall": r, "f1": 2 * p * r / (p + r)})
    assert primary_error("spans", state) == pytest.approx(1 - scores["f1"] / 100)


def test_places_without_a_word_count_for_nothing() -> None:
    """Whatever is predicted there, and however many there are; a span does not go on over one."""
    truth = TYPES.encode(["B-X", "I-X", "B-Y", "O"])
    predicted = TYPES.encode(["B-X", "I-X", "B-Y", "O"])
    gap = np.array([-1])
    for tag in range(len(TYPES.tags)):
        row = np.concatenate([truth, gap, truth, gap, gap])
        poisoned = np.concatenate([predicted, [tag], predicted, [tag, tag]])
        assert np.array_equal(
            count_spans(row[None], poisoned[None], 3), 2 * count_spans(truth[None], predicted[None], 3)
        )
    inside = TYPES.encode(["B-X", "I-X"])
    over = np.insert(inside, 1, -1)[None]
    assert count_spans(over, np.array([[1, 2, 2]]), 3).tolist() == [[2, 0, 0]] * 3


def test_types_that_are_not_scored() -> None:
    tags = TYPES.encode(["B-X", "B-Y", "I-Y", "B-Z"])[None]
    assert evaluate(tags, tags, unscored=(1,)) == {key: [1, 0, 1] for key in ("truth", "predicted", "correct")}


def test_spans_of_a_sentence() -> None:
    assert list_spans(TYPES.encode(["B-X", "I-X", "I-Y", "O", "I-Z", "B-Z"])) == [
        (0, 1, 0),
        (2, 2, 1),
        (4, 4, 2),
        (5, 5, 2),
    ]


def test_batches_add_up() -> None:
    generator = np.random.Generator(np.random.PCG64(1))
    truth, predicted = (torch.from_numpy(generator.integers(7, size=(50, 6))) for _ in range(2))
    for make in (lambda: SpanCounts(3), lambda: TokenCounts(7)):
        whole, parts = make(), make()
        whole.update(logits(predicted.numpy()), truth)
        for at in range(0, 50, 7):
            parts.update(logits(predicted[at : at + 7].numpy()), truth[at : at + 7])
        assert whole.state() == parts.state()


def test_accuracy_is_over_words() -> None:
    metric = TokenCounts(3)
    truth = torch.tensor([[0, 1, 2, -1], [2, -1, -1, -1]])
    predicted = torch.tensor([[0, 1, 1, 0], [2, 2, 1, 0]])
    metric.update(one_hot(predicted, 3).transpose(1, 2).float(), truth)
    assert metric.state() == {"truth": [1, 1, 2], "predicted": [1, 2, 1], "correct": [1, 1, 1]}
    assert score("tokens", metric.state()) == {"accuracy": 75.0}
    assert primary_error("tokens", metric.state()) == 0.25


def test_pairs_of_a_sentence() -> None:
    metric = PairCounts()
    scores = torch.tensor([[[3.0, 1.0, 2.0, 9.0]], [[0.0, 0.0, 5.0, 9.0]], [[1.0, 2.0, 3.0, 4.0]]])
    metric.update(scores, torch.tensor([[[1, 1, 0, -1]], [[1, 0, 1, -1]], [[1, 1, -1, -1]]]))
    # Of the first sentence 3 > 2 and not 1 > 2, of the second 5 > 0 and not 0 > 0; the third has no false word.
    assert metric.state() == {"truth": [0, 4], "predicted": [2, 2], "correct": [0, 2]}
    assert score("tokens", metric.state()) == {"accuracy": 50.0}


def test_perfect_and_empty_scores_have_a_logarithm() -> None:
    perfect = {key: [4, 6] for key in ("truth", "predicted", "correct")}
    assert primary_error("spans", perfect) == 0.5 / 20
    assert primary_error("tokens", perfect) == 0.5 / 10
    nothing = {"truth": [3], "predicted": [0], "correct": [0]}
    assert score("spans", nothing) == {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    assert math.isclose(primary_error("spans", nothing), 1.0)
    none = {"truth": [0], "predicted": [0], "correct": [0]}
    assert score("spans", none)["f1"] == 0.0


@pytest.mark.parametrize(
    ("kind", "state", "sentence"),
    [
        ("spans", {"truth": [1], "predicted": [1], "correct": [2]}, "`correct` should be at most"),
        ("spans", {"truth": [1], "predicted": [1, 1], "correct": [1]}, "lists of counts"),
        ("spans", {"truth": [1.0], "predicted": [1], "correct": [1]}, "lists of counts"),
        ("spans", {"truth": [True], "predicted": [1], "correct": [1]}, "lists of counts"),
        ("spans", {"truth": [], "predicted": [], "correct": []}, "lists of counts"),
        ("spans", {"truth": [1], "predicted": [-1], "correct": [0]}, "lists of counts"),
        ("spans", {"truth": [2**60], "predicted": [1], "correct": [0]}, "at most 2\\^53"),
        ("spans", {"truth": [1], "predicted": [1]}, "`correct`"),
        ("tokens", {"truth": [2], "predicted": [1], "correct": [1]}, "the same tokens"),
        ("tokens", {"truth": [0], "predicted": [0], "correct": [0]}, "at least one"),
    ],
)
def test_statistics_that_cannot_be(kind: str, state: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        score(kind, state)
