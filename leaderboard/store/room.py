"""Room in a record: what describes a run beside its scores is left out where all of it would be too much to store."""

from typing import Any

from bench.records import Curves, ResultRecord
from bench.records.record import MAX_BYTES
from leaderboard.store.json_text import format_json

SPARE = 8 * 1024  # bytes for what differs between two runs of one cell, so that both leave out the same


def count_stored_bytes(record: ResultRecord) -> int:
    """The size of the file that a store makes of a record."""
    return len(format_record(record).encode())


def format_record(record: ResultRecord) -> str:
    """A record as it stands in a store; fields that came later are there only where they say something."""
    content = record.model_dump(mode="json")
    for holder, name in ((content["spec"], "code"), (content, "left_out")):
        if not holder[name]:
            del holder[name]
    return format_json(content)


def drop_largest_matrices(record: ResultRecord, most: int = MAX_BYTES) -> ResultRecord:
    """`record` itself where it has at most `most` bytes; else without its largest matrices, as many as must go.

    After them go curves, cosines and what was found about sharing. `left_out` names all of it. Statistics and scores
    stay, so that a record may be too large all the same.
    """
    if count_stored_bytes(record) <= most:
        return record
    bare: dict[str, Any] = {"created": "", "environment": {}, "cost": None, "digest": ""}
    sizes = {name: len(matrix.float16) for name, matrix in record.matrices.items()}
    steps = [f"matrices.{name}" for name in sorted(sizes, key=lambda name: (-sizes[name], name))]
    for step in [*steps, "curves", "cosines", "effective_sharing"]:
        record = _drop_step(record, step)
        if count_stored_bytes(record.model_copy(update=bare)) <= most - SPARE:
            break
    return record.seal()


def _drop_step(record: ResultRecord, step: str) -> ResultRecord:
    field, _, name = step.partition(".")
    empty: dict[str, Any] = {"curves": Curves(), "cosines": None, "effective_sharing": {}}
    if field == "matrices":
        empty["matrices"] = {other: matrix for other, matrix in record.matrices.items() if other != name}
    return record.model_copy(update={field: empty[field], "left_out": [*record.left_out, step]})
