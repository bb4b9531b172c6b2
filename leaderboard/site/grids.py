"""Boards and runs as tables of the site, with the numbers of the command line's tables.

Texts come from `leaderboard.report.formats`, so that a page and a printed table show the same digits; here each gets
what it sorts by, where it links, and the bar that draws its interval. Pages call these functions, templates draw the
grids.
"""

import math
from collections.abc import Sequence
from typing import get_args

from bench.records import ResultRecord
from bench.scores import KINDS, Metric
from leaderboard.analysis.contrasts import ContrastKind
from leaderboard.analysis.data_worth import Worth
from leaderboard.analysis.results import Row
from leaderboard.analysis.standings import DECIDES, Standing
from leaderboard.report.escape import printable
from leaderboard.report.formats import (
    FORMATS,
    MISSING,
    write_best,
    write_head,
    write_interval,
    write_mean,
    write_rank,
    write_seeds,
    write_star,
    write_state,
    write_step_time,
    write_worth,
)
from leaderboard.report.percent import to_error_change, write_percent
from leaderboard.report.table import STEP_TIME, WideColumn, WideLine
from leaderboard.report.verdict_words import word_row
from leaderboard.site.addresses import Addresses
from leaderboard.site.shown import Shown
from leaderboard.site.view import Bar, Grid, GridCell, GridHead, GridRow
from leaderboard.trust.ledger import VerificationState

# From the least to the most checked, which is how a column of states sorts.
STATES = [write_state(state) for state in get_args(VerificationState)]
TRACKS = {"default": "as they come", "tuned": "tuned"}
FIRST = 30  # rows that a long table shows before somebody asks for all
TASKS = 12  # columns of a table of runs: a page as wide as a hundred tasks is read by nobody
PLACES: tuple[ContrastKind, ...] = ("reference", "best")  # verdicts on the page of a method
INTERVAL = GridHead("interval", "less | more error", "drawn")
RANK = GridHead("rank", kind="number", best="low")
CHANGE = GridHead("error change", "% ↓", "change", "low", small="error change interval")


def board_grid(one: Shown, addresses: Addresses) -> Grid:
    """A board with one line per method, best rank first.

    Columns begin with what decides (the change of error, its interval drawn, verdicts, rank), then worth, then the
    other columns of the wide table, then seeds and verification. Numbers link to the runs behind them; rows of methods
    that could be the best are shaded.
    """
    decides = [column for column in one.table.columns if column.quantity == "change" and column.metric == DECIDES]
    columns = [column for column in one.table.columns if column not in decides]
    ranked = "rank" in one.table.ends
    verdicts = one.table.verdicts
    heads = [
        GridHead("method", small="name"),
        *map(_head, decides),
        *([INTERVAL] if decides else []),
        *(GridHead(printable(name), choose=True) for name in verdicts),
        *([RANK] if ranked else []),
    ]
    worths = {printable(head): task for head, task in one.table.worths.items()}
    early = {"rank", *one.table.worths, *one.table.verdicts}
    late = [name for name in one.table.ends if name not in early]
    heads += [GridHead(name, "rows", kind="end", best="high", small=f"{name} 95 % interval") for name in worths]
    heads += map(_head, columns)
    heads += [
        GridHead(name, kind="end", best="low" if name == STEP_TIME else "high", choose=name == "checked")
        for name in late
    ]
    span = _span(one)  # one scale, or bars of two rows could not be compared
    lines = []
    for line in one.lines:
        href = _runs_address(one, line.method, addresses)
        rows = dict(zip(one.table.columns, line.cells, strict=True))
        cells = [_name_cell(one, line, href)]
        for column in decides:
            cells += [_number_cell(column, rows[column], line, href), GridCell("", bar=_draw_bar(line, span))]
        cells += [_verdict_cell(line, kind) for kind in verdicts.values()]
        cells += [_rank_cell(line)] if ranked else []
        cells += [_worth_cell(line.find_worth(task)) for task in worths.values()]
        cells += [_number_cell(column, rows[column], line, href) for column in columns]
        cells += [_end_cell(one, line, name) for name in late]
        lines.append(GridRow(cells, faint=not line.complete, best=line.judged.could_be_best))
    files = [(kind, f"data/{one.name}.{kind}") for kind in FORMATS]
    return Grid("board", printable(one.board.title), heads, lines, files, file=one.name)


