"""How sure a table is, method by method: tests over the whole board, chances, and the task that gains least."""

import io
import shutil
import sys

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from leaderboard.analysis.standings import Standing
from leaderboard.analysis.statistics import Interval
from leaderboard.report.escape import printable
from leaderboard.report.formats import markdown_table
from leaderboard.report.table import Table
from leaderboard.report.terminal import PLAIN_WIDTH
from leaderboard.report.wide_table import MISSING

NOTE = (
    "p: of the mean Δ log, adjusted over the board's primary family, by Holm over paired t tests and by step-down "
    "max-t over sign flips, which cannot fall below 2 / 2^seeds. P(better): against `{reference}` on a random seed "
    "and task. middle: interquartile mean of log(reference error / error) over seeds and tasks. Tests and intervals: "
    "docs/statistics.md."
)


def details(table: Table, format: str = "text") -> str:
    """The standings of `table` as `text` or `md`, best first; ends with a newline."""
    place = table.standings
    title = f"{table.board.title}: how sure"
    head = ["method", "rank", "Δ log ↑"]
    head += [f"p {name} ({how})" for name in place.references for how in ("Holm", "max-t")]
    head += ["P(better)", "middle", "worst task"]
    order = sorted(place.methods.values(), key=lambda each: (each.rank.mean != each.rank.mean, each.rank.mean))
    lines = [_line(table, each) for each in order]
    notes = [NOTE.format(reference=table.board.reference), *place.notes] if lines else ["Nothing here is ranked."]
    if format == "md":
        return markdown_table(title, head, lines, notes)
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else PLAIN_WIDTH
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, highlight=False, legacy_windows=False)
    console.print(Text(printable(title), style="bold"))
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for name in head:
        grid.add_column(Text(name), justify="left" if name in ("method", "rank", "worst task") else "right")
    for line in lines:
        grid.add_row(*(Text(printable(cell)) for cell in line))
    console.print(grid)
    console.print()
    for note in notes:
        console.print(Text("· " + printable(note), style="dim"), overflow="fold")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _line(table: Table, each: Standing) -> list[str]:
    tests = [
        _p(value)
        for name in table.standings.references
        for value in (
            each.comparisons[name].adjusted if name in each.comparisons else None,
            each.max_t.get(name),
        )
    ]
    worst = f"{each.worst.task} {_interval(each.worst.gain)}" if each.worst else MISSING
    own = each.method == table.board.reference
    return [
        table.board.label(each.method),
        each.place or MISSING,
        "0.000" if own else _interval(each.change),
        *tests,
        MISSING if own or each.win != each.win else f"{each.win:.2f}",
        MISSING if own or each.middle != each.middle else f"{each.middle:+.3f}",
        worst,
    ]


def _p(value: float | None) -> str:
    if value is None or value != value:
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _interval(found: Interval) -> str:
    if found.mean != found.mean:
        return MISSING
    return f"{found.mean:+.3f}" + ("" if found.low is None else f" [{found.low:+.3f}, {found.high:+.3f}]")
