"""The bits of test rows: what is packed comes back, and a record whose bits count otherwise is found out."""

import base64
import zlib

import numpy as np
import pytest
from pydantic import ValidationError

from bench.records import CorrectRows, ResultRecord
from bench.records.correct_rows import MOST_ROWS
from tests.bench.records.test_records import record

RIGHT = np.array([True, True, True, False])  # as many as the confusion matrix of `record` has: 3 of 4


def with_rows(**rows: CorrectRows) -> ResultRecord:
    """The finished record of test_records with these bits, sealed."""
    return record().model_copy(update={"correct_rows": rows}).seal()


def compress(data: bytes) -> str:
    """Bytes as the text of `CorrectRows.bits`."""
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 1596, MOST_ROWS])
def test_bits_come_back_in_their_order(rows: int) -> None:
    right = np.random.default_rng(rows).random(rows) < 0.9
    packed = CorrectRows.pack(right)
    np.testing.assert_array_equal(packed.unpack(), right)
    assert CorrectRows.model_validate_json(packed.model_dump_json()) == packed
    assert len(packed.bits) <= 16 * 1024 + 40  # what zlib adds to bytes that it cannot compress


def test_there_are_rows_and_not_too_many() -> None:
    for rows in (0, MOST_ROWS + 1):
        with pytest.raises(ValidationError, match="rows"):
            CorrectRows.pack(np.ones(rows, dtype=bool))


@pytest.mark.parametrize(
    "bits",
    [
        "no base64!",
        "é",
        base64.b64encode(b"not zlib").decode(),
        compress(b""),
        compress(b"\xff\x00"),  # a byte too many
        compress(bytes(1 << 24)),  # 16 MiB from a short text
        compress(b"\xf1"),  # a one after the last of four rows
        compress(b"\xe0")[:-4],
        base64.b64encode(zlib.compress(b"\xe0") + b"more").decode(),
    ],
)
def test_other_texts_are_refused_and_named(bits: str) -> None:
    packed = CorrectRows(rows=4, bits=bits)
    with pytest.raises(ValueError, match="`bits`"):
        packed.unpack()
    assert ["correct_rows.left" in problem for problem in with_rows(left=packed).find_problems()] == [True]


def test_equal_bits_are_equal_whoever_compressed_them() -> None:
    packed, other = CorrectRows.pack(RIGHT), CorrectRows(rows=4, bits=compress(b"\xe0"))
    stored = CorrectRows(rows=4, bits=base64.b64encode(zlib.compress(b"\xe0", 0)).decode())
    assert stored.bits != packed.bits
    assert packed == other == stored
    assert len({packed, other, stored}) == 1
    assert packed != CorrectRows.pack(~RIGHT)
    assert packed != CorrectRows(rows=5, bits=packed.bits)


def test_bits_count_what_the_statistics_count() -> None:
    assert with_rows(left=CorrectRows.pack(RIGHT[::-1])).find_problems() == []
    [problem] = with_rows(left=CorrectRows.pack(~RIGHT)).find_problems()
    assert problem == ("correct_rows.left: should have 3 of 4 rows right, as the statistics have, found 1 of 4")
    [problem] = with_rows(left=CorrectRows.pack(np.append(RIGHT, False))).find_problems()
    assert problem.endswith("3 of 4 rows right, as the statistics have, found 3 of 5")


@pytest.mark.parametrize("task", ["right", "middle"])
def test_only_tasks_of_one_label_per_row_have_bits(task: str) -> None:
    """`right` is a regression, `middle` is no task."""
    [problem] = with_rows(**{task: CorrectRows.pack(RIGHT)}).find_problems()
    assert problem == f"correct_rows.{task}: should be there only for tasks with statistics of one label per row"


def test_records_without_bits_keep_their_digest() -> None:
    """The digest of the record of test_records, from before there were bits."""
    assert record().content_digest() == with_rows().content_digest()
    assert with_rows(left=CorrectRows.pack(RIGHT)).digest != record().digest
