"""A record as a file of its own, for whoever wants one run with everything that is known of it."""

from bench.records import ResultRecord
from leaderboard.store.room import LATER_FIELDS


def format_record_file(record: ResultRecord) -> bytes:
    """The record as JSON on one line: the content of an open record, which stores read under the name `RUN_ID.json`.

    Fields that came after the first records are left out where they are empty, as in a store.
    """
    left_out: dict[str, bool | dict[str, bool]] = {name: True for name in LATER_FIELDS if not getattr(record, name)}
    if not record.spec.code:
        left_out["spec"] = {"code": True}
    return (record.model_dump_json(exclude=left_out) + "\n").encode()  # type: ignore[arg-type]
