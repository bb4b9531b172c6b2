"""`load_results`: all runs of a store as a data frame."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from bench.errors import require_choice, require_text
from bench.records import ResultRecord
from leaderboard.analysis.run_rows import RunRow, list_run_rows
from leaderboard.analysis.statistics import SelectionRule
from leaderboard.export.run_choice import choose_runs
from leaderboard.store import StoreContents
from leaderboard.store.committed import name_source, read_results
from leaderboard.store.problem import describe_problems

if TYPE_CHECKING:
    import pandas as pd


def load_results(
    store: str | Path | None = None,
    suite: str | None = None,
    method: str | Collection[str] | None = None,
    *,
    selection: SelectionRule | None = "val",
) -> "pd.DataFrame":
    """All runs as a data frame: one row for each run, task and metric, on the test split.

    The columns are the fields of `leaderboard.analysis.run_rows.RunRow`, with units in their descriptions and in
    docs/python.md. Nothing is chosen or averaged: older protocols, runs under settings of their own (`settings`),
    searches (`search`) and failed runs (`status`) are there; `mb.table` has what may be compared.

    Args:
        store: a folder of records. None stands for the committed results: those of the clone, or the copy that came
            with the package.
        suite: only this one, by its short or canonical name: `scenes` is the suite with its defaults, and
            `scenes:use=174` another one.
        method: only this one or these, by their short or canonical names.
        selection: the rule that decides which epoch of a run counts: `val`, `per_task` or `last`; None has the rows of
            all three, told apart by the column `selection`.

    Returns:
        The frame; `attrs["source"]` says where the runs come from, `attrs["problems"]` which files could not be read.

    Raises:
        UsageError: `store` is no folder, or no run is of `suite` or `method`.
        DataMissing: the code came without results, and no store was given.
    """
    if suite is not None:
        require_text("suite", suite)
    contents = read_results(store, suite.partition(":")[0] if suite else None)
    if method is not None and not isinstance(method, Collection):
        require_text("method", method)
    wanted = [method] if isinstance(method, str) else list(method or ())
    own, references = choose_runs(
        contents.records, suite, wanted, lambda: read_results(store).records, "mb.load_results()"
    )
    return make_frame(contents, own, references, selection)


def make_frame(
    contents: StoreContents,
    own: Sequence[ResultRecord],
    references: Sequence[ResultRecord],
    selection: SelectionRule | None,
) -> "pd.DataFrame":
    """The rows of some records of a store, with gains against the runs of single-task among `references`.

    Raises UsageError for an unknown selection.
    """
    import pandas as pd

    if selection is not None:
        require_choice("selection", selection, get_args(SelectionRule))
    frame = pd.DataFrame.from_records(list(list_run_rows(own, selection, references)), columns=list(RunRow._fields))
    frame.attrs = {"source": name_source(contents), "problems": describe_problems(contents.problems)}
    return frame
