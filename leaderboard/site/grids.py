"""Boards and runs as tables of the site, with the numbers of the command line's tables.

Texts come from `leaderboard.report.formats`, so that a page and a printed table show the same digits; here each gets
what it sorts by, where it links, and the bar that draws its interval. Pages call these functions, templates draw the
grids.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from bench.records import ResultRecord
from bench.scores import KINDS, Metric
from leaderboard.analysis.data_worth import Worth
from leaderboard.analysis.letters import abridge_letters
from leaderboard.analysis.results import Row
from leaderboard.analysis.standings import DECIDES, Standing
from leaderboard.report.escape import printable
from leaderboard.report.footnotes import CHANGE_TITLES
from leaderboard.report.formats import (
    FORMATS,
    MISSING,
    write_best,
    write_head,
    write_interval,
    write_mean,
    write_seeds,
    write_star,
    write_state,
    write_step_time,
    write_worth,
)
from leaderboard.report.table import STEP_TIME, WideColumn, WideLine
from leaderboard.site.addresses import Addresses
from leaderboard.site.shown import Shown
from leaderboard.site.view import Bar, Grid, GridCell, GridHead, GridRow
from leaderboard.trust.ledger import VerificationState

# From the least to the most checked, which is how a column of states sorts.
STATES = [write_state(state) for state in get_args(VerificationState)]
TRACKS = {"default": "as they come", "tuned": "tuned"}
FIRST = 30  # rows that a long table shows before somebody asks for all
TASKS = 12  # columns of a table of runs: a page as wide as a hundred tasks is read by nobody
BARS = 40  # tie groups that are drawn, 7 pixels each; with more, letters are written
INTERVAL = GridHead("95 % interval", "of Δ log", "drawn")
RANK = GridHead("rank", "[95 %]", "number", "low", called="rank", small="rank 95 % interval")
TIES = GridHead("ties", "same bar", "ties", called="ties")
VERDICT = GridHead("verdict", choose=True, small="verdict against others")


def board_grid(one: Shown, addresses: Addresses) -> Grid:
    """A board with one line per method, best rank first.

    Columns begin with what decides (Δ log, its interval drawn, rank, ties), then worth, then the other columns of the
    wide table, then seeds and verification. Numbers link to the runs behind them.
    """
    decides = [column for column in one.table.columns if column.quantity == "change" and column.metric == DECIDES]
    columns = [column for column in one.table.columns if column not in decides]
    ranked = "rank" in one.table.ends
    judged = bool(one.results.standings.kinds)
    heads = [
        GridHead("method", small="name"),
        *map(_head, decides),
        *([INTERVAL] if decides else []),
        *([_rank_head(one), TIES] if ranked else []),
        *([replace(VERDICT, bottom=f"vs {printable(one.board.reference)}")] if judged else []),
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
    low, high = _span(one)  # one scale, or bars of two rows could not be compared
    lines = []
    for line in one.lines:
        href = _runs_address(one, line.method, addresses)
        rows = dict(zip(one.table.columns, line.cells, strict=True))
        cells = [_name_cell(one, line, href)]
        for column in decides:
            bar = _draw_bar(rows[column], low, high)
            cells += [_number_cell(column, rows[column], line, href), GridCell("", bar=bar)]
        cells += _rank_cells(one, line) if ranked else []
        cells += [_verdict_cell(line.standing)] if judged else []
        cells += [_worth_cell(line.find_worth(task)) for task in worths.values()]
        cells += [_number_cell(column, rows[column], line, href) for column in columns]
        cells += [_end_cell(one, line, name) for name in late]
        lines.append(GridRow(cells, faint=not line.complete))
    files = [(kind, f"data/{one.name}.{kind}") for kind in FORMATS]
    return Grid("board", printable(one.board.title), heads, lines, files, file=one.name)


def _rank_head(one: Shown) -> GridHead:
    """The head of the rank column; it names an interval only where the board has seeds enough for one."""
    with_intervals = any(standing.rank.low is not None for standing in one.results.standings.methods.values())
    return RANK if with_intervals else replace(RANK, bottom="")


def overview_grid(boards: Sequence[Shown], addresses: Addresses) -> Grid:
    """One line per suite, track and method: the three changes, rank, ties and the worst task.

    Controls and submissions are left out; they are on the page of their suite. Suite and track are hidden columns, by
    which the table is narrowed.
    """
    heads = [
        GridHead("method", "suite", called="method"),
        GridHead("suite", choose=True, aside=True),
        GridHead("track", choose=True, aside=True),
        GridHead("Δ log", "↑", "change", "high", small="Δ log 95 % interval"),
        INTERVAL,
        RANK,
        TIES,
        GridHead("Δ flat", "% ↑", "number", "high", small="Δ flat 95 % interval"),
        GridHead("Δ task", "% ↑", "number", "high", small="Δ task 95 % interval"),
        GridHead("worst task", "gain ↑", "end", "high", called="gain of the worst task ↑", small="worst task"),
        GridHead("seeds", kind="end", best="high"),
        GridHead("checked", kind="end", best="high", choose=True),
    ]
    lines = []
    for one in boards:
        low, high = _span(one)
        columns = {column.metric: column for column in one.table.columns if column.quantity == "change"}
        suite = printable(one.board.suite)
        for line in one.lines:
            if line.method not in one.own:
                continue  # controls stand on the suite's own page
            href = _runs_address(one, line.method, addresses)
            own = one.results.change_rows[line.method]
            rows = {column.metric: row for column, row in zip(one.table.columns, line.cells, strict=True)}
            numbers = {
                name: _number_cell(columns[name], rows[name], line, href) if name in columns else GridCell(MISSING)
                for name in CHANGE_TITLES
            }
            cells = [
                _name_cell(one, line, href, f"{suite}, tuned" if one.track == "tuned" else suite),
                GridCell(suite),
                GridCell(TRACKS[one.track]),
                numbers[DECIDES],
                GridCell("", bar=_draw_bar(own.get(DECIDES), low, high)),
                *_rank_cells(one, line),
                numbers["delta_flat"],
                numbers["delta_task"],
                _worst_cell(line.standing),
                _end_cell(one, line, "seeds"),
                _end_cell(one, line, "checked"),
            ]
            lines.append(GridRow(cells, faint=not line.complete))
    return Grid("overview", "Every method on every suite", heads, lines, first=FIRST)


def place_cells(one: Shown, line: WideLine, addresses: Addresses) -> list[GridCell]:
    """A method's place on one board, for its own page: Δ log, its interval on the board's scale, and its rank."""
    row = one.results.change_rows[line.method].get(DECIDES)
    column = next((column for column in one.table.columns if column.metric == DECIDES), None)
    number = (
        _number_cell(column, row, line, _runs_address(one, line.method, addresses)) if column else GridCell(MISSING)
    )
    return [
        number,
        GridCell("", bar=_draw_bar(row, *_span(one))),
        _rank_cells(one, line)[0],
    ]


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
    """The kind of a run: `as it comes`, of a search, the best of a curve, or the settings that were changed."""
    tuning = run.spec.tuning
    settings = ", ".join(f"{key}={value}" for key, value in sorted(run.spec.overrides.items()))
    if run.spec.is_best_of_curve:
        return printable(f"best of a curve: {settings}")
    if tuning:
        return f"trial {tuning.trial}" if tuning.stage == "trial" else f"tuned, trial {tuning.trial}"
    return printable(settings) or "as it comes"


def _head(column: WideColumn) -> GridHead:
    """The head of a board's column; `small` names its intervals in an export."""
    change = column.quantity == "change"
    top, bottom = write_head(column)
    small = f"{top if change else f'{top} {column.metric}'} 95 % interval"
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


