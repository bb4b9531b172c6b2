"""What became of planned cells: stored before, done now, failed, or still to run."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.errors import make_printable
from bench.execution.verbosity import Verbosity
from bench.records import RunSpec
from leaderboard.store import Store


@dataclass
class PlanStatus:
    """Status of the planned cells; `Execution` updates it while they run.

    Attributes:
        specs: The cells, in the order of the plan.
        status: run id -> `stored`, `planned`, `done` or `failed`.
        errors: run id -> one sentence, of failed cells.
    """

    specs: list[RunSpec]
    status: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    def count(self, status: str) -> int:
        """Number of cells with this status."""
        return sum(value == status for value in self.status.values())

    @property
    def missing(self) -> list[RunSpec]:
        """Cells that are planned and not run yet."""
        return [spec for spec in self.specs if self.status[spec.run_id] == "planned"]

    @property
    def to_run(self) -> int:
        """Number of cells that were not stored, whether they have run since or not."""
        return len(self.specs) - self.count("stored")

    def join(self, other: "PlanStatus") -> "PlanStatus":
        """The status of this plan and another one; a cell that is in both counts as it does here."""
        new = [spec for spec in other.specs if spec.run_id not in self.status]
        return PlanStatus([*self.specs, *new], other.status | self.status, other.errors | self.errors)

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


def survey(specs: list[RunSpec], store: Store, is_over: Callable[[RunSpec], bool] | None = None) -> PlanStatus:
    """Look up which cells are in the store: those with a finished record, or those that `is_over` says are complete.

    Prints a sentence for each method of a plug-in of which another text's runs are stored.

    Raises:
        OSError: The store cannot be written.
    """
    store.check_writable()
    for spec in {spec.method: spec for spec in specs if spec.code}.values():
        if sentence := _explain_other_code(spec, store):
            print(sentence, file=sys.stderr)
    complete = is_over or store.has_done
    outcome = PlanStatus(specs, {spec.run_id: "stored" if complete(spec) else "planned" for spec in specs})
    # Before anything trains: a record without a place would be lost at the end of a run.
    for spec in outcome.missing:
        store.check_place(spec)
    return outcome


def _explain_other_code(spec: RunSpec, store: Store) -> str:
    """A sentence about stored runs of the same method by another text of its plug-in; empty where there are none.

    Tables show the text that was run last, so which of the two is newer decides what counts.
    """
    siblings = [record for record in store.list_siblings(spec) if record.status == "done"]
    others = [record for record in siblings if record.spec.code != spec.code]
    if not others:
        return ""
    was = "1 stored run of {} was" if len(others) == 1 else f"{len(others)} stored runs of {{}} were"
    sentence = f"{was.format(f'`{make_printable(others[0].method)}`')} made by another text of its file"
    own = max((record.created for record in siblings if record.spec.code == spec.code), default="")
    if own and own < max(record.created for record in others):
        return f"{sentence}, after those of this one; tables show what was made last: remove what should not count."
    return f"{sentence} and {'does' if len(others) == 1 else 'do'} not count."


def report(outcome: PlanStatus, verbosity: Verbosity = Verbosity.NORMAL) -> None:
    """Print failed cells and, unless quiet, the counts on standard error."""
    for spec in outcome.specs:
        if spec.run_id in outcome.errors:
            print(
                make_printable(f"failed: {spec.method} seed {spec.seed}: {outcome.errors[spec.run_id]}"),
                file=sys.stderr,
            )
    verbosity.tell(
        f"{len(outcome.specs)} planned: {outcome.count('stored')} were stored, {outcome.count('done')} done, "
        f"{outcome.count('failed')} failed, {outcome.count('planned')} to run."
    )
