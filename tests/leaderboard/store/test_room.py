"""Records that would be too large: what is left out, in which order, and what never is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.core.suite import Suite
from bench.core.task import Classification, Task
from bench.errors import UsageError
from bench.planning.plan import _check_room
from bench.records import CorrectRows, Curves, Packed, ResultRecord
from bench.records.record import MAX_BYTES, Cost
from leaderboard.store import Store
from leaderboard.store.room import SPARE, count_stored_bytes, drop_largest_matrices, format_record

Make = Callable[..., ResultRecord]
COST = Cost(parameters=1, forward_flops=1, step_ms=1.0, train_seconds=1.0, peak_memory_mb=1.0, hardware="cpu: x")


def matrix(numbers: int) -> Packed:
    """So many numbers, of 8/3 bytes each."""
    return Packed.pack(np.zeros(numbers))


def large(make_record: Make, **changed: Any) -> ResultRecord:
    """Three matrices of 200, 40 and 120 kB."""
    matrices = {"a": matrix(75_000), "b": matrix(15_000), "c": matrix(45_000)}
    return make_record(matrices=matrices, cost=COST, **changed)


def test_a_record_with_room_is_stored_as_it_is(make_record: Make) -> None:
    """Byte for byte as before there was anything to leave out."""
    record = make_record(matrices={"a": matrix(10_000)})
    assert drop_largest_matrices(record) is record
    assert '"left_out"' not in format_record(record)
    assert '"code"' not in format_record(record)
    assert '"correct_rows"' not in format_record(record)


def test_the_largest_matrices_go_first_and_no_more_than_must(make_record: Make) -> None:
    record = drop_largest_matrices(large(make_record))
    assert record.left_out == ["matrices.a"]
    assert list(record.matrices) == ["b", "c"]
    assert count_stored_bytes(record) <= MAX_BYTES
    assert record.find_problems() == []
    tight = drop_largest_matrices(large(make_record), 60_000)
    assert (tight.left_out, list(tight.matrices)) == (["matrices.a", "matrices.c"], ["b"])


def test_curves_go_after_matrices_and_scores_never(make_record: Make) -> None:
    long = Curves(train_loss={"left": [0.123456] * 40_000})
    record = drop_largest_matrices(large(make_record, curves=long))
    assert record.left_out == ["matrices.a", "matrices.c", "matrices.b", "curves"]
    assert record.scores == large(make_record).scores
    assert record.find_problems() == []


def test_correct_rows_go_last(make_record: Make) -> None:
    """They are small, and tests over rows need them."""
    rows = {"left": CorrectRows.pack(np.arange(10_000) < 9500)}
    whole = large(make_record, correct_rows=rows)
    kept, least = drop_largest_matrices(whole), drop_largest_matrices(whole, SPARE)
    assert (kept.left_out, kept.correct_rows) == (["matrices.a"], rows)
    assert least.left_out[-2:] == ["effective_sharing", "correct_rows"]
    assert least.correct_rows == {}
    assert kept.find_problems() == least.find_problems() == []


def test_two_runs_of_a_cell_leave_out_the_same(make_record: Make) -> None:
    """Whatever their times, the name of their machine and their day are in bytes."""
    base = drop_largest_matrices(large(make_record), 200_000)
    for extra in range(0, SPARE - 1000, 1000):
        other = large(make_record, environment={"torch": "x" * extra}, created="2024-01-01T00:00:00+00:00")
        assert drop_largest_matrices(other, 200_000).left_out == base.left_out


def test_it_is_stored_and_read_again(make_record: Make, tmp_path: Any) -> None:
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="at most"):
        store.write(large(make_record))
    record = drop_largest_matrices(large(make_record))
    store.write(record)
    assert store.read().records == [record]


class Many(Suite):
    """One task of so many classes."""

    def __init__(self, classes: int) -> None:
        self.tasks = [Task("kind", lambda shape: None, lambda p, t: None, lambda: Classification(classes))]  # type: ignore[arg-type,return-value]

    def backbone(self, width: float = 1.0) -> Any:
        raise NotImplementedError

    def checksums(self) -> dict[str, str]:
        return {}

    def dataset(self, split: Any, seed: int) -> Any:
        raise NotImplementedError


def test_classes_that_no_record_holds_are_refused_before_training() -> None:
    _check_room("many", Many(100))
    with pytest.raises(UsageError, match=r"Found 200 classes in task `kind` of `many`, 351 KiB in all"):
        _check_room("many", Many(200))
