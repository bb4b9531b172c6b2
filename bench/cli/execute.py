"""Runs specifications that are not stored yet, with progress; shared by `run` and `reproduce`."""

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.engines.events import Ended, OnEpoch
from bench.errors import UsageError
from bench.records import RunSpec
from leaderboard.store import Store

if TYPE_CHECKING:
    from bench.core.resident import Rows


MODULES = ("bench.training.fit",)  # what a worker needs whatever it runs


@dataclass(frozen=True)
class StoredCell:
    """Fits one specification and stores its record; what a worker process is given."""

    store: Path
    data_dir: Path
    plugins: tuple[Path, ...] = ()
    wandb: str = "off"
    images: int = 0
    rows: "Mapping[str, Rows]" = field(default_factory=dict)  # suite -> its data, where the runner has read it

    def __call__(self, spec: RunSpec, on_epoch: OnEpoch) -> Literal["done", "failed"]:
        from bench.registry import load_plugin
        from bench.training.fit import fit
        from bench.training.gallery import Gallery

        for plugin in self.plugins:
            load_plugin(plugin)
        gallery = Gallery(self.images) if self.images else None
        record = fit(spec, self.data_dir, on_epoch, gallery, self.rows.get(spec.suite))
        store, panels = Store(self.store), gallery.panels if gallery else []
        store.write(record)
        if panels:
            store.write_panels(spec, panels)
        if self.wandb != "off":
            from bench.training.mirror import mirror

            mirror(record, self.wandb, panels=panels)
        return record.status


@dataclass
class Outcome:
    """What became of the planned cells: run id -> stored, planned, done or failed."""

    specs: list[RunSpec]
    status: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    def count(self, status: str) -> int:
        """Cells with this status."""
        return sum(value == status for value in self.status.values())

    @property
    def to_run(self) -> int:
        """Cells that were not in the store."""
        return len(self.specs) - self.count("stored")

    def as_json(self) -> dict[str, Any]:
        """The shape `run --json` prints."""
        return {
            "planned": len(self.specs),
            "stored": self.count("stored"),
            "to_run": self.to_run,
            "done": self.count("done"),
            "failed": self.count("failed"),
            "cells": [
                {
                    "run_id": spec.run_id,
                    "suite": spec.suite,
                    "method": spec.method,
                    "seed": spec.seed,
                    "status": self.status[spec.run_id],
                }
                for spec in self.specs
            ],
        }


def plan_controls(
    suite_text: str, names: Sequence[str], seeds: Sequence[int], device: str = "auto", data_dir: Path | None = None
) -> list[RunSpec]:
    """The runs of controls on a suite, each once; what `all` holds and the suite has not is said and left out.

    Raises UsageError for what the user wrote.
    """
    from bench.plan import parse_suite, plan
    from leaderboard.controls import named

    _, suite = parse_suite(suite_text, data_dir)
    tasks = [task.name for task in suite.tasks]
    if names and len(tasks) < 2:
        raise UsageError(f"Controls should be run on a suite of two tasks or more. Found one (`{tasks[0]}`).")
    specs: dict[str, RunSpec] = {}
    for control in named(names):
        rows = control.rows(tasks, suite.protocol.epochs)
        parts = [(row.method, part.settings) for row in rows for part in row.parts]
        try:
            runs = [run for method, set_ in parts for run in plan(suite_text, [method], seeds, set_, device, data_dir)]
        except UsageError as error:
            if control.name in names:
                raise
            print(f"Control `{control.name}` is left out: {error}", file=sys.stderr)
        else:
            specs |= {run.run_id: run for run in runs}
    return list(specs.values())


def survey(specs: list[RunSpec], store: Store) -> Outcome:
    """Which cells are in the store. Raises OSError with one sentence where the store cannot be written."""
    store.check_writable()
    return Outcome(specs, {spec.run_id: "stored" if store.has_done(spec) else "planned" for spec in specs})


def execute(outcome: Outcome, cell: StoredCell, jobs: int | None) -> None:
    """Run what is missing, in parallel processes; `outcome` follows."""
    missing = [spec for spec in outcome.specs if outcome.status[spec.run_id] == "planned"]
    if missing:
        _run(missing, outcome, cell, jobs)
    without = sum(not Store(cell.store).panels(spec) for spec in outcome.specs) if cell.images else 0
    if without:
        print(
            f"{without} cells have no panels: they were stored without, or there is nothing to see in their suite.",
            file=sys.stderr,
        )


def _run(missing: list[RunSpec], outcome: Outcome, cell: StoredCell, jobs: int | None) -> None:
    from bench.cli.journal import journal
    from bench.cli.progress import progress
    from bench.engines.local import default_jobs, run_cells, warm_up

    count = jobs or default_jobs(missing[0].protocol.device)
    warm_up(MODULES, missing[0].protocol.device)
    cell = replace(cell, rows=_rows({spec.suite for spec in missing}, cell.data_dir))
    with (
        _stopping_like_ctrl_c(),
        progress(missing, min(count, len(missing))) as show,
        journal(cell.store, missing, min(count, len(missing))) as note,
        closing(run_cells(missing, cell, count, MODULES)) as events,
    ):
        for event in events:
            show(event)
            note(event)
            if isinstance(event, Ended):
                outcome.status[event.spec.run_id] = event.status
                if event.error or event.status == "failed":
                    outcome.errors[event.spec.run_id] = event.error or _reason(cell.store, event.spec)


def _rows(suites: set[str], data_dir: Path) -> "dict[str, Rows]":
    """suite -> its data, read here once for all workers, where it is of that kind."""
    from bench.core.resident import Rows
    from bench.plan import parse_suite

    found = {}
    for name in sorted(suites):
        choice, suite = parse_suite(name, data_dir)
        rows = Rows.read(suite) if choice.entry.importable else None
        if rows is not None:
            found[name] = rows
    return found


@contextmanager
def _stopping_like_ctrl_c() -> Iterator[None]:
    """Being told to stop, or losing the terminal, is the same as Ctrl-C: workers end, whole records stay."""
    if threading.current_thread() is not threading.main_thread():  # handlers belong to the main thread
        yield
        return
    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {kind: signal.signal(kind, signal.default_int_handler) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _reason(store: Path, spec: RunSpec) -> str:
    record = Store(store).get(spec)
    return record.error.message if record and record.error else "no record was stored"


def report(outcome: Outcome) -> None:
    """The outcome in words, on standard error."""
    for spec in outcome.specs:
        if spec.run_id in outcome.errors:
            print(f"failed: {spec.method} seed {spec.seed}: {outcome.errors[spec.run_id]}", file=sys.stderr)
    print(
        f"{len(outcome.specs)} planned: {outcome.count('stored')} were stored, {outcome.count('done')} done, "
        f"{outcome.count('failed')} failed, {outcome.count('planned')} to run.",
        file=sys.stderr,
    )