def _verdict_cell(standing: Standing | None) -> GridCell:
    """The verdict against the reference; below, those against the twin and the best."""
    contrasts = dict(standing.contrasts) if standing else {}
    against = contrasts.pop("reference", None)
    below = ", ".join(f"{each.verdict} vs {kind}" for kind, each in contrasts.items())
    text = against.verdict if against else MISSING
    return GridCell(text, below, order=against.verdict if against else None)


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


def _rank_cells(one: Shown, line: WideLine) -> list[GridCell]:
    """Two cells: rank with its interval, and tie groups as bars, or as letters where they are many.

    Both are dashes for a method without a rank.
    """
    standing = line.standing
    if standing is None or not standing.ranked:
        return [GridCell(MISSING), GridCell(MISSING)]
    rank = standing.rank
    ends = "" if rank.low is None else f"[{rank.low:g}, {rank.high:g}]"
    groups = [letter in standing.letters for letter in one.letters] if len(one.letters) <= BARS else []
    text = abridge_letters(standing.letters)
    return [GridCell(f"{rank.mean:g}", ends, rank.mean), GridCell(text, order=text, ties=groups)]


def _worst_cell(standing: Standing | None) -> GridCell:
    """The least gain of a method, a log ratio, and the task that has it."""
    worst = standing.worst if standing else None
    return GridCell(f"{worst.gain.mean:+.3f}", printable(worst.task), worst.gain.mean) if worst else GridCell(MISSING)


def _span(one: Shown) -> tuple[float, float]:
    """The least and the greatest of zero and every end of a Δ log interval: one scale for all bars of a board."""
    rows = [own[DECIDES] for own in one.results.change_rows.values() if DECIDES in own]
    known = [end for row in rows for end in (row.mean, row.ci_low, row.ci_high) if end is not None]
    return min([0.0, *known]), max([0.0, *known])


def _draw_bar(row: Row | None, low: float, high: float) -> Bar | None:
    """The interval of a change on the scale of its board, in percent of the cell's width; `_span` gives its ends.

    None for the reference, which does not differ from itself by definition.
    """
    if row is None or row.mean is None or row.role == "reference" or high <= low:
        return None
    ends = [100 * (end - low) / (high - low) for end in (row.ci_low or row.mean, row.mean, row.ci_high or row.mean, 0)]
    kind = {1: "better", 0: "unclear", -1: "worse"}[row.sign]
    return Bar(ends[0], ends[1], ends[2], ends[3], kind)


def _runs_address(one: Shown, method: str, addresses: Addresses) -> str:
    """The page with the runs behind a row; a control's are runs of a method under other settings."""
    return addresses.method(one.find_owner(method), one.board.suite)
