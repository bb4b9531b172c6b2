"""Boards as tables of the site, from the same wide tables that the command line prints."""

from collections.abc import Sequence
from typing import get_args

from bench.records import ResultRecord
from leaderboard.render import FORMATS, printable
from leaderboard.site.addresses import Addresses
from leaderboard.site.shown import Shown
from leaderboard.site.view import Bar, Cell, Grid, Head, Line
from leaderboard.standing import DECIDES, Standing
from leaderboard.table import Row
from leaderboard.verify import State
from leaderboard.wide import CHANGE_TITLES, MISSING, WideColumn, WideLine

STATES = [state.replace("_", "-") for state in get_args(State)]
TRACKS = {"default": "as they come", "tuned": "tuned"}


def board_grid(one: Shown, addresses: Addresses) -> Grid:
    """One line per method with every column of the wide table; each number leads to its runs."""
    heads = [Head("method")]
    for column in one.laid.columns:
        kind = "change" if column.task == "*" else "number"
        heads.append(Head(column.top, column.bottom, kind, "high" if column.arrow == "↑" else "low"))
    for name in one.laid.tail:
        heads.append(Head(name, kind="end", best="low" if name == "rank" else "high", choose=name == "checked"))
    lines = []
    for line in one.laid.lines:
        href = _runs(one, line.method, addresses)
        cells = [_name(line, href)]
        cells += [_number(column, row, line, href) for column, row in zip(one.laid.columns, line.cells, strict=True)]
        cells += _ends(one, line)
        lines.append(Line(cells, faint=not line.complete))
    files = [(kind, f"data/{one.name}.{kind}") for kind in FORMATS]
    return Grid(one.name, printable(one.board.title), heads, lines, files)


def overview_grid(boards: Sequence[Shown], addresses: Addresses) -> Grid:
    """One line per suite, track and method: the three changes, rank, ties and the worst task."""
    heads = [
        Head("suite", choose=True),
        Head("method"),
        Head("track", choose=True),
        Head("Δ flat", "% ↑", "number", "high"),
        Head("Δ task", "% ↑", "number", "high"),
        Head("Δ log", "↑", "change", "high"),
        Head("interval of Δ log", "zero dotted", "bar"),
        Head("rank", "[95 %]", "end", "low"),
        Head("ties", "same letter: not ordered"),
        Head("worst task", "gain", "end", "high"),
        Head("seeds", kind="end", best="high"),
        Head("checked", kind="end", best="high", choose=True),
    ]
    lines = []
    for one in boards:
        changes = {(row.method, row.metric): row for row in one.table.rows if row.metric in CHANGE_TITLES}
        ends = [end for row in changes.values() if row.metric == DECIDES for end in (row.mean, row.ci_low, row.ci_high)]
        known = [end for end in ends if end is not None]
        low, high = min([0.0, *known]), max([0.0, *known])
        for line in one.laid.lines:
            if line.method not in one.plain:
                continue  # controls stand on the suite's own page
            href = _runs(one, line.method, addresses)
            columns = {column.metric: column for column in one.laid.columns if column.task == "*"}
            numbers = [_number(columns[name], changes.get((line.method, name)), line, href) for name in CHANGE_TITLES]
            standing = one.table.standings.methods.get(line.method)
            cells = [
                Cell(
                    printable(one.board.suite), order=one.board.suite, href=addresses.suite(one.board.suite), code=True
                ),
                _name(line, href),
                Cell(TRACKS[one.track], order=one.track),
                *numbers,
                Cell("", bar=_bar(changes.get((line.method, DECIDES)), low, high, line.method == one.board.reference)),
                *_standing(standing, line),
                Cell(line.seeds, order=float(_finished(line))),
                Cell(line.checked or MISSING, order=_state(line)),
            ]
            lines.append(Line(cells, faint=not line.complete))
    return Grid("overview", "Every method on every suite", heads, lines)


