"""A table: the numbers of a board in columns and lines, one line per method, with the notes below them.

`tabulate` goes all the way from the records of a store to a `Table`: choose records, analyse them, lay them out. The
command line, Markdown pages and the site all call it, so that they cannot disagree. Nothing is written as text here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from leaderboard.analysis.contrasts import ContrastKind
from leaderboard.analysis.data_worth import Worth
from leaderboard.analysis.judged import JudgedRow, judge_rows
from leaderboard.analysis.results import Quantity, Results, Row, analyse
from leaderboard.analysis.standings import DECIDES, Standing
from leaderboard.analysis.statistics import FEW_SEEDS, SelectionRule
from leaderboard.boards.board import Board, Track
from leaderboard.boards.record_selection import Role, select_records
from leaderboard.boards.step_times import StepTime, read_step_times
from leaderboard.intake.submission import Submission, add_submissions
from leaderboard.report.footnotes import Note, collect_notes
from leaderboard.report.percent import to_error_change
from leaderboard.store import Problem, StoreContents
from leaderboard.trust.ledger import LedgerEntry, collect_checks, find_row_states

# A line with a column per task and metric is read up to about this many tasks.
MANY_TASKS = 8

STEP_TIME = "step time"
WORTH = "worth"  # head of the worth in training rows; that of one task has the task behind it


@dataclass(frozen=True)
class WideColumn:
    """A column of numbers: the quantity, its unit and better direction, and how many decimals are honest.

    `task` is empty unless the column is a metric of one task.
    """

    quantity: Quantity
    task: str
    metric: str
    unit: str
    higher_is_better: bool
    decimals: int


@dataclass(frozen=True)
class WideLine:
    """One method: a number per column, its role on the board, and how far those numbers can be relied on.

    Attributes:
        method, label: its short canonical text, and its name for people.
        cells: one row per column of the table; None where nothing was run.
        status: `complete`, `incomplete (3/5)` or `missing`, of the `wanted` number of seeds.
        state: how far its runs were verified; empty where the store never was.
        standing: rank and tests; None for a method that takes no part in the ranking, such as a control.
        worth: its worth in training rows, on boards with a series.
        time: that of an update, on boards where it was measured.
        best: the value of the board's setting that its own curve chose, on boards whose rows are at their own best.
        judged: its change and its verdicts, from which marks and colours follow.
        few: whether it has fewer than FEW_SEEDS seeds.
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
    time: StepTime | None
    best: float | None
    judged: JudgedRow
    few: bool

    @property
    def complete(self) -> bool:
        """Whether every seed of the board has a finished run."""
        return self.status == "complete"

    @property
    def holds(self) -> bool:
        """Whether it is better or worse than the reference."""
        return self.judged.side != "unclear"

    def find_worth(self, task: str) -> Worth | None:
        """Its worth in training rows in a task, over all of them where `task` is empty; None where there is none."""
        return self.worth.tasks.get(task) if self.worth and task else self.worth

    @property
    def ranked(self) -> bool:
        """Whether the method has a rank; one that lacks seeds which others have does not."""
        return self.standing is not None and self.standing.ranked


@dataclass(frozen=True)
class Table:
    """Columns, lines and notes of a board.

    Lines of complete methods come first, in the order of the board, then the others. Boards with more than MANY_TASKS
    tasks have two columns for each metric, the mean over tasks and the worst task. Cells of Δ log hold the change of
    error in per cent, with the interval of its test (`JudgedRow`); `rows` keep the logarithm.
    """

    results: Results
    columns: list[WideColumn]
    lines: list[WideLine]
    notes: list[Note]

    @property
    def board(self) -> Board:
        """The board, with every row that is shown: also its controls and sound submissions."""
        return self.results.board

    @property
    def rows(self) -> list[Row]:
        """The numbers one by one, in the order of the board: the table in long form."""
        return self.results.rows

    @cached_property
    def worths(self) -> dict[str, str]:
        """Head of each column of worth -> its task: first that over all tasks, whose task is empty, then each of few.

        Nothing where no line has a worth.
        """
        worths = [line.worth for line in self.lines if line.worth]
        tasks = (
            {task for worth in worths for task in worth.tasks} if len(self.results.cells.tasks) <= MANY_TASKS else ()
        )
        alone = {f"{WORTH} {task}": task for task in self.results.cells.tasks if task in tasks}
        return {WORTH: "", **alone} if worths else {}

    @property
    def best_head(self) -> str:
        """Head of the column of own best values, as `best lr`; empty on other boards."""
        return f"best {self.board.curve.grid.setting}" if self.board.curve else ""

    @property
    def verdicts(self) -> dict[str, ContrastKind]:
        """Head of each column of verdicts -> against what.

        That against the twin stands on boards whose rows are at their own best values, elsewhere with the details only.
        """
        kinds = self.results.standings.kinds
        return {self.name_contrast(kind): kind for kind in kinds if kind != "twin" or self.board.curve}

    def name_contrast(self, kind: ContrastKind) -> str:
        """Head of a column of verdicts, as `vs single_task`."""
        return f"vs {self.board.reference if kind == 'reference' else kind}"

    @cached_property
    def ends(self) -> list[str]:
        """The columns after the numbers; all but seeds only where at least one line has them."""
        shown = {
            "rank": any(line.ranked for line in self.lines),
            **dict.fromkeys(self.verdicts, True),
            self.best_head: any(line.best is not None for line in self.lines),
            **dict.fromkeys(self.worths, True),
            STEP_TIME: any(line.time for line in self.lines),
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
    checks: dict[str, LedgerEntry] | None = None,
) -> Table:
    """Choose the records of `board`, analyse them and lay them out: `analyse_board`, then `build_table`.

    Args and errors are those of `analyse_board`. Files that could not be read are named in the notes.
    """
    return build_table(analyse_board(board, contents, rule, track, submissions, checks), contents.problems)


