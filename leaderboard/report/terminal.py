"""A table for the terminal: as wide as it may be, never with a number cut."""

import io
import shutil
import sys

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from leaderboard.report.escape import printable
from leaderboard.report.table import Row, Table
from leaderboard.report.wide_table import Wide, WideColumn, WideLine, lay_out_wide

PLAIN_WIDTH = 200  # where standard output is no terminal
PAD = 2  # blanks after a column, and rich adds one more between two columns


def to_text(table: Table, width: int | None = None, colour: bool | None = None) -> str:
    """The wide table as text for `width` columns.

    A terminal too narrow for all columns gets intervals below their means; where that is still too
    wide, the columns go below each other in several grids, each with the methods.
    """
    terminal = sys.stdout.isatty()
    width = width or (shutil.get_terminal_size().columns if terminal else PLAIN_WIDTH)
    out = io.StringIO()
    styled = terminal if colour is None else colour
    console = Console(file=out, width=width, force_terminal=styled, highlight=False, legacy_windows=False)
    console.print(Text(printable(table.board.title), style="bold"))
    laid = lay_out_wide(table)
    stacked = _needed(laid, range(len(laid.columns)), stacked=False) > width
    for chunk in _chunks(laid, width, stacked):
        console.width = max(width, _needed(laid, chunk, stacked))  # rather a line too long than a number cut
        console.print(_grid(laid, chunk, stacked))
        console.print()
    console.width = width
    for note in table.notes:
        console.print(Text("· " + printable(note), style="dim"), overflow="fold")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _text(column: WideColumn, row: Row | None, line: WideLine, stacked: bool) -> Text:
    """Mean, interval, and for the worst task its name."""
    task = printable(row.task.removeprefix("worst: ")) if row and row.task.startswith("worst: ") else ""
    text = Text(column.mean(row))
    for part in (column.interval(row, line), task and f"({task})"):
        if part:
            text.append("\n" if stacked else " ").append(part, style="dim")
    return text


def _column_width(laid: Wide, index: int, stacked: bool) -> int:
    column = laid.columns[index]
    texts = [column.top, column.bottom, *(_text(column, line.cells[index], line, stacked).plain for line in laid.lines)]
    return max(cell_len(part) for text in texts for part in text.split("\n"))


def _needed(laid: Wide, indices: range | list[int], stacked: bool) -> int:
    method = max([len("method"), *(cell_len(printable(line.label)) for line in laid.lines)])
    texts = [laid.tail, *(laid.ends(line) for line in laid.lines)]
    status = sum(max(map(cell_len, column)) for column in zip(*texts, strict=True)) + (PAD + 1) * (len(laid.tail) - 1)
    numbers = [_column_width(laid, index, stacked) for index in indices]
    return method + status + sum(numbers) + (PAD + 1) * (len(numbers) + 1)


def _chunks(laid: Wide, width: int, stacked: bool) -> list[list[int]]:
    """Columns, in order, in as few groups as fit `width`; at least one column each."""
    chunks: list[list[int]] = [[]]
    for index in range(len(laid.columns)):
        if chunks[-1] and _needed(laid, [*chunks[-1], index], stacked) > width:
            chunks.append([])
        chunks[-1].append(index)
    return chunks


def _grid(laid: Wide, indices: list[int], stacked: bool) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, PAD, 0, 0), pad_edge=False, show_edge=False)
    grid.add_column("\nmethod", no_wrap=True)
    for index in indices:
        column = laid.columns[index]
        grid.add_column(Text(f"{printable(column.top)}\n{printable(column.bottom)}"), justify="right", no_wrap=True)
    for name in laid.tail:
        grid.add_column(f"\n{name}", no_wrap=True)
    for number, line in enumerate(laid.lines):
        if number and laid.lines[number - 1].complete and not line.complete:
            grid.add_section()
        texts = [_text(laid.columns[index], line.cells[index], line, stacked) for index in indices]
        grid.add_row(
            Text(printable(line.label)), *texts, *map(Text, laid.ends(line)), style="" if line.complete else "dim"
        )
    return grid
