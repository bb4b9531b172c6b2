"""Keeps a record within the size that a store takes, by leaving out what describes the run beside its scores."""

from typing import Any

from bench.records import Curves, ResultRecord
from bench.records.record import MAX_BYTES
from leaderboard.store.json_text import format_json

LATER_FIELDS = ("left_out", "correct_rows", "labels", "probes")  # of a record; `code` of its specification is one, too
SPARE = 8 * 1024  # bytes for what differs between two runs of one cell, so that both leave out the same


def count_stored_bytes(record: ResultRecord) -> int:
    """The size of the file that a store makes of a record."""
    return len(format_record(record).encode())


def format_record(record: ResultRecord) -> str:
    """The text of an open record.

    Fields that came after the first records are left out where they are empty, so that those keep their bytes.
    """
    content = record.model_dump(mode="json")
    for holder, name in ((content["spec"], "code"), *((content, name) for name in LATER_FIELDS)):
        if not holder[name]:
            del holder[name]
    return format_json(content)


def drop_largest_matrices(record: ResultRecord, most: int = MAX_BYTES) -> ResultRecord:
    """Leave out what makes a record too large: matrices from the largest on, then the rest.

    The rest are probes, curves, cosines, effective sharing and the correct rows, in this order.

    Only as much as must go is dropped, and `left_out` names it. Statistics and scores always stay, so that the result
    may be too large all the same.

    Args:
        record: the record, sealed or not.
        most: bytes of the file.

    Returns:
        `record` itself if it fits, else a sealed copy.
    """
    if count_stored_bytes(record) <= most:
        return record
    bare: dict[str, Any] = {"created": "", "environment": {}, "cost": None, "digest": ""}
    sizes = {name: len(matrix.float16) for name, matrix in record.matrices.items()}
    steps = [f"matrices.{name}" for name in sorted(sizes, key=lambda name: (-sizes[name], name))]
    first, later = ["probes"] * bool(record.probes), ["correct_rows"] * bool(record.correct_rows)
    for step in [*steps, *first, "curves", "cosines", "effective_sharing", *later]:
        record = _drop_step(record, step)
        if count_stored_bytes(record.model_copy(update=bare)) <= most - SPARE:
            break
    return record.seal()


def _drop_step(record: ResultRecord, step: str) -> ResultRecord:
    """The record without one thing, as `curves` or `matrices.NAME`, which is added to `left_out`."""
    field, _, name = step.partition(".")
    empty: dict[str, Any] = {"curves": Curves(), "cosines": None, "effective_sharing": {}, "correct_rows": {}}
    empty["probes"] = None
    if field == "matrices":
        empty["matrices"] = {other: matrix for other, matrix in record.matrices.items() if other != name}
    return record.model_copy(update={field: empty[field], "left_out": [*record.left_out, step]})
