"""Runs specifications that are not stored yet, with progress; shared by `run` and `reproduce`."""

import sys
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.engines.events import Ended, OnEpoch
from bench.errors import UsageError
from bench.processes import stopping_like_ctrl_c
from bench.records import RunSpec
from leaderboard.store import Store


@dataclass(frozen=True)
class StoredCell:
    """Fits one specification and stores its record; what a worker process is given."""

    store: Path
    data_dir: Path
    plugins: tuple[Path, ...] = ()
    wandb: str = "off"
    images: int = 0

    def __call__(self, spec: RunSpec, on_epoch: OnEpoch) -> Literal["done", "failed"]:
        with redirect_stdout(sys.stderr):  # standard output is the command's answer, whatever a plug-in prints
            return self._run(spec, on_epoch)

    def _run(self, spec: RunSpec, on_epoch: OnEpoch) -> Literal["done", "failed"]:
        from bench.registry import load_plugin
        from bench.training.fit import fit
        from bench.training.gallery import Gallery

        for plugin in self.plugins:
            load_plugin(plugin)
        gallery = Gallery(self.images) if self.images else None
        record = fit(spec, self.data_dir, on_epoch, gallery)
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
    from bench.engines.local import default_jobs, run_cells

    count = jobs or default_jobs(missing[0].protocol.device)
    with (
        stopping_like_ctrl_c(),
        progress(missing, min(count, len(missing))) as show,
        journal(cell.store, missing, min(count, len(missing))) as note,
        closing(run_cells(missing, cell, count)) as events,
    ):
        for event in events:
            show(event)
            note(event)
            if isinstance(event, Ended):
                outcome.status[event.spec.run_id] = event.status
                if event.error or event.status == "failed":
                    outcome.errors[event.spec.run_id] = event.error or _reason(cell.store, event.spec)


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