def analyse_board(
    board: Board,
    contents: StoreContents,
    rule: SelectionRule = "val",
    track: Track = "default",
    submissions: Iterable[Submission] = (),
    checks: dict[str, LedgerEntry] | None = None,
) -> Results:
    """The numbers of `board` from what a store holds.

    Args:
        board: a committed board, or one of everything that is stored of a suite.
        contents: the records of a store; how far they were verified is read from its folder.
        rule: which epoch of a run counts: `val`, `per_task` or `last`.
        track: `default` for methods with their own options, `tuned` for the winners of searches.
        submissions: sound ones to this board get rows, others are named in the notes. They have no tuned track.
        checks: of `collect_checks`, where the caller has them already.

    Raises:
        ValueError: `rule` is unknown.
    """
    records, submitted, remarks = contents.records, list[str](), list[str]()
    if track == "default":  # a submission has no search behind it
        # What was on the board before: the methods that are added are the submitted ones.
        first = board.methods
        board, records, remarks = add_submissions(board, records, submissions)
        submitted = [method for method in board.methods if method not in first]
    selection = select_records(board, records, track, submitted)
    selection = replace(selection, notes=[*remarks, *selection.notes])
    checks = collect_checks(contents) if checks is None else checks
    return analyse(selection, rule, find_row_states(selection.records, checks))


def build_table(results: Results, problems: Sequence[Problem] = ()) -> Table:
    """Lay results out with one line per method.

    Args:
        results: the numbers of one board.
        problems: files of the store that could not be read, which the notes name.

    Returns:
        A table with a column for each metric of each task; with more than MANY_TASKS tasks two for each metric, the
        mean and the worst task. Then the three changes. One line per method, those with every seed first.
    """
    board = results.board
    many = len(results.cells.tasks) > MANY_TASKS
    metrics = results.summary if many else [row for row in results.rows if row.quantity == "metric"]
    judged = judge_rows(results)
    changes = [_show_change(row, judged[row.method]) for row in results.rows if row.quantity == "change"]
    members: dict[tuple[Quantity, str, str], dict[str, Row]] = {}  # column -> method -> its number there
    for row in metrics + changes:
        task = "" if row.quantity == "worst" else row.task  # which one is worst is another one in each row
        members.setdefault((row.quantity, task, row.metric), {})[row.method] = row
    columns = [_column(quantity, task, list(rows.values())) for (quantity, task, _), rows in members.items()]
    most = dict.fromkeys(board.methods, 0)
    for row in results.rows:
        most[row.method] = max(most[row.method], row.seeds)
    measured = read_step_times(board.name)
    times = measured.times_of(board.suite, results.cells.protocol) if measured else {}
    best = {
        method: getattr(record.spec.protocol, board.curve.grid.setting)
        for (method, _), record in results.records.items()
        if board.curve
    }
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
                time=times.get(method),
                best=best.get(method),
                judged=judged[method],
                few=0 < most[method] < FEW_SEEDS,
            )
        )
    # Sorting is stable: inside each half the order of the board stays.
    # A mean over fewer seeds is not one to compare with: it stands below, whatever it is.
    lines.sort(key=lambda line: not line.complete)
    return Table(results, columns, lines, collect_notes(results, problems, measured if times else None))


def _show_change(row: Row, judged: JudgedRow) -> Row:
    """A change as people read it: Δ log as change of error in per cent, lower is better, with the interval of its test.

    The reference's own has no interval: a zero by definition is no measurement. Nor have the other two definitions,
    which are not tested: a second interval might say something else than the verdict.
    """
    if row.metric != DECIDES:
        return replace(row, ci_low=None, ci_high=None)
    low, high = (None if end is None else to_error_change(end) for end in (judged.change.high, judged.change.low))
    mean = None if row.mean is None else to_error_change(row.mean)
    return replace(row, mean=mean, ci_low=low, ci_high=high, unit="%", higher_is_better=False)


def _column(quantity: Quantity, task: str, members: list[Row]) -> WideColumn:
    """A column that fits `members`, the numbers of all methods there.

    One decimal for the change of error, two for other percentages, and else so many that the largest number has four
    significant digits: more would be noise. All lines of a column have the same decimals, so that they align.
    """
    first = members[0]
    # Zeros have no logarithm, and an empty column still needs a format.
    largest = max((abs(row.mean) for row in members if row.mean), default=1.0)
    significant = min(8, max(0, 3 - math.floor(math.log10(largest))))
    decimals = 1 if first.metric == DECIDES else 2 if first.unit == "%" else significant
    return WideColumn(quantity, task, first.metric, first.unit, first.higher_is_better, decimals)