def overview_grid(boards: Sequence[Shown], addresses: Addresses) -> Grid:
    """One line per suite, track and method: the change of error, verdicts, rank, and the worst task.

    Controls and submissions are left out; they are on the page of their suite. Suite and track are hidden columns, by
    which the table is narrowed.
    """
    heads = [
        GridHead("method", "suite", called="method"),
        GridHead("suite", choose=True, aside=True),
        GridHead("track", choose=True, aside=True),
        CHANGE,
        INTERVAL,
        GridHead("vs reference", choose=True),
        GridHead("vs best", choose=True),
        RANK,
        GridHead(
            "worst task",
            "error % ↓",
            "end",
            "low",
            called="error change of the worst task %",
            small="worst task",
        ),
        GridHead("seeds", kind="end", best="high"),
        GridHead("checked", kind="end", best="high", choose=True),
    ]
    lines = []
    for one in boards:
        span = _span(one)
        columns = {column.metric: column for column in one.table.columns if column.quantity == "change"}
        suite = printable(one.board.suite)
        for line in one.lines:
            if line.method not in one.own:
                continue  # controls stand on the suite's own page
            href = _runs_address(one, line.method, addresses)
            rows = {column.metric: row for column, row in zip(one.table.columns, line.cells, strict=True)}
            row = rows.get(DECIDES)
            change = columns.get(DECIDES)
            cells = [
                _name_cell(one, line, href, f"{suite}, tuned" if one.track == "tuned" else suite),
                GridCell(suite),
                GridCell(TRACKS[one.track]),
                _number_cell(change, row, line, href) if change else GridCell(MISSING),
                GridCell("", bar=_draw_bar(line, span)),
                _verdict_cell(line, "reference"),
                _verdict_cell(line, "best"),
                _rank_cell(line),
                _worst_cell(line.standing),
                _end_cell(one, line, "seeds"),
                _end_cell(one, line, "checked"),
            ]
            lines.append(GridRow(cells, faint=not line.complete, best=line.judged.could_be_best))
    return Grid("overview", "Every method on every suite", heads, lines, first=FIRST)


def place_cells(one: Shown, line: WideLine, addresses: Addresses) -> list[GridCell]:
    """A method's place on one board, for its own page: change of error, its interval drawn, verdicts and rank."""
    column = next((column for column in one.table.columns if column.metric == DECIDES), None)
    row = line.cells[one.table.columns.index(column)] if column else None
    number = (
        _number_cell(column, row, line, _runs_address(one, line.method, addresses)) if column else GridCell(MISSING)
    )
    verdicts = [_verdict_cell(line, kind) for kind in PLACES]
    return [number, GridCell("", bar=_draw_bar(line, _span(one))), *verdicts, _rank_cell(line)]


