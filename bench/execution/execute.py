"""Runs specifications that are not stored yet, with progress; shared by all commands that train."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engines.events import Ended
from bench.errors import UsageError, make_printable
from bench.execution.cell import StoredCell
from bench.execution.plan_status import PlanStatus
from bench.records import RunSpec
from bench.system.processes import stopping_like_ctrl_c
from bench.system.shortage import explain_shortage
from leaderboard.store import Store

if TYPE_CHECKING:
    from bench.core.resident import ResidentRows
    from bench.engines import Engine


def plan_controls(
    suite_text: str, names: Sequence[str], seeds: Sequence[int], device: str = "auto", data_dir: Path | None = None
) -> list[RunSpec]:
    """The runs of controls on a suite, each once; what `all` holds and the suite has not is said and left out.

    Raises UsageError for what the user wrote.
    """
    from bench.planning.plan import parse_suite, plan
    from leaderboard.boards.controls import find_controls

    _, suite = parse_suite(suite_text, data_dir)
    tasks = [task.name for task in suite.tasks]
    if names and len(tasks) < 2:
        raise UsageError(f"Controls should be run on a suite of two tasks or more. Found one (`{tasks[0]}`).")
    specs: dict[str, RunSpec] = {}
    for control in find_controls(names):
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


def survey(specs: list[RunSpec], store: Store) -> PlanStatus:
    """Look up which cells are in the store; notes records that another version of a plug-in left there.

    Raises OSError with one sentence where the store cannot be written.
    """
    store.check_writable()
    for spec in {spec.method: spec for spec in specs if spec.code}.values():
        if sentence := _of_other_code(spec, store):
            print(sentence, file=sys.stderr)
    outcome = PlanStatus(specs, {spec.run_id: "stored" if store.has_done(spec) else "planned" for spec in specs})
    for spec in outcome.missing:
        store.check_place(spec)
    return outcome


def _of_other_code(spec: RunSpec, store: Store) -> str:
    """What is to be said of stored runs of the same method by another text of its plug-in; nothing where none are."""
    beside = [record for record in store.beside(spec) if record.status == "done"]
    others = [record for record in beside if record.spec.code != spec.code]
    if not others:
        return ""
    was = "1 stored run of {} was" if len(others) == 1 else f"{len(others)} stored runs of {{}} were"
    sentence = f"{was.format(f'`{make_printable(others[0].method)}`')} made by another text of its file"
    own = max((record.created for record in beside if record.spec.code == spec.code), default="")
    if own and own < max(record.created for record in others):
        return f"{sentence}, after those of this one; tables show what was made last: remove what should not count."
    return f"{sentence} and {'does' if len(others) == 1 else 'do'} not count."


def execute(outcome: PlanStatus, cell: StoredCell, engine: "Engine", stack: int = 1) -> None:
    """Run what is missing where `engine` places it, up to `stack` seeds of a method as one; `outcome` follows.

    What killed runs left is cleared first.
    Raises OSError with one sentence where the store takes no records any more: further cells would train for nothing.
    """
    Store(cell.store).clear(spec for spec in outcome.specs if outcome.status[spec.run_id] == "stored")
    _mirror_stored(outcome, cell)
    if outcome.missing:
        with engine:
            _run(outcome.missing, outcome, cell, engine, stack)
    without = sum(not Store(cell.store).panels(spec) for spec in outcome.specs) if cell.images else 0
    if without:
        print(
            f"{without} cells have no panels: they were stored without, or there is nothing to see in their suite.",
            file=sys.stderr,
        )


def _mirror_stored(outcome: PlanStatus, cell: StoredCell) -> None:
    """Mirror what an earlier command stored and could not mirror. Raises UsageError where wandb has no login."""
    if cell.wandb == "off":
        return
    store = Store(cell.store)
    left = [spec for spec in outcome.specs if outcome.status[spec.run_id] == "stored"]
    left = [spec for spec in left if store.unmirrored(spec).exists()]
    if cell.wandb == "online" and (left or outcome.missing):
        from bench.training.mirror import check_login

        check_login()
    for spec in left:
        if record := store.get(spec):
            cell.mirror(record, [path.read_bytes() for path in store.panels(spec)])


def _run(missing: list[RunSpec], outcome: PlanStatus, cell: StoredCell, engine: "Engine", stack: int) -> None:
    from bench.execution.forecast import Estimates
    from bench.execution.live_notes import journal
    from bench.execution.portable_cell import SentCell
    from bench.execution.progress import progress
    from bench.execution.stacked_cell import StackedCell

    width = engine.width(missing)
    engine.warm_up(missing, cell)
    if len(missing) > width:  # so that no long cell is left to the end, when the others are done
        missing = Estimates(cell.store).longest_first(missing)
    local = cell if engine.remote else replace(cell, rows=_rows({spec.suite for spec in missing}, cell.data_dir))
    stacked = StackedCell.of(local, missing, stack) if stack > 1 else None
    placed = stacked or (SentCell.of(cell) if engine.remote else local)
    with (
        stopping_like_ctrl_c(),
        progress(missing, width) as show,
        journal(cell.store, missing, width) as note,
        closing(engine.run_cells(stacked.first if stacked else missing, placed)) as events,
    ):
        for event in stacked.events_of_all_seeds(events) if stacked else events:
            show(event)
            note(event)
            if isinstance(event, Ended):
                if event.error:  # without a record: is it the store?
                    Store(cell.store).check_writable()
                outcome.status[event.spec.run_id] = event.status
                if event.error or event.status == "failed":
                    outcome.errors[event.spec.run_id] = event.error or _reason(cell.store, event.spec)


def _rows(suites: set[str], data_dir: Path) -> "dict[str, ResidentRows]":
    """suite -> its data, read once for all workers, where it is of that kind.

    It is read in a process that has loaded no plug-in: what one does on import is not done to the rows of others.
    """
    from bench.engines.local import call_apart
    from bench.planning.plan import parse_suite

    found: dict[str, ResidentRows] = {}
    for name in sorted(suites):
        choice, suite = parse_suite(name, data_dir)
        if suite.resident and not choice.entry.code:
            rows = call_apart(_read, name, data_dir)
            found |= {name: rows} if rows is not None else {}
    return found


def _read(suite: str, data_dir: Path) -> "ResidentRows | None":
    from bench.core.resident import ResidentRows
    from bench.planning.plan import parse_suite

    return ResidentRows.read(parse_suite(suite, data_dir)[1])


def _reason(store: Path, spec: RunSpec) -> str:
    record = Store(store).get(spec)
    reason = record.error.message if record and record.error else "no record was stored"
    return explain_shortage(reason) or reason


def report(outcome: PlanStatus) -> None:
    """The outcome in words, on standard error."""
    for spec in outcome.specs:
        if spec.run_id in outcome.errors:
            print(
                make_printable(f"failed: {spec.method} seed {spec.seed}: {outcome.errors[spec.run_id]}"),
                file=sys.stderr,
            )
    print(
        f"{len(outcome.specs)} planned: {outcome.count('stored')} were stored, {outcome.count('done')} done, "
        f"{outcome.count('failed')} failed, {outcome.count('planned')} to run.",
        file=sys.stderr,
    )
