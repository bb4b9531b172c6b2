"""Runs planned cells that are not stored yet; shared by all commands that train.

`Execution.run` is the way from a command to its records: it looks up what is stored, lets an engine call the cell for
every specification that is missing, wherever that engine places it, and notes what became of each.
"""

from collections.abc import Iterable
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.engines.events import Ended
from bench.errors import count_nouns
from bench.execution.cell import StoredCell
from bench.execution.keep import mirror_stored, name_models, tell_unprobed
from bench.execution.plan_status import PlanStatus, survey
from bench.execution.verbosity import Verbosity
from bench.records import RunSpec
from bench.system.processes import treat_stop_as_ctrl_c
from bench.system.shortage import explain_shortage
from leaderboard.store import Store

if TYPE_CHECKING:
    from bench.engines import Engine


@dataclass(frozen=True)
class Execution:
    """How planned cells are run.

    Args:
        cell: what a worker calls with a specification; it trains, and stores the record.
        engine: where workers are: on this machine, a Ray cluster or a Slurm cluster.
        stack: seeds of one method, at most, that are trained as one model.
        verbosity: how much is said beside errors.
    """

    cell: StoredCell
    engine: "Engine"
    stack: int = 1
    verbosity: Verbosity = Verbosity.NORMAL

    @property
    def store(self) -> Store:
        """The store that records go to."""
        return Store(self.cell.store)

    def survey(self, specs: Iterable[RunSpec]) -> PlanStatus:
        """Look up which of `specs` are stored; a specification that comes twice is one cell.

        Raises:
            OSError: The store cannot be written.
        """
        return survey(list({spec.run_id: spec for spec in specs}.values()), self.store, self.cell.is_over)

    def run(self, specs: Iterable[RunSpec]) -> PlanStatus:
        """Run every one of `specs` that is not stored yet; returns the status of all of them."""
        outcome = self.survey(specs)
        self.run_missing(outcome)
        return outcome

    def run_missing(self, outcome: PlanStatus) -> None:
        """Run what is planned and not stored, and note in `outcome` what became of it.

        Leftovers of killed runs are removed first, and what an earlier command could not mirror is mirrored.

        Raises:
            OSError: The store takes no records any more: further cells would train for nothing.
            UsageError: Records should be mirrored online, and Weights & Biases has no login.
        """
        stored = [spec for spec in outcome.specs if outcome.status[spec.run_id] == "stored"]
        self.store.clear(stored)  # what killed runs left
        mirror_stored(self.store, stored, self.cell.wandb, more_to_come=bool(outcome.missing))
        if outcome.missing:
            # Entered only where something is missing: a command whose cells are all stored needs no cluster.
            with self.engine:
                self._place(outcome.missing, outcome)
        without = sum(not self.store.panels(spec) for spec in outcome.specs) if self.cell.images else 0
        if without:
            self.verbosity.tell(f"Cells without panels: {without}; stored so, or with nothing to see in their suite.")
        if self.cell.probed and self.verbosity:
            tell_unprobed(self.store, outcome.specs)
        if self.cell.keep_model and self.verbosity:
            name_models(self.store, outcome.specs)

    def _place(self, missing: list[RunSpec], outcome: PlanStatus) -> None:
        """Hand the missing specifications and the cell to the engine, and follow its events.

        The kind of cell follows from the engine: a portable one for other machines, otherwise one that shares data in
        memory, stacked where that is asked for.
        """
        from bench.execution.forecast import Estimates
        from bench.execution.live_notes import write_live_note
        from bench.execution.portable_cell import SentCell
        from bench.execution.progress import show_progress
        from bench.execution.shared_rows import read_shared_rows
        from bench.execution.stacked_cell import StackedCell

        cell, engine = self.cell, self.engine
        width = engine.width(missing)
        self.verbosity.detail(f"{count_nouns(len(missing), 'cell')}, {width} at a time; records go to `{cell.store}`.")
        engine.warm_up(missing, cell)
        if len(missing) > width:  # so that no long cell is left to the end, when the others are done
            missing = Estimates(cell.store).longest_first(missing)
        # Shared memory ends at this machine.
        if not engine.remote:
            cell = replace(cell, rows=read_shared_rows({spec.suite for spec in missing}, cell.data_dir))
        stacked = StackedCell.of(cell, missing, self.stack) if self.stack > 1 else None
        placed = stacked or (SentCell.of(cell) if engine.remote else cell)
        with (
            treat_stop_as_ctrl_c(),
            show_progress(missing, width) if self.verbosity else nullcontext(lambda event: None) as show,
            write_live_note(cell.store, missing, width) as note,
            closing(engine.run_cells(stacked.first if stacked else missing, placed)) as events,
        ):
            for event in stacked.events_of_all_seeds(events) if stacked else events:
                show(event)
                note(event)
                if isinstance(event, Ended):
                    # An error without a record may be the store's: a full disk would fail every further cell in the
                    # same way.
                    if event.error:
                        self.store.check_writable()
                    outcome.status[event.spec.run_id] = event.status
                    if event.error or event.status == "failed":
                        outcome.errors[event.spec.run_id] = event.error or self._find_reason(event.spec)
                    else:
                        self.verbosity.detail_result(event.spec, self.store)

    def _find_reason(self, spec: RunSpec) -> str:
        """Why a cell failed, from its record."""
        record = self.store.get(spec)
        reason = record.error.message if record and record.error else "no record was stored"
        return explain_shortage(reason) or reason
