"""A table as HTML that stands by itself, for notebooks: the texts of `formats`, one line per method, notes below.

It brings no style sheet and no script: colours are those of the page that it is shown on, in the light and in the dark.
"""

from collections.abc import Sequence
from html import escape

from leaderboard.report.escape import printable
from leaderboard.report.formats import write_ends, write_head, write_interval, write_mean, write_notes, write_star
from leaderboard.report.table import Table, WideColumn, WideLine

_FAINT = "opacity:0.6;font-size:smaller"
_LEFT, _RIGHT = "text-align:left", "text-align:right;white-space:nowrap"


def to_html(table: Table) -> str:
    """The table with its title and its notes; intervals stand small below their means."""
    heads = [_join_lines(*write_head(column)) for column in table.columns]
    top = _write_row("th", [escape("method"), *heads, *map(_escape, table.ends)], len(heads))
    lines = [
        _write_row(
            "td",
            [
                _escape(line.label),
                *(_write_cell(table, column, line, at) for at, column in enumerate(table.columns)),
                *map(_escape, write_ends(table, line)),
            ],
            len(heads),
            faint=not line.complete,
        )
        for line in table.lines
    ]
    body = f"<table><thead>{top}</thead><tbody>{''.join(lines)}</tbody></table>"
    return (
        f"<div><p><strong>{_escape(table.board.title)}</strong></p>{body}{write_html_notes(write_notes(table))}</div>"
    )


def write_html_notes(notes: Sequence[str]) -> str:
    """Sentences as a list that opens on a click; nothing where there are none."""
    items = "".join(f"<li>{_escape(note)}</li>" for note in notes)
    return f"<details><summary>Notes</summary><ul>{items}</ul></details>" if items else ""


def write_html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Any texts as a table; the first column is on the left, the others on the right. Every text is escaped."""
    wide = len(head) - 1
    top, *lines = (
        _write_row(tag, [_escape(text) for text in cells], wide)
        for tag, cells in (("th", head), *(("td", row) for row in rows))
    )
    return f"<table><thead>{top}</thead><tbody>{''.join(lines)}</tbody></table>"


def _write_row(tag: str, cells: Sequence[str], numbers: int, faint: bool = False) -> str:
    """One line; the first cell and those behind the `numbers` columns of numbers are on the left."""
    styles = [_LEFT, *[_RIGHT] * numbers, *[_LEFT] * (len(cells) - numbers - 1)]
    items = "".join(f'<{tag} style="{style}">{cell}</{tag}>' for style, cell in zip(styles, cells, strict=True))
    style = ' style="opacity:0.6"' if faint else ""
    return f"<tr{style}>{items}</tr>"


def _write_cell(table: Table, column: WideColumn, line: WideLine, at: int) -> str:
    """A number: its mean, and below it the interval with its star, and the name of the worst task."""
    row = line.cells[at]
    worst = f"({row.task})" if row and row.quantity == "worst" else ""
    below = " ".join(filter(None, (write_interval(column, row), write_star(column, row, line), worst)))
    return _join_lines(write_mean(column, row), below)


def _join_lines(first: str, second: str) -> str:
    """Two texts below each other, the second one small and faint."""
    return _escape(first) + (f'<br><span style="{_FAINT}">{_escape(second)}</span>' if second else "")


def _escape(text: str) -> str:
    """A text for HTML, without characters that steer or hide."""
    return escape(printable(text))
