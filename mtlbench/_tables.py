"""`table`: a board as an object, with its text, its HTML and its data frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench.cli.boards import choose_boards
from bench.errors import UsageError, add_article, require_choice, require_text
from leaderboard.analysis.statistics import SelectionRule
from leaderboard.boards.board import Track, boards
from leaderboard.boards.changed import pairs_of, select_changed
from leaderboard.boards.controls import find_controls
from leaderboard.intake.submission import find_submissions
from leaderboard.report.formats import render_parts, write_row
from leaderboard.report.html import to_html
from leaderboard.report.statistics_json import write_standings
from leaderboard.report.table import Table, tabulate
from leaderboard.store import StoreContents
from leaderboard.store.committed import name_source, read_results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class BoardTable:
    """A board with its numbers, the same as `mtlbench table` prints; a notebook shows it as a table.

    Attributes:
        parts: one table for each suite of the board, most often one.
        source: where the runs come from.
    """

    parts: tuple[Table, ...]
    source: str

    def text(self, format: Literal["text", "md", "tex", "csv", "json"] = "text") -> str:
        """The board in a format of `mtlbench table --format`; ends with a newline."""
        return render_parts(self.parts, format)

    def frame(self) -> "pd.DataFrame":
        """Every number of the board: one row for each method, task and metric, and for each change over all tasks.

        The rows and columns are those of `mtlbench table --format csv`, with NaN for what is missing; `*` is the task
        of a change over all tasks. Intervals are 95 % Student t intervals over seeds.
        """
        import pandas as pd

        rows = [write_row(row) for part in self.parts for row in [*part.rows, *part.results.worth_rows]]
        frame = pd.DataFrame(rows)
        numbers = ["mean", "ci_low", "ci_high"]
        frame[numbers] = frame[numbers].astype(float)  # None is NaN there
        return frame

    def statistics(self) -> "pd.DataFrame":
        """Rank and tests of every method that is ranked, one row each.

        The columns are the keys of `statistics` in `mtlbench table --format json`, nested ones joined by `_`:
        `contrasts_reference_verdict` is `better`, `worse`, `equivalent` or `undecided` against the reference, tested
        and adjusted as docs/statistics.md says.
        """
        import pandas as pd

        rows = [
            {"table": part.board.name, "suite": part.board.suite} | row
            for part in self.parts
            for row in write_standings(part.results.standings)
        ]
        return pd.json_normalize(rows, sep="_")

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        lines = ", ".join(f"`{part.board.name}` with {len(part.lines)} rows" for part in self.parts)
        return f"<board {lines}, from {self.source}; print it for the numbers>"

    def _repr_html_(self) -> str:
        return "".join(map(to_html, self.parts))


def table(
    name: str,
    store: str | Path | None = None,
    *,
    selection: SelectionRule = "val",
    track: Track = "default",
    controls: str | Sequence[str] = (),
    where: Mapping[str, Any] | None = None,
) -> BoardTable:
    """The table of a board or a suite, as `mtlbench table` makes it.

    Args:
        name: a board, as `multidigits_1`, or a suite with records. A board comes first.
        store: a folder of records; None stands for the committed results, see `mtlbench.load_results`.
        selection: which epoch of a run counts: `val`, `per_task` or `last`.
        track: `default` for methods as they come, `tuned` for the winners of searches.
        controls: further controls that are shown, as `mtlbench list controls` names them.
        where: shows the runs under exactly these settings, as `{"lr": 0.01}`.

    Raises:
        UsageError: nothing has that name, a control is not known, or nothing is stored under `where`.
        DataMissing: the code came without results, and no store was given.
    """
    require_text("name", name)
    require_choice("selection", selection, get_args(SelectionRule))
    require_choice("track", track, get_args(Track))
    if where is not None and not isinstance(where, Mapping):
        raise UsageError(f"`where` should be settings, as `{{'lr': 0.01}}`. Found {add_article(type(where).__name__)}.")
    further = [controls] if isinstance(controls, str) else controls
    return tabulate_contents(name, read_for(name, store), selection, track, further, where)


def read_board(board: str | BoardTable, store: str | Path | None, selection: SelectionRule = "val") -> BoardTable:
    """A board by its name, or as it is. Raises UsageError for anything else."""
    if isinstance(board, BoardTable):
        return board
    require_text("board", board)
    return table(board, store, selection=selection)


def read_for(name: str, store: str | Path | None) -> StoreContents:
    """The records that a board or a suite may show: those of its suites, where they are all of one name."""
    known = boards()
    parts = known[name].parts if name in known else []
    suites = {suite.partition(":")[0] for part in parts for suite in (part.suite, *part.series)}
    suites = suites or {name.partition(":")[0]}
    return read_results(store, suites.pop() if len(suites) == 1 else None)


def tabulate_contents(
    name: str,
    contents: StoreContents,
    selection: SelectionRule = "val",
    track: Track = "default",
    controls: Sequence[str] = (),
    where: Mapping[str, Any] | None = None,
) -> BoardTable:
    """`table` of records that have been read."""
    find_controls(controls)
    if where and (controls or track != "default"):
        raise UsageError("`where` should be given without `controls` and `track`: these have settings of their own.")
    texts = dict(pairs_of(where)) if where else None
    chosen = choose_boards(name, contents.records, track=track, controls=controls, where=texts)
    if not chosen:
        settings = ", ".join(f"{key}={value}" for key, value in (texts or {}).items())
        raise UsageError(f"`where` should be settings that finished runs of `{name}` have. Found none with {settings}.")
    submissions = find_submissions(contents, boards())
    if where:  # which no submission has runs under
        contents, submissions = replace(contents, records=select_changed(contents.records, texts or {})), []
    parts = tuple(tabulate(part, contents, selection, track, submissions) for part in chosen)
    return BoardTable(parts, name_source(contents))