def runs_grid(name: str, caption: str, runs: Sequence[ResultRecord], states: dict[str, str], file: str = "") -> Grid:
    """One line per run of a method on a suite, with the primary metric of each task at the kept epoch.

    Args:
        name: unique on the page.
        caption: read out by screen readers.
        runs: at least one, all of one suite; the metrics are those of the first.
        states: run id -> how far it was verified.
        file: the name of an export; `name` where it is empty.

    Returns:
        A grid, with a column for the kind of a run where kinds differ. Runs that failed are faint.
    """
    kinds_of = [kind_of(run) for run in runs]
    alike = len(set(kinds_of)) == 1 and not runs[0].spec.overrides and not runs[0].spec.tuning
    kinds = runs[0].spec.protocol.metrics
    primary = {task: KINDS[kinds[task]].metrics[0] for task in kinds if kinds[task] in KINDS}
    tasks = list(primary)[:TASKS]
    values = [[_score(run, task, primary[task]) for task in tasks] for run in runs]
    formats = [_decimals(primary[task], [row[at] for row in values]) for at, task in enumerate(tasks)]
    heads = [
        GridHead("run"),
        GridHead("seed", kind="number", best="low"),
        *([] if alike else [GridHead("kind", choose=True)]),
    ]
    heads += [_head_of(task, primary[task]) for task in tasks]
    heads += [GridHead("status", choose=True), GridHead("checked", choose=True)]
    lines = []
    for run, kind, row in zip(runs, kinds_of, values, strict=True):
        cells = [
            GridCell(run.run_id, order=run.run_id, href=Addresses.run(run), code=True),
            GridCell(str(run.spec.seed), order=float(run.spec.seed)),
            *([] if alike else [GridCell(kind, order=kind)]),
            *(
                GridCell(MISSING if value is None else f"{value:.{decimals}f}", order=value)
                for value, decimals in zip(row, formats, strict=True)
            ),
            GridCell(run.status, order=run.status),
            _badge(states.get(run.run_id, "")),
        ]
        lines.append(GridRow(cells, faint=run.status != "done"))
    return Grid(name, caption, heads, lines, first=FIRST, file=file)


def kind_of(run: ResultRecord) -> str:
    """The kind of a run: `default settings`, of a search, the best of a curve, or the settings that were changed."""
    tuning = run.spec.tuning
    settings = ", ".join(f"{key}={value}" for key, value in sorted(run.spec.overrides.items()))
    if run.spec.is_best_of_curve:
        return printable(f"best of a curve: {settings}")
    if tuning:
        return f"trial {tuning.trial}" if tuning.stage == "trial" else f"tuned, trial {tuning.trial}"
    return printable(settings) or "default settings"


def _head(column: WideColumn) -> GridHead:
    """The head of a board's column; `small` names its intervals in an export."""
    change = column.quantity == "change"
    top, bottom = write_head(column)
    small = f"{top} interval" if change else f"{top} {column.metric} 95 % interval"
    small = "" if change and column.metric != DECIDES else small  # which is not tested, and has no interval
    small += " and task" if column.quantity == "worst" else ""
    best = "high" if column.higher_is_better else "low"
    return GridHead(printable(top), printable(bottom), "change" if change else "number", best, small=small)


def _head_of(task: str, metric: Metric) -> GridHead:
    """The head of a task's column in a table of runs."""
    arrow = "↑" if metric.higher_is_better else "↓"
    below = " ".join(part for part in (metric.name, metric.unit, arrow) if part)
    return GridHead(printable(task), below, "number", "high" if metric.higher_is_better else "low")


def _score(run: ResultRecord, task: str, metric: Metric) -> float | None:
    """A metric of a run at the epoch that validation chose, else under the first rule that the record has."""
    scores = run.scores.get("val") or next(iter(run.scores.values()), {})
    return scores.get(task, {}).get(metric.name)


def _decimals(metric: Metric, values: Sequence[float | None]) -> int:
    """Decimals as in a board's wide table: two for percentages, else four significant digits of the largest value."""
    largest = max((abs(value) for value in values if value), default=1.0)
    return 2 if metric.unit == "%" else min(8, max(0, 3 - math.floor(math.log10(largest))))


def _name_cell(one: Shown, line: WideLine, href: str, small: str = "") -> GridCell:
    """A method's label; below it `small`, or the text that `mtlbench run` takes where label and text differ."""
    label, plain = printable(line.label), printable(line.method)
    control = one.results.selection.controls.get(line.method)
    # A control's key is its label: no text that could be run, unless it is a plain method.
    if not small and label != plain and (control is None or control.key == control.method):
        small = plain
    return GridCell(label, small, line.label, href, code=line.label == line.method)


