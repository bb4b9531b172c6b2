"""Tables in brief: rank, method, change of error, verdict and seeds, in 80 columns of a terminal.

What `mtlbench table` prints where nothing else is asked; every other number is in `formats.to_text`.
"""

import math
import shutil
import textwrap
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.table import Table as RichTable
from rich.text import Text

from bench.errors import count_nouns
from leaderboard.report.escape import printable
from leaderboard.report.formats import MARKS, MISSING, format_table, write_rank, write_seeds
from leaderboard.report.percent import write_percent, write_percent_ends
from leaderboard.report.table import Table, WideLine
from leaderboard.report.terminal import close_console, open_console
from leaderboard.report.verdict_words import word_row

NARROW = 80  # columns where output is no terminal, and $COLUMNS says nothing
PAD = 2  # blanks between columns
STYLES = {"better": "green", "worse": "red", "unclear": ""}
READ_ON = "`--metrics all` shows every metric, `--details` how sure all of it is."


def write_brief(
    tables: Sequence[Table], width: int | None = None, colour: bool | None = None, read_on: str = READ_ON
) -> str:
    """The parts of a table in brief, below each other; ends with a newline.

    A part without a change of error, as where nothing is stored of the reference, is written with all its numbers.

    Args:
        tables: the parts, in order.
        width: characters of a line; by default those of the terminal or $COLUMNS, else NARROW.
        colour: whether to use terminal styles; by default only in a terminal.
        read_on: the last note, which says what shows more.
    """
    width = width or shutil.get_terminal_size((NARROW, 24)).columns
    brief = [_has_changes(table) or not _has_runs(table) for table in tables]
    texts = [
        _draw_part(table, width, colour) if short else format_table(table, "text", width=width, colour=colour)
        for table, short in zip(tables, brief, strict=True)
    ]
    told = [table for table in tables if _has_changes(table)]
    return "\n".join(texts) + "".join(["\n", *_write_notes(told, width, read_on)] if told else [])


def _has_changes(table: Table) -> bool:
    """Whether some row but the reference's says how its error changed."""
    return any(line.role != "reference" and math.isfinite(line.judged.change.mean) for line in table.lines)


def _has_runs(table: Table) -> bool:
    """Whether anything was run for it."""
    return any(line.status != "missing" for line in table.lines)


def _draw_part(table: Table, width: int, colour: bool | None) -> str:
    """One part: its title, its rows by rank, and in one line what has no runs."""
    console, _ = open_console(width, colour)
    console.print(Text(printable(table.board.title), style="bold"))
    shown, rows = sort_by_rank(table), list_rows(table)
    heads = list_heads(table)
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    room = max(len("method"), width - sum(widths) + widths[1] - PAD * (len(heads) - 1) - 1)
    grid = RichTable(box=box.SIMPLE_HEAD, padding=(0, PAD - 1, 0, 0), pad_edge=False, show_edge=False)
    for head in heads:
        grid.add_column(Text(head), justify="right" if head in ("rank", "seeds") else "left", no_wrap=True)
    for line, texts in zip(shown, rows, strict=True):
        texts[1] = _fit(texts[1], printable(line.method), room)
        style = STYLES[line.judged.side] if line.complete else "dim"
        grid.add_row(*(Text(text, style=style if index in (2, 3) else "") for index, text in enumerate(texts)))
    if shown:
        console.print(grid)
    missing = [printable(line.method) for line in table.lines if line not in shown]
    if missing:
        told = f"without runs: {count_nouns(len(missing), 'method')} ({', '.join(missing)})"
        console.print(Text(_cut(told, width), "dim"))
    return close_console(console, [])


def sort_by_rank(table: Table) -> list[WideLine]:
    """The lines with a change of error, the first in rank first; rows that are not ranked, as controls, come last."""
    return sorted(
        (line for line in table.lines if math.isfinite(line.judged.change.mean)),
        key=lambda line: line.standing.rank.mean if line.standing and line.ranked else math.inf,
    )


def list_heads(table: Table) -> list[str]:
    """The heads of the columns of `list_rows`."""
    return ["rank", "method", "error %", f"vs {table.board.reference}", "seeds"]


def list_rows(table: Table) -> list[list[str]]:
    """The texts of each line of `sort_by_rank`."""
    return [_write_line(table, line) for line in sort_by_rank(table)]


def name_best(table: Table) -> str:
    """The best row, or those that could be it, as a sentence; empty where nothing says so."""
    best = [f"`{line.method}`" for line in table.lines if line.judged.could_be_best]
    return f"{'Could be the best' if len(best) > 1 else 'The best'}: {', '.join(best)}." if best else ""


def _write_line(table: Table, line: WideLine) -> list[str]:
    """The texts of a row: rank, name, change of error, verdict and seeds."""
    change = line.judged.change
    verdict = word_row(line.judged, line.standing, "reference")
    return [
        write_rank(line.standing) or MISSING,
        printable(line.label),
        "0.0" if line.role == "reference" else f"{write_percent(change.mean)} {write_percent_ends(change)}".rstrip(),
        verdict or ("reference" if line.role == "reference" else MISSING),
        write_seeds(line),
    ]


def _fit(label: str, method: str, room: int) -> str:
    """The name for people where there is room for it, else the method's own, cut where that is too long, too."""
    return _cut(label if cell_len(label) <= room else method, room)


def _cut(text: str, room: int) -> str:
    """A text that is no wider than `room`, with an ellipsis where it was."""
    return text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"


def _write_notes(tables: Sequence[Table], width: int, read_on: str) -> list[str]:
    """What a reader needs to know below a table in brief, as paragraphs that fit the width."""
    references = " or ".join(f"`{name}`" for name in dict.fromkeys(table.board.reference for table in tables))
    notes = [
        f"error %: change of error against {references}, the mean over tasks of log(error / reference's error) in per "
        "cent, with the interval of its test, which is corrected for the number of rows."
    ]
    for table in tables:
        where = f"{table.board.title}: " if len(tables) > 1 else ""
        if told := name_best(table):
            notes.append(f"{where}{told}")
        if len(tables) == 1 and table.board.note:
            notes.append(table.board.note)
    if any(line.few for table in tables for line in table.lines):
        notes.append(f"{MARKS['few']} too few seeds to rely on.")
    indents = {"initial_indent": "· ", "subsequent_indent": "  "}
    texts = map(printable, [*notes, read_on])
    return [textwrap.fill(text, width, break_on_hyphens=False, **indents) + "\n" for text in texts]  # type: ignore[arg-type]
