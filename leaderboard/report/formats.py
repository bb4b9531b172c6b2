"""Tables as text, Markdown, LaTeX, CSV or JSON."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace

from leaderboard.analysis.standings import as_rows
from leaderboard.report.escape import csv_cell, json_text, latex, markdown, markdown_sentence, printable
from leaderboard.report.table import Row, Table
from leaderboard.report.wide_table import WideColumn, WideLine, lay_out_wide


def format_table(table: Table, format: str = "text", *, width: int | None = None, colour: bool | None = None) -> str:
    """`table` as `text`, `md`, `tex`, `csv` or `json`; ends with a newline.

    `width` and `colour` are for `text`: by default those of the terminal, or wide and plain where
    standard output is not one. Raises ValueError for an unknown format.
    """
    if format == "text":
        from leaderboard.report.terminal import to_text  # rich, only where it is used

        return to_text(table, width, colour)
    if format not in FORMATS:
        raise ValueError(f"`format` should be one of text, {', '.join(FORMATS)}. Found `{format}`.")
    return FORMATS[format](table)


def render_parts(tables: Sequence[Table], format: str = "text") -> str:
    """The parts of a table below each other; one header in csv, one object with all rows in json.

    For people, a note that belongs to every part stands once, below the last.
    """
    if format == "csv":
        first, *rest = (format_table(table, format) for table in tables)
        return first + "".join(text.partition("\n")[2] for text in rest)
    if format == "json":
        contents = [json.loads(format_table(table, format)) for table in tables]
        for part in contents[1:]:
            contents[0]["rows"] += part["rows"]
            contents[0]["statistics"] += part["statistics"]
            contents[0]["notes"] += [f"{part['title']}: {note}" for note in part["notes"]]
        return json_text(json.dumps(contents[0], indent=1, ensure_ascii=False, allow_nan=False)) + "\n"
    if format == "tex" or len(tables) < 2:
        return "\n".join(format_table(table, format) for table in tables)
    common = [note for note in tables[0].notes if all(note in table.notes for table in tables)]
    own = [replace(table, notes=[note for note in table.notes if note not in common]) for table in tables]
    parts = [format_table(table, format) for table in own]
    below = [_below(note, format) for note in ["Of all parts:", *common]] if common else []
    return "\n".join(parts) + "".join(["\n", *below] if below else [])


def _below(note: str, format: str) -> str:
    """A line under the last part: a sentence that ends in a colon leads the others."""
    lead = note.endswith(":")
    if format == "md":
        return f"{note}\n\n" if lead else f"- {markdown_sentence(note)}\n"
    return f"{note}\n" if lead else f"· {printable(note)}\n"


def to_csv(table: Table) -> str:
    """Long form at full precision; a missing number is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    for row in table.rows:
        record = asdict(row) | {"higher_is_better": str(row.higher_is_better).lower()}
        writer.writerow([csv_cell(value) if isinstance(value, str) else value for value in record.values()])
    return out.getvalue()


def to_json(table: Table) -> str:
    """The board, the long rows and the notes; a missing number is null."""
    board = table.board
    content = {
        "table": board.name,
        "title": board.title,
        "version": board.version,
        "suite": board.suite,
        "reference": board.reference,
        "selection": table.selection,
        "rows": [asdict(row) for row in table.rows],
        "statistics": [
            {"table": board.name, "suite": board.suite} | row | {"worth": worth.text if worth else None}
            for row in as_rows(table.standings)
            for worth in [table.worth.get(str(row["method"]))]
        ],
        "notes": table.notes,
    }
    return json_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def to_markdown(table: Table) -> str:
    """A pipe table under a heading, with the notes as a list."""
    laid = lay_out_wide(table)
    head = ["method", *(markdown(f"{column.top} {column.bottom}") for column in laid.columns), *laid.tail]
    rule = [":--", *("--:" for _ in laid.columns), *(":--" for _ in laid.tail)]
    lines = [f"### {markdown(table.board.title)}", "", _pipe(head), _pipe(rule)]
    for line in laid.lines:
        numbers = [_cell(column, row, line, markdown) for column, row in zip(laid.columns, line.cells, strict=True)]
        lines.append(_pipe([markdown(line.label), *numbers, *map(markdown, laid.ends(line))]))
    return "\n".join([*lines, "", *(f"- {markdown_sentence(note)}" for note in table.notes)]) + "\n"


def markdown_table(title: str, head: list[str], lines: list[list[str]], notes: list[str]) -> str:
    """Any texts as a pipe table under a heading, with notes as a list."""
    rule = _pipe([":--"] * len(head))
    rows = [_pipe([markdown(cell) for cell in line]) for line in (head, *lines)]
    below = [f"- {markdown_sentence(note)}" for note in notes]
    return "\n".join([f"### {markdown(title)}", "", rows[0], rule, *rows[1:], "", *below]) + "\n"


def to_tex(table: Table) -> str:
    """A booktabs `tabular`, the notes as comments above it."""
    laid = lay_out_wide(table)
    lines = [f"% {printable(note)}" for note in [table.board.title, *table.notes]]
    lines += [r"\begin{tabular}{l" + "r" * len(laid.columns) + "l" * len(laid.tail) + "}", r"\toprule"]
    lines.append(_tex_line(["method", *(column.top for column in laid.columns), *laid.tail]))
    lines.append(_tex_line(["", *(column.bottom for column in laid.columns), *("" for _ in laid.tail)]))
    lines.append(r"\midrule")
    for line in laid.lines:
        numbers = [_cell(column, row, line) for column, row in zip(laid.columns, line.cells, strict=True)]
        lines.append(_tex_line([line.label, *numbers, *laid.ends(line)]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _cell(column: WideColumn, row: Row | None, line: WideLine, escape: Callable[[str], str] = str) -> str:
    task = f" ({escape(row.task.removeprefix('worst: '))})" if row and row.task.startswith("worst: ") else ""
    interval = column.interval(row, line)
    star = f" {escape('*')}" if interval.endswith(" *") else ""
    return f"{column.mean(row)} {interval.removesuffix(' *')}".rstrip() + star + task


def _pipe(items: list[str]) -> str:
    return f"| {' | '.join(items)} |"


def _tex_line(items: list[str]) -> str:
    return " & ".join(map(latex, items)) + r" \\"


FORMATS: dict[str, Callable[[Table], str]] = {"md": to_markdown, "tex": to_tex, "csv": to_csv, "json": to_json}
