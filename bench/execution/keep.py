"""Stores a finished record, with its panels and its model, and mirrors it to Weights & Biases where that is asked for.

A record that is stored and not mirrored leaves a mark in the store, so that the next command with `--wandb` mirrors it.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.engines.events import Status
from bench.errors import make_printable
from bench.records import ResultRecord, RunSpec, digest
from bench.records.record import MAX_BYTES
from bench.system.files import make_folder
from leaderboard.store import Store
from leaderboard.store.room import count_stored_bytes, drop_largest_matrices

if TYPE_CHECKING:
    from bench.training.kept_model import KeptModel

FEW_MODELS = 10  # that are named after a command


class Made(NamedTuple):
    """What training a cell made.

    Attributes:
        record: The record, done or failed.
        panels: Its panels, as PNG files.
        model: The trained model, where it should be kept and there is one.
    """

    record: ResultRecord
    panels: list[bytes]
    model: "KeptModel | None" = None


def store_made(store: Store, made: Made, wandb: str = "off") -> Status:
    """Write the model, the panels and the record of a cell, then mirror the record.

    Where a finished record is stored already, it stays as it is, and the model is kept if it has the same scores. Where
    the record is too large its largest matrices are left out, with a sentence on standard error.

    Args:
        store: Where to.
        made: What the run made; panels or a model that cannot be written are left out, with a sentence.
        wandb: `off`, `offline` or `online`.

    Returns:
        The record's status.

    Raises:
        OSError: The record cannot be written.
    """
    whole, panels, model = made
    if model and whole.status == "done":
        earlier = store.get(whole.spec)
        if earlier and earlier.status == "done":
            return _add_model(store, earlier, whole, model)
        _write_model(store, whole, model)  # before the record, with which the cell is over
    # A store refuses larger files when it reads, whoever wrote them.
    record = drop_largest_matrices(whole)
    if record.left_out:
        print(
            f"mtlbench: The record of run {record.run_id} leaves out {', '.join(record.left_out)}: with all of it "
            f"there would be {count_stored_bytes(whole):,} bytes, and {MAX_BYTES:,} are stored at most.",
            file=sys.stderr,
        )
    if panels:  # before the record, with which the cell is over
        try:
            store.write_panels(record.spec, list(panels))
        except OSError as error:
            print(f"mtlbench: The panels of run {record.run_id} are not stored ({error.strerror}).", file=sys.stderr)
    if wandb != "off":  # before the record as well: whoever is killed in between leaves word
        make_folder(store.unmirrored_mark(record.spec).parent)
        store.unmirrored_mark(record.spec).touch()
    store.write(record)
    if wandb != "off":
        mirror_record(store, record, panels, wandb)
    return record.status


def _add_model(store: Store, stored: ResultRecord, again: ResultRecord, model: "KeptModel") -> Status:
    """Keep the model of a run that was stored without it and is trained `again`, if it is what was scored then."""
    if digest(stored.statistics) == digest(again.statistics):
        _write_model(store, again, model)
    else:
        print(
            f"mtlbench: Run {stored.run_id} came to other scores than its record, which is from another machine or "
            "other versions of packages; its model is not kept. `--store` with another folder keeps both.",
            file=sys.stderr,
        )
    return "done"


def _write_model(store: Store, record: ResultRecord, model: "KeptModel") -> None:
    """Store a model; where it cannot be written, or there is none, a sentence on standard error says why."""
    if model.card.refused:
        print(f"mtlbench: Run {record.run_id} has no model to keep: {model.card.refused}.", file=sys.stderr)
    try:
        store.write_model(record.spec, model.card.as_text(), model.weights)
    except OSError as error:
        reason = error.strerror or str(error)
        print(f"mtlbench: The model of run {record.run_id} is not stored ({reason}).", file=sys.stderr)


def name_models(store: Store, specs: Sequence[RunSpec]) -> None:
    """Print the command that uses the model of each run, for the first FEW_MODELS of those that have one."""
    kept = [spec for spec in specs if store.has_weights(spec)]
    usual = Path(os.environ.get("MTLBENCH_STORE") or "runs").expanduser()
    place = "" if store.root == usual else f" --store {shlex.quote(str(store.root))}"
    for spec in kept[:FEW_MODELS]:
        record = store.get(spec)
        method = make_printable(record.method if record else spec.method, 80)
        print(
            f"`mtlbench predict {spec.run_id} FILE{place}` uses the model of {method}, seed {spec.seed}.",
            file=sys.stderr,
        )
    if len(kept) > FEW_MODELS:
        print(f"{len(kept) - FEW_MODELS} more models lie beside their records.", file=sys.stderr)


def tell_unprobed(store: Store, specs: Sequence[RunSpec]) -> None:
    """Say on standard error how many finished runs of a command with `--probe` have no probes, and why that may be."""
    records = [record for spec in specs if (record := store.get(spec)) and record.status == "done"]
    without = [record.spec.protocol for record in records if record.probes is None]
    if solved := sum(protocol.fit != "descent" for protocol in without):
        print(f"Cells without probes: {solved}; a solver fits them, and there is no network to see.", file=sys.stderr)
    if trained := len(without) - solved:
        print(
            f"Cells without probes: {trained}; they were stored so (`--store` with another folder makes them), or "
            "several processes train one network.",
            file=sys.stderr,
        )


def mirror_record(store: Store, record: ResultRecord, panels: Sequence[bytes], wandb: str) -> None:
    """Mirror a record that is stored, and remove its mark.

    Whatever goes wrong is a sentence on standard error and no failure: the record is safe, and the next command tries
    again.
    """
    from bench.training.mirror import mirror

    mark = store.unmirrored_mark(record.spec)
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
    """Mirror what an earlier command stored and could not mirror.

    Args:
        store: The store.
        stored: Specifications of the stored cells of this command.
        wandb: `off`, `offline` or `online`.
        more_to_come: Whether cells will be run after this: then a missing login should be an error now, not hours
            later.

    Raises:
        UsageError: Records should be mirrored online, and there is no login.
    """
    if wandb == "off":
        return
    left = [spec for spec in stored if store.unmirrored_mark(spec).exists()]
    if wandb == "online" and (left or more_to_come):
        from bench.training.mirror import check_login

        check_login()
    for spec in left:
        if record := store.get(spec):
            mirror_record(store, record, [path.read_bytes() for path in store.panels(spec)], wandb)
