"""The table of some runs that were just made: a board of them alone, under whatever settings they have."""

from collections.abc import Collection, Iterable, Sequence

from bench.records import ResultRecord, RunSpec
from leaderboard.boards.board import board_of_suite
from leaderboard.boards.changed import select_changed
from leaderboard.report.table import Table, tabulate
from leaderboard.store import StoreContents

REFERENCE_RUN = "single_task"


def tabulate_runs(
    specs: Sequence[RunSpec], records: Iterable[ResultRecord], controls: Collection[str] = ()
) -> Table | None:
    """Tabulate the runs of a plan, beside those of single-task on the same seeds that are stored already.

    Args:
        specs: the plan: one suite and one set of changed settings, but for its controls.
        records: of the store.
        controls: those of the plan, by name; runs of controls have settings of their own.

    Returns:
        The table; None where no method of the plan has a finished run.
    """
    if not specs:
        return None
    first = min(specs, key=lambda spec: len(spec.overrides)) if controls else specs[0]
    asked, seeds = {spec.run_id for spec in specs}, {spec.seed for spec in specs}

    def belongs(record: ResultRecord) -> bool:
        """Whether a record is of the plan, or of the reference under the plan's protocol."""
        of_reference = record.method == REFERENCE_RUN and record.spec.suite == first.suite
        alike = record.spec.seed in seeds and record.spec.protocol == first.protocol
        return record.run_id in asked or (of_reference and alike)

    own = [record for record in records if belongs(record)]
    shown = own if controls else select_changed(own, first.overrides)
    if not any(each.status == "done" and not each.spec.overrides for each in shown):
        return None
    board = board_of_suite(first.suite, shown)
    changes = {"controls": list(dict.fromkeys([*board.controls, *controls])), "protocol": first.protocol.version}
    settings = " ".join(f"{key}={value}" for key, value in first.overrides.items())
    title = f"{board.title} with {settings}" if settings else board.title
    return tabulate(board.model_copy(update=changes | {"title": title}), StoreContents(shown))