def runs_grid(name: str, caption: str, runs: Sequence[ResultRecord], checks: dict[str, str]) -> Grid:
    """One line per run of a method on a suite, with the primary metric of every task."""
    from bench.scores import KINDS

    kinds = runs[0].spec.protocol.metrics
    tasks = [task for task in kinds if kinds[task] in KINDS][:12]
    heads = [Head("run"), Head("seed", kind="number", best="low"), Head("kind", choose=True)]
    for task in tasks:
        metric = KINDS[kinds[task]].metrics[0]
        arrow = "↑" if metric.higher_is_better else "↓"
        below = " ".join(part for part in (metric.name, metric.unit, arrow) if part)
        heads.append(Head(printable(task), below, "number", "high" if metric.higher_is_better else "low"))
    heads += [Head("status", choose=True), Head("checked", choose=True)]
    lines = []
    for run in runs:
        scores = run.scores.get("val") or run.scores.get("last") or {}
        cells = [
            Cell(run.run_id, order=run.run_id, href=Addresses.run(run), code=True),
            Cell(str(run.spec.seed), order=float(run.spec.seed)),
            Cell(kind_of(run), order=kind_of(run)),
        ]
        for task in tasks:
            value = scores.get(task, {}).get(KINDS[kinds[task]].metrics[0].name)
            cells.append(Cell(MISSING if value is None else f"{value:.4g}", order=value))
        cells += [Cell(run.status, order=run.status), Cell(checks.get(run.run_id, MISSING))]
        lines.append(Line(cells, faint=run.status != "done"))
    return Grid(name, caption, heads, lines)


def kind_of(run: ResultRecord) -> str:
    """On the board's own protocol, a trial or a winner of a search, or under settings of its own."""
    tuning = run.spec.tuning
    if tuning:
        return f"trial {tuning.trial}" if tuning.stage == "trial" else f"tuned, trial {tuning.trial}"
    settings = ", ".join(f"{key}={value}" for key, value in sorted(run.spec.overrides.items()))
    return printable(settings) or "as it comes"


def _name(line: WideLine, href: str) -> Cell:
    below = printable(line.method) if line.label != line.method else ""
    return Cell(printable(line.label), below, line.label, href, code=line.label == line.method)


def _number(column: WideColumn, row: Row | None, line: WideLine, href: str) -> Cell:
    task = printable(row.task.removeprefix("worst: ")) if row and row.task.startswith("worst: ") else ""
    below = " ".join(part for part in (column.interval(row, line), task) if part)
    return Cell(column.mean(row), below, row.mean if row else None, href if row and row.mean is not None else "")


def _ends(one: Shown, line: WideLine) -> list[Cell]:
    orders: dict[str, float | None] = {
        "rank": float(line.place.split()[0]) if line.place else None,
        "worth": one.table.worth[line.method].order if line.method in one.table.worth else None,
        "seeds": float(_finished(line)),
        "checked": _state(line),
    }
    texts = zip(one.laid.tail, one.laid.ends(line), strict=True)
    return [Cell(printable(text), order=orders[name]) for name, text in texts]


def _standing(standing: Standing | None, line: WideLine) -> list[Cell]:
    if standing is None:
        return [Cell(MISSING), Cell(MISSING), Cell(MISSING)]
    rank, worst = standing.rank, standing.worst
    ends = "" if rank.low is None else f"[{rank.low:g}, {rank.high:g}]"
    return [
        Cell(f"{rank.mean:g}" if line.place else MISSING, ends, rank.mean if line.place else None),
        Cell(standing.groups or MISSING, order=standing.groups),
        Cell(f"{worst.gain.mean:+.3f}", printable(worst.task), worst.gain.mean) if worst else Cell(MISSING),
    ]


def _bar(row: Row | None, low: float, high: float, reference: bool) -> Bar | None:
    if row is None or row.mean is None or reference or high <= low:
        return None
    ends = [100 * (end - low) / (high - low) for end in (row.ci_low or row.mean, row.mean, row.ci_high or row.mean, 0)]
    sure = row.ci_low is not None and row.ci_high is not None and (row.ci_low > 0 or row.ci_high < 0)
    kind = ("better" if row.mean > 0 else "worse") if sure else "unclear"
    return Bar(ends[0], ends[1], ends[2], ends[3], kind)


def _runs(one: Shown, method: str, addresses: Addresses) -> str:
    """Where the runs behind a row are: those of a control are runs of a method under other settings."""
    return addresses.method(one.behind(method), one.board.suite)


def _finished(line: WideLine) -> int:
    return max((row.seeds for row in line.cells if row), default=0)


def _state(line: WideLine) -> float | None:
    return float(STATES.index(line.checked)) if line.checked in STATES else None
