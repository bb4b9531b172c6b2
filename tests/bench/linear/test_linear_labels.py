"""Labels of tasks: what they may be, and what is said of others."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike

from bench.errors import UsageError
from bench.linear.estimators import MultiTaskRegressor
from bench.linear.labels import find_places, read_labels


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b", "a"],
        np.array(["a", "b", "a"]),
        np.array(["a", "b", "a"], dtype=object),
        pd.Series(["a", "b", "a"]),
        pd.Categorical(["a", "b", "a"]),
        [3, 7, 3],
        np.array([3, 7, 3], dtype=np.uint8),
        pd.Series([3.0, 7.0, 3.0]),
        [True, False, True],
        (0.5, 1, 0.5),
    ],
)
def test_labels_are_numbers_or_text(labels: Any) -> None:
    found = read_labels(labels, 3)
    assert found.tolist() == list(labels)
    known, place = np.unique(found, return_inverse=True)
    assert find_places(known, found).tolist() == place.tolist()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a", 1, "b"], "`tasks` should hold numbers alone, or text alone. Found 1 beside 'a' (row 1)."),
        ([1, "1", 2], "`tasks` should hold numbers alone, or text alone. Found '1' beside 1 (row 1)."),
        ([None, "a", "b"], "`tasks` should hold numbers alone, or text alone. Found None (row 0)."),
        (["a", None, "b"], "`tasks` should hold numbers alone, or text alone. Found None beside 'a' (row 1)."),
        ([1.0, np.nan, 2.0], "`tasks` should hold numbers alone, or text alone. Found nan beside 1.0 (row 1)."),
        (["a", ["b"], "c"], "`tasks` should hold numbers alone, or text alone. Found ['b'] beside 'a' (row 1)."),
        (["a", "b"], "`tasks` should hold one label for each of the 3 rows. Found shape (2,)."),
        (["a"], "`tasks` should hold one label for each of the 3 rows. Found shape (1,)."),
        ([["a"], ["b"], ["c"]], "`tasks` should hold one label for each of the 3 rows. Found shape (3, 1)."),
        ("abc", "`tasks` should hold one label for each of the 3 rows. Found shape ()."),
        (pd.DataFrame({"t": [1, 2, 3]}), "`tasks` should hold one label for each of the 3 rows. Found shape (3, 1)."),
    ],
)
def test_other_labels_get_a_sentence(labels: ArrayLike, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_labels(labels, 3)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("known", "labels", "words"),
    [
        (["anna", "bert"], ["bert", "ana"], "Found 'ana'; the nearest: `anna`."),
        ([1, 2], [1, 3], "Found 3; the nearest: `1`, `2`."),
        ([1, 2], ["1", "2"], "Found '1'; the nearest: `1`."),
        (["1", "2"], [1, 2], "Found 1; the nearest: `1`."),
        ([1.5, 2.0], [9.0, 2.0], "Found 9.0; the nearest: "),
    ],
)
def test_a_task_that_was_not_fitted_gets_a_sentence(known: list[Any], labels: list[Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_places(np.array(known), np.array(labels))
    assert str(caught.value).startswith(f"`tasks` should be tasks whose rows `fit` was given. {words}")


@pytest.mark.parametrize("labels", [["a"], [["a"], ["b"], ["a"]], ["a", "b", "c"], ["a", None, "b"]])
def test_predictions_take_a_label_per_row(labels: Any) -> None:
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = MultiTaskRegressor("l2").fit(X, X[:, 0], ["a", "b"] * 10)
    assert model.predict(X[:3], ["a", "b", "a"]).shape == (3,)
    with pytest.raises(ValueError, match=r"^`tasks` should "):
        model.predict(X[:3], labels)
