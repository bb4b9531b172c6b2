"""What stands beside the measured answer: baselines of scikit-learn, and cheap scores of labels."""

import math

import pytest
import torch
from torch import Tensor, nn

from bench.api import cross_entropy_loss, mse_loss
from bench.core.data import Dataset
from bench.core.task import Classification, Regression, Task, TaskMetric
from bench.execution.ask.cheap import compare_labels
from bench.execution.ask.floors import BASELINES, measure_floor

X = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
LINE = X @ torch.tensor([1.0, -2.0, 0.5])
NUMBER = Task("a", lambda shape: nn.Linear(*shape, 1), mse_loss, Regression)


def classify() -> TaskMetric:
    return Classification(2)


CLASS = Task("a", lambda shape: nn.Linear(*shape, 2), cross_entropy_loss, classify)


def split(targets: Tensor) -> tuple[Dataset, Dataset]:
    """150 rows to fit and 50 to be scored."""
    train, test = (Dataset({"a": X[rows]}, {"a": targets[rows]}) for rows in (slice(150), slice(150, 200)))
    return train, test


def test_a_line_is_found_by_ridge_and_less_well_by_trees() -> None:
    linear, *trees = (measure_floor(name, NUMBER, *split(LINE[:, None])) for name in BASELINES)
    assert linear is not None
    assert linear < 0.01
    assert all(error is not None and linear < error < LINE.std() for error in trees)


def test_rows_without_a_label_are_not_fitted() -> None:
    targets = LINE[:, None].clone()
    targets[:100] = math.nan
    whole, part = split(LINE[:, None]), split(targets)
    kept = Dataset({"a": X[100:150]}, {"a": LINE[100:150, None]})
    assert measure_floor("linear", NUMBER, part[0], whole[1]) == measure_floor("linear", NUMBER, kept, whole[1])


def test_two_classes_are_told_apart_and_one_class_has_no_baseline() -> None:
    error = measure_floor("linear", CLASS, *split((LINE > 0).long()))
    assert error is not None
    assert error < 0.1
    assert measure_floor("linear", CLASS, *split(torch.ones(200, dtype=torch.long))) is None


@pytest.mark.parametrize(
    ("one", "other", "statistic"),
    [
        (LINE, -(LINE**3), 1.0),  # ranks alone count, and not the sign
        (LINE, torch.where(torch.arange(200) < 198, math.nan, LINE), math.nan),  # two rows have both
        (LINE, torch.ones(200), math.nan),
        ((LINE > 0).long(), (LINE < 0).long(), 1.0),  # what classes are called says nothing
    ],
)
def test_labels_that_say_the_same_have_a_statistic_of_one(one: Tensor, other: Tensor, statistic: float) -> None:
    assert compare_labels(one, other) == pytest.approx(statistic, nan_ok=True)


def test_a_number_is_held_against_a_class_by_its_deciles() -> None:
    related, random = compare_labels(LINE, (LINE > 0).long()), compare_labels(LINE, torch.arange(200) % 2)
    assert related > 0.3 > 0.1 > random
