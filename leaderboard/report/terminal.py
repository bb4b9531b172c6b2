"""Grids of text for the terminal: as wide as the window, with no number ever cut.

Uses rich for layout. The texts come from `leaderboard.report.formats` and `details`; this module escapes them and knows
nothing about boards.
"""

import io
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from leaderboard.report.escape import printable

# A file or a pipe has no width of its own, and its reader can scroll.
PLAIN_WIDTH = 200  # characters
# Between columns; rich adds one more blank.
PAD = 2  # blanks
FOLDED = 10  # characters of a text that is not broken into two lines


@dataclass(frozen=True)
class TextGridLine:
    """A line of a grid.

    Attributes:
        label: the method.
        numbers: for each column the parts of its number; the first is bright, the others may go below it.
        ends: the texts of the last columns, such as rank and seeds.
        faint: whether the line is dimmed, as incomplete methods are.
    """

    label: str
    numbers: list[list[str]]
    ends: list[str]
    faint: bool = False


@dataclass(frozen=True)
class TextGrid:
    """Texts to be drawn as one table.

    Attributes:
        title: printed above the grid.
        heads: the two header lines over each number.
        tail: the header of each of the last columns.
        lines: all with as many numbers as `heads` and as many ends as `tail`.
        notes: printed below the grid, one paragraph each.
    """

    title: str
    heads: list[tuple[str, str]]
    tail: list[str]
    lines: list[TextGridLine]
    notes: list[str]


def draw_grid(grid: TextGrid, width: int | None = None, colour: bool | None = None) -> str:
    """The grid as text; ends with a newline.

    Where the window is too narrow for all columns, intervals go below their means; where that is still too wide, the
    columns are split into several grids below each other, each with the labels.

    Args:
        grid: what to draw; every text is made printable.
        width: characters per line; by default those of the terminal, or PLAIN_WIDTH where output is no terminal.
        colour: whether to use terminal styles; by default only in a terminal.
    """
    console, width = open_console(width, colour)
    console.print(Text(printable(grid.title), style="bold"))
    # One grid with intervals below the means is read more easily than two grids: stack first, split then.
    stacked = _needed_width(grid, range(len(grid.heads)), stacked=False) > width
    for chunk in _split_columns(grid, width, stacked):
        console.width = max(width, _needed_width(grid, chunk, stacked))  # rather a line too long than a number cut
        console.print(_draw_chunk(grid, chunk, stacked))
        console.print()
    console.width = width
    return close_console(console, grid.notes)


def draw_texts(
    title: str, head: Sequence[str], lines: Sequence[Sequence[str]], notes: Sequence[str], left: Sequence[str]
) -> str:
    """Any texts as one grid, with notes below; ends with a newline.

    Args:
        title: printed above.
        head: the name of each column.
        lines: one text per column each.
        notes: sentences below.
        left: names of the columns that are aligned left; all others are aligned right, as numbers are.
    """
    console, _ = open_console(None, None)
    console.print(Text(printable(title), style="bold"))
    grid = RichTable(box=box.SIMPLE_HEAD, padding=(0, PAD, 0, 0), pad_edge=False, show_edge=False)
    for name in head:
        grid.add_column(Text(name), justify="left" if name in left else "right")
    for line in lines:
        grid.add_row(*(Text(printable(cell)) for cell in line))
    console.print(grid)
    console.print()
    return close_console(console, notes)


def open_console(width: int | None, colour: bool | None) -> tuple[Console, int]:
    """A console that writes into memory, and its width in characters."""
    terminal = sys.stdout.isatty()
    width = width or (shutil.get_terminal_size().columns if terminal else PLAIN_WIDTH)
    styled = terminal if colour is None else colour
    console = Console(file=io.StringIO(), width=width, force_terminal=styled, highlight=False, legacy_windows=False)
    return console, width


def close_console(console: Console, notes: Sequence[str]) -> str:
    """Everything that was printed, with the notes below; trailing blanks are dropped, which would break copied text."""
    for note in notes:
        console.print(Text("· " + printable(note), style="dim"), overflow="fold")
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in written.splitlines()) + "\n"


def _join_parts(parts: Sequence[str], stacked: bool) -> Text:
    """The parts of a number in one text: `stacked` below each other, else in one line."""
    text = Text(parts[0])
    for part in filter(None, parts[1:]):
        text.append("\n" if stacked else " ").append(printable(part), style="dim")
    return text


def _fold_text(text: str, stacked: bool) -> str:
    """A long text of the last columns in two lines, where numbers have two as well; broken near its middle."""
    if not stacked or cell_len(text) <= FOLDED or " " not in text:
        return text
    places = [at for at, character in enumerate(text) if character == " "]
    at = min(places, key=lambda place: abs(2 * place - len(text)))
    return f"{text[:at]}\n{text[at + 1 :]}"


def _column_width(grid: TextGrid, index: int, stacked: bool) -> int:
    """Width of the widest text in a column, in terminal cells: some characters take two."""
    texts = [*grid.heads[index], *(_join_parts(line.numbers[index], stacked).plain for line in grid.lines)]
    return max(cell_len(part) for text in texts for part in text.split("\n"))


def _needed_width(grid: TextGrid, indices: range | list[int], stacked: bool) -> int:
    """Width of a grid with these columns, labels and ends included, in terminal cells."""
    label = max([len("method"), *(cell_len(printable(line.label)) for line in grid.lines)])
    texts = [
        [_fold_text(text, stacked) for text in texts] for texts in (grid.tail, *(line.ends for line in grid.lines))
    ]
    ends = sum(
        max(cell_len(part) for text in column for part in text.split("\n")) for column in zip(*texts, strict=True)
    ) + (PAD + 1) * (len(grid.tail) - 1)
    numbers = [_column_width(grid, index, stacked) for index in indices]
    return label + ends + sum(numbers) + (PAD + 1) * (len(numbers) + 1)


def _split_columns(grid: TextGrid, width: int, stacked: bool) -> list[list[int]]:
    """Columns, in order, in as few groups as fit `width`; at least one column each, even where it does not fit."""
    chunks: list[list[int]] = [[]]
    for index in range(len(grid.heads)):
        if chunks[-1] and _needed_width(grid, [*chunks[-1], index], stacked) > width:
            chunks.append([])
        chunks[-1].append(index)
    return chunks


def _draw_chunk(grid: TextGrid, indices: list[int], stacked: bool) -> RichTable:
    """A grid of these columns with labels and ends; a rule separates the faint lines from the others."""
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, PAD, 0, 0), pad_edge=False, show_edge=False)
    drawn.add_column("\nmethod", no_wrap=True)
    for index in indices:
        top, bottom = grid.heads[index]
        drawn.add_column(Text(f"{printable(top)}\n{printable(bottom)}"), justify="right", no_wrap=True)
    for name in grid.tail:
        folded = _fold_text(name, stacked)
        drawn.add_column(Text(folded if "\n" in folded else f"\n{folded}"), no_wrap=True)
    for number, line in enumerate(grid.lines):
        if number and line.faint and not grid.lines[number - 1].faint:
            drawn.add_section()
        texts = [_join_parts(line.numbers[index], stacked) for index in indices]
        ends = [Text(_fold_text(text, stacked)) for text in line.ends]
        drawn.add_row(Text(printable(line.label)), *texts, *ends, style="dim" if line.faint else "")
    return drawn
