"""Stores a finished record, and mirrors it to Weights & Biases where that is asked for."""

import sys
from collections.abc import Sequence
from contextlib import suppress

from bench.engines.events import Status
from bench.errors import make_printable
from bench.records import ResultRecord, RunSpec
from bench.records.record import MAX_BYTES
from bench.system.files import make_folder
from leaderboard.store import Store
from leaderboard.store.room import bytes_of, drop_largest_matrices


def store_record(store: Store, whole: ResultRecord, panels: Sequence[bytes], wandb: str = "off") -> Status:
    """Write a record and its panels (PNG files), then mirror it; the record's status."""
    record = drop_largest_matrices(whole)
    if record.left_out:
        print(
            f"mtlbench: The record of run {record.run_id} leaves out {', '.join(record.left_out)}: with all of it "
            f"there would be {bytes_of(whole):,} bytes, and {MAX_BYTES:,} are stored at most.",
            file=sys.stderr,
        )
    if panels:  # before the record, with which the cell is over
        try:
            store.write_panels(record.spec, list(panels))
        except OSError as error:
            print(f"mtlbench: The panels of run {record.run_id} are not stored ({error.strerror}).", file=sys.stderr)
    if wandb != "off":  # before the record as well: whoever is killed in between leaves word
        make_folder(store.unmirrored(record.spec).parent)
        store.unmirrored(record.spec).touch()
    store.write(record)
    if wandb != "off":
        mirror_record(store, record, panels, wandb)
    return record.status


def mirror_record(store: Store, record: ResultRecord, panels: Sequence[bytes], wandb: str) -> None:
    """Mirror a record that is stored; what goes wrong is said, and the next command tries again."""
    from bench.training.mirror import mirror

    mark = store.unmirrored(record.spec)
    try:
        mirror(record, wandb, panels=list(panels))
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        what = f"Run {record.run_id} is stored, and not mirrored: {make_printable(reason, 300)}"
        print(f"mtlbench: {what}; the same command tries again.", file=sys.stderr)
    else:
        with suppress(OSError):  # marks of other runs are left in the folder
            mark.unlink(missing_ok=True)
            mark.parent.rmdir()


def mirror_stored(store: Store, stored: Sequence[RunSpec], wandb: str, more_to_come: bool) -> None:
    """Mirror what an earlier command stored and could not mirror. Raises UsageError where wandb has no login."""
    if wandb == "off":
        return
    left = [spec for spec in stored if store.unmirrored(spec).exists()]
    if wandb == "online" and (left or more_to_come):
        from bench.training.mirror import check_login

        check_login()
    for spec in left:
        if record := store.get(spec):
            mirror_record(store, record, [path.read_bytes() for path in store.panels(spec)], wandb)
