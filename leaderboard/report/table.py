"""A table: the numbers of a board laid out in columns and lines, one line per method, and the notes below them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from leaderboard.analysis.data_worth import Worth
from leaderboard.analysis.results import Quantity, Results, Row, analyse
from leaderboard.analysis.standings import Standing
from leaderboard.analysis.statistics import FEW_SEEDS, SelectionRule
from leaderboard.boards.board import Board, Track
from leaderboard.boards.record_selection import Role, select_records
from leaderboard.intake.submission import Submission, add_submissions
from leaderboard.report.footnotes import Note, collect_notes
from leaderboard.store import Problem, StoreContents
from leaderboard.trust.ledger import find_row_states, read_checks

MANY_TASKS = 8  # above this, a table shows the mean over tasks and the worst task only

End = Literal["rank", "worth", "seeds", "checked"]


@dataclass(frozen=True)
class WideColumn:
    """A column of numbers: what they are of, their unit and direction, and how many decimals are honest.

    `task` is empty unless the column is the metric of one task.
    """

    quantity: Quantity
    task: str
    metric: str
    unit: str
    higher_is_better: bool
    decimals: int


@dataclass(frozen=True)
class WideLine:
    """One method: a cell per column, what it is on the board, and what stands behind the numbers.

    `status` says how many of the `wanted` seeds are there, `state` how far their runs were verified, where any were.
    `holds` says that its Δ log holds over the whole board, `few` that its seeds are few.
    """

    method: str
    label: str
    role: Role
    cells: list[Row | None]
    status: str
    wanted: int
    state: str
    standing: Standing | None
    worth: Worth | None
    holds: bool
    few: bool

    @property
    def complete(self) -> bool:
        """Whether every seed of the board is there."""
        return self.status == "complete"

    @property
    def ranked(self) -> bool:
        """Whether it has a rank."""
        return self.standing is not None and self.standing.ranked


@dataclass(frozen=True)
class Table:
    """Columns, lines and notes of a board.

    Lines of complete methods come first, in the order of the board, then the others. Boards with more than MANY_TASKS
    tasks have two columns for each metric, the mean over tasks and the worst one.
    """

    results: Results
    columns: list[WideColumn]
    lines: list[WideLine]
    notes: list[Note]

    @property
    def board(self) -> Board:
        """The board, with every row that stands on it."""
        return self.results.board

    @property
    def rows(self) -> list[Row]:
        """The numbers one by one, in the order of the board: the table in long form."""
        return self.results.rows

    @cached_property
    def ends(self) -> list[End]:
        """The columns behind the numbers: ranks, worth and what was checked where there is any."""
        shown: dict[End, bool] = {
            "rank": any(line.ranked for line in self.lines),
            "worth": any(line.worth for line in self.lines),
            "seeds": True,
            "checked": any(line.state for line in self.lines),
        }
        return [name for name, there in shown.items() if there]


def tabulate(
    board: Board,
    contents: StoreContents,
    rule: SelectionRule = "val",
    track: Track = "default",
    submissions: Iterable[Submission] = (),
) -> Table:
    """The table of `board` from what a store holds: `analyse_board`, then `build_table`. Raises as the first."""
    return build_table(analyse_board(board, contents, rule, track, submissions), contents.problems)


def analyse_board(
    board: Board,
    contents: StoreContents,
    rule: SelectionRule = "val",
    track: Track = "default",
    submissions: Iterable[Submission] = (),
) -> Results:
    """The numbers of `board` from what a store holds. Raises ValueError for an unknown rule.

    Args:
        board: as it is committed, or one of everything that is stored of a suite.
        contents: the records of a store, and where it lies: beside it is what was verified.
        rule: which epoch of a run counts.
        track: methods as they come, or with what a search found.
        submissions: those to this board that are sound get rows; others are named. They have no tuned track.
    """
    records, submitted, remarks = contents.records, list[str](), list[str]()
    if track == "default":  # a submission has no search behind it
        first = board.methods
        board, records, remarks = add_submissions(board, records, submissions)
        submitted = [method for method in board.methods if method not in first]
    selection = select_records(board, records, track, submitted)
    selection = replace(selection, notes=[*remarks, *selection.notes])
    return analyse(selection, rule, find_row_states(selection.records, read_checks(contents.root)))


def build_table(results: Results, problems: Sequence[Problem] = ()) -> Table:
    """Lay results out with one line per method.

    Args:
        results: the numbers of one board.
        problems: files of the store that could not be read, which the notes name.

    Returns:
        A column for each metric of each task, or with more than MANY_TASKS tasks for each metric its mean and its worst
        task; then the three changes. A line for each method, those with every seed first.
    """
    board = results.board
    many = len(results.cells.tasks) > MANY_TASKS
    metrics = results.summary if many else [row for row in results.rows if row.quantity == "metric"]
    changes = [
        _drop_interval(row) if row.role == "reference" else row for row in results.rows if row.quantity == "change"
    ]
    members: dict[tuple[Quantity, str, str], dict[str, Row]] = {}  # column -> method -> its number there
    for row in metrics + changes:
        task = "" if row.quantity == "worst" else row.task  # which one is worst is another one in each row
        members.setdefault((row.quantity, task, row.metric), {})[row.method] = row
    columns = [_column(quantity, task, list(rows.values())) for (quantity, task, _), rows in members.items()]
    most = dict.fromkeys(board.methods, 0)
    for row in results.rows:
        most[row.method] = max(most[row.method], row.seeds)
    lines = []
    for method in board.methods:
        standing = results.standings.methods.get(method)
        lines.append(
            WideLine(
                method=method,
                label=board.label(method),
                role=results.selection.roles[method],
                cells=[rows.get(method) for rows in members.values()],
                status=results.status(method),
                wanted=len(board.seed_list),
                state=results.states.get(method, ""),
                standing=standing,
                worth=results.worth.get(method),
                holds=standing is not None and standing.holds(board.reference),
                few=0 < most[method] < FEW_SEEDS,
            )
        )
    # A mean over fewer seeds is not one to compare with: it stands below, whatever it is.
    lines.sort(key=lambda line: not line.complete)
    return Table(results, columns, lines, collect_notes(results, problems))


def _drop_interval(row: Row) -> Row:
    """The reference does not differ from itself: that zero is no measurement."""
    return replace(row, ci_low=None, ci_high=None)


def _column(quantity: Quantity, task: str, members: list[Row]) -> WideColumn:
    """A column of these numbers.

    Two decimals of a percentage, three of a log ratio, four significant digits of the largest number of anything else:
    more would be noise, and all lines of a column have as many.
    """
    first = members[0]
    largest = max((abs(row.mean) for row in members if row.mean), default=1.0)
    significant = min(8, max(0, 3 - math.floor(math.log10(largest))))
    decimals = 2 if first.unit == "%" else 3 if quantity == "change" else significant
    return WideColumn(quantity, task, first.metric, first.unit, first.higher_is_better, decimals)