def _number_cell(column: WideColumn, row: Row | None, line: WideLine, href: str) -> GridCell:
    """A mean that links to its runs; below it the interval, its mark, and the task where that is the worst one."""
    task = printable(row.task) if row and row.quantity == "worst" else ""
    below = " ".join(filter(None, (write_interval(column, row), write_star(column, row, line), task)))
    return GridCell(
        write_mean(column, row), below, row.mean if row else None, href if row and row.mean is not None else ""
    )


def _verdict_cell(line: WideLine, kind: ContrastKind) -> GridCell:
    """A verdict in words; below that against the twin its name. That against the reference has the row's colour."""
    text = word_row(line.judged, line.standing, kind)
    contrast = line.standing.contrasts.get(kind) if line.standing else None
    small = printable(contrast.other) if kind == "twin" and contrast else ""
    side = line.judged.side if kind == "reference" else ""
    return GridCell(text or MISSING, small, order=text or None, side=side)


def _end_cell(one: Shown, line: WideLine, name: str) -> GridCell:
    """Own best value, step time, seeds or state of verification, with the number that its column sorts by."""
    if name == one.table.best_head:
        return GridCell(write_best(one.table, line) or MISSING, order=line.best)
    if name == "checked":
        return _badge(write_state(line.state))
    if name == STEP_TIME:
        ratio, quartiles = write_step_time(line.time)
        return GridCell(ratio or MISSING, quartiles, line.time.ratio if line.time else None)
    return GridCell(write_seeds(line), order=float(max((row.seeds for row in line.cells if row), default=0)))


def _worth_cell(worth: Worth | None) -> GridCell:
    """A worth in training rows with its interval; what lies beyond the largest size sorts above it."""
    text, interval = write_worth(worth)
    return GridCell(text or MISSING, interval, worth.order if worth else None)


def _badge(state: str) -> GridCell:
    """A state of verification, drawn as a badge, which sorts by how thorough the check was."""
    known = state in STATES
    return GridCell(state or MISSING, order=float(STATES.index(state)) if known else None, badge=known)


def _rank_cell(line: WideLine) -> GridCell:
    """The rank; a dash for a method without one."""
    text = write_rank(line.standing)
    return GridCell(text or MISSING, order=line.standing.rank.mean if line.standing and text else None)


def _worst_cell(standing: Standing | None) -> GridCell:
    """The change of error in the task that gains least, in per cent, and its name."""
    worst = standing.worst if standing else None
    if worst is None:
        return GridCell(MISSING)
    gain = worst.gain.mean
    return GridCell(write_percent(gain), printable(worst.task), to_error_change(gain))


def _span(one: Shown) -> tuple[float, float]:
    """The least and the greatest of zero and every end of an interval, in log error: one scale for a board's bars."""
    changes = [line.judged.change for line in one.lines]
    ends = [end for each in changes for end in (each.mean, each.low, each.high) if end is not None and each.n]
    return min([0.0, *(-end for end in ends)]), max([0.0, *(-end for end in ends)])


def _draw_bar(line: WideLine, span: tuple[float, float]) -> Bar | None:
    """The interval of a change on the scale of its board, in percent of the cell's width; `_span` gives its ends.

    The scale is that of log error, so that half and twice the error lie as far from 0; less error is on the left. None
    for the reference, which does not differ from itself by definition.
    """
    change, (low, high) = line.judged.change, span
    if not change.n or line.role == "reference" or high <= low:
        return None
    first, last = (change.mean if end is None else end for end in (change.high, change.low))
    ends = [100 * (-end - low) / (high - low) for end in (first, change.mean, last, 0.0)]
    return Bar(ends[0], ends[1], ends[2], ends[3], line.judged.side)


def _runs_address(one: Shown, method: str, addresses: Addresses) -> str:
    """The page with the runs behind a row; a control's are runs of a method under other settings."""
    return addresses.method(one.find_owner(method), one.board.suite)
