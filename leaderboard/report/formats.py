"""Tables as text, Markdown, LaTeX, CSV or JSON.

The one place where numbers become texts and marks are written, so that the command line, the pages and the site show
the same digits. Callers are `mtlbench table`, `leaderboard.report.markdown_blocks` and `leaderboard.site`. Long formats
(CSV, JSON) have one row per number at full precision; the others have one line per method, rounded.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from bench.records.values import write_setting
from leaderboard.analysis.data_worth import Worth
from leaderboard.analysis.results import Row
from leaderboard.analysis.standings import DECIDES, Standing
from leaderboard.boards.step_times import StepTime
from leaderboard.report.escape import csv_cell, json_text, latex, markdown, markdown_sentence, printable
from leaderboard.report.footnotes import CHANGE_TITLES, Mark, Note
from leaderboard.report.statistics_json import write_standings
from leaderboard.report.table import STEP_TIME, Table, WideColumn, WideLine
from leaderboard.report.verdict_words import word_row

MISSING = "—"
MARKS: dict[Mark, str] = {"holds": "*", "few": "†"}
ALL_TASKS = "*"  # in long form, the task of a change, and of a worth over all of them
HEADS = CHANGE_TITLES | {DECIDES: "error change"}  # of a column, which has Δ log in per cent of error
SUMMARY_TITLES = {"mean": "mean of tasks", "worst": "worst task"}
# Programs read long form: a role or a unit more would be a column that they do not expect.
LONG_FIELDS = [field.name for field in fields(Row) if field.name not in ("role", "quantity", "unit")]


def format_table(table: Table, format: str = "text", *, width: int | None = None, colour: bool | None = None) -> str:
    """`table` in one format; ends with a newline.

    Args:
        table: the board, laid out.
        format: `text`, `md`, `tex`, `csv` or `json`.
        width: columns of the terminal, for `text`; by default its own, or a fixed wide one where output is no terminal.
        colour: whether `text` has terminal styles; by default only where output is a terminal.

    Raises:
        ValueError: `format` is none of these.
    """
    if format == "text":
        return to_text(table, width, colour)
    if format not in FORMATS:
        raise ValueError(f"`format` should be one of text, {', '.join(FORMATS)}. Found `{format}`.")
    return FORMATS[format](table)


def render_parts(tables: Sequence[Table], format: str = "text") -> str:
    """The parts of a table of several suites as one document.

    Args:
        tables: the parts, in order; the first gives a JSON document its title and version.
        format: as in `format_table`.

    Returns:
        csv: one header and all rows. json: one object with all rows; notes of later parts begin with the part's title.
        tex: one tabular each. text and md: the tables below each other; a note of every part comes once, at the end.
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
    # Sentences that every part would repeat are read once, below the last one.
    common = [note for note in tables[0].notes if all(note in table.notes for table in tables)]
    own = [replace(table, notes=[note for note in table.notes if note not in common]) for table in tables]
    parts = [format_table(table, format) for table in own]
    below = [_write_below(note, format) for note in ["Of all parts:", *map(write_note, common)]] if common else []
    return "\n".join(parts) + "".join(["\n", *below] if below else [])


def _write_below(note: str, format: str) -> str:
    """A line below the last part: the sentence that ends in a colon leads the list of the others."""
    lead = note.endswith(":")
    if format == "md":
        return f"{note}\n\n" if lead else f"- {markdown_sentence(note)}\n"
    return f"{note}\n" if lead else f"· {printable(note)}\n"


def to_text(table: Table, width: int | None = None, colour: bool | None = None) -> str:
    """The table for a terminal that is `width` characters wide; a number is never cut."""
    from leaderboard.report.terminal import TextGrid, TextGridLine, draw_grid  # rich, only where it is used

    lines = [
        TextGridLine(
            line.label,
            [_parts(column, row, line) for column, row in zip(table.columns, line.cells, strict=True)],
            write_ends(table, line),
            faint=not line.complete,
        )
        for line in table.lines
    ]
    heads = [write_head(column) for column in table.columns]
    return draw_grid(TextGrid(table.board.title, heads, table.ends, lines, write_notes(table)), width, colour)


def to_csv(table: Table) -> str:
    """Long form: one row per number at full precision, with the fields LONG_FIELDS; a missing number is empty.

    The rows of a board's worth in data come last. Beyond the training sizes that were run the mean is empty, and an end
    is the last size where the interval has one: `4` and nothing for more than four times the rows.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(LONG_FIELDS)
    for row in [*table.rows, *table.results.worth_rows]:
        record = write_row(row) | {"higher_is_better": str(row.higher_is_better).lower()}
        writer.writerow([csv_cell(value) if isinstance(value, str) else value for value in record.values()])
    return out.getvalue()


def to_json(table: Table) -> str:
    """One object with the board's definition, `rows` as in CSV, `statistics` by method, and `notes`; missing is null.

    In `statistics`, `p_holm` and `p_max_t` map a reference to the adjusted p, and `worst_task` is the task of the least
    gain; changes and gains are log ratios, ranks start at 1. Programs outside this project read the keys: additions are
    fine, renames are not.
    """
    board, times = table.board, {line.method: line.time for line in table.lines}
    content = {
        "table": board.name,
        "title": board.title,
        "version": board.version,
        "suite": board.suite,
        "reference": board.reference,
        "selection": table.results.rule,
        "rows": [write_row(row) for row in [*table.rows, *table.results.worth_rows]],
        "statistics": [
            {"table": board.name, "suite": board.suite}
            | row
            | {"worth": _join_worth(worth) or None}
            | ({"worth_tasks": {task: _join_worth(own) for task, own in worth.tasks.items()}} if worth else {})
            | ({"step_time": time.model_dump()} if (time := times.get(str(row["method"]))) else {})
            for row in write_standings(table.results.standings)
            for worth in [table.results.worth.get(str(row["method"]))]
        ],
        "notes": write_notes(table),
    }
    return json_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def to_markdown(table: Table) -> str:
    """A pipe table under a heading of the third level, with the notes as a list below."""
    head = ["method", *(" ".join(write_head(column)) for column in table.columns), *table.ends]
    rule = [":--", *("--:" for _ in table.columns), *(":--" for _ in table.ends)]
    lines = [f"### {markdown(table.board.title)}", "", _pipe([markdown(text) for text in head]), _pipe(rule)]
    for line in table.lines:
        numbers = [_cell(column, row, line, markdown) for column, row in zip(table.columns, line.cells, strict=True)]
        lines.append(_pipe([markdown(line.label), *numbers, *map(markdown, write_ends(table, line))]))
    return "\n".join([*lines, "", *(f"- {markdown_sentence(note)}" for note in write_notes(table))]) + "\n"


def markdown_table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """Any texts as a pipe table under a heading, with notes as a list; every text is escaped."""
    rule = _pipe([":--"] * len(head))
    rows = [_pipe([markdown(cell) for cell in line]) for line in (head, *lines)]
    below = [f"- {markdown_sentence(note)}" for note in notes]
    return "\n".join([f"### {markdown(title)}", "", rows[0], rule, *rows[1:], "", *below]) + "\n"


def to_tex(table: Table) -> str:
    """A booktabs `tabular`, with title and notes as LaTeX comments above it."""
    heads = [write_head(column) for column in table.columns]
    lines = [f"% {printable(note)}" for note in [table.board.title, *write_notes(table)]]
    lines += [r"\begin{tabular}{l" + "r" * len(table.columns) + "l" * len(table.ends) + "}", r"\toprule"]
    lines.append(_tex_line(["method", *(top for top, _ in heads), *table.ends]))
    lines.append(_tex_line(["", *(bottom for _, bottom in heads), *("" for _ in table.ends)]))
    lines.append(r"\midrule")
    for line in table.lines:
        numbers = [_cell(column, row, line) for column, row in zip(table.columns, line.cells, strict=True)]
        lines.append(_tex_line([line.label, *numbers, *write_ends(table, line)]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def write_head(column: WideColumn) -> tuple[str, str]:
    """The two lines over a column: the task, or how tasks are summarised; then metric, unit and better direction."""
    change = column.quantity == "change"
    top = HEADS[column.metric] if change else SUMMARY_TITLES.get(column.quantity, column.task)
    arrow = "↑" if column.higher_is_better else "↓"
    return top, " ".join(part for part in ("" if change else column.metric, column.unit, arrow) if part)


def write_mean(column: WideColumn, row: Row | None) -> str:
    """The mean of a row with the decimals of its column; a change carries its sign, a missing mean is a dash."""
    return MISSING if row is None or row.mean is None else _write_number(column, row.mean)


def write_interval(column: WideColumn, row: Row | None) -> str:
    """The interval of a row as `[low, high]`, with the decimals of its column; empty where there is none."""
    if row is None or row.ci_low is None or row.ci_high is None:
        return ""
    return f"[{_write_number(column, row.ci_low)}, {_write_number(column, row.ci_high)}]"


def write_star(column: WideColumn, row: Row | None, line: WideLine) -> str:
    """The mark of a change that is better or worse by its verdict, to follow its interval; else an empty text."""
    decides = column.quantity == "change" and column.metric == DECIDES
    return MARKS["holds"] if decides and line.holds and write_interval(column, row) else ""


def write_rank(standing: Standing | None) -> str:
    """The rank of the mean, as in `2`; empty for a method without one. How sure it is, verdicts say."""
    return f"{standing.rank.mean:g}" if standing is not None and standing.ranked else ""


def write_worth(worth: Worth | None) -> tuple[str, str]:
    """The multiplier of training rows and its interval as texts: `1.31x` and `[1.02, 1.70]`, or two empty ones.

    Beyond the training sizes that were run only a bound is known, written as `< 0.2` or `> 10`.
    """
    if worth is None:
        return "", ""

    def write(value: float) -> str:
        """A multiplier, or the bound beyond which nothing is known."""
        if value == 0:
            return f"< {worth.least:.3g}"
        return f"> {worth.most:.3g}" if math.isinf(value) else f"{value:.2f}"

    low, high = worth.estimate.low, worth.estimate.high
    return f"{write(worth.estimate.mean)}x", "" if low is None or high is None else f"[{write(low)}, {write(high)}]"


def _join_worth(worth: Worth | None) -> str:
    """The two texts of `write_worth` as one."""
    return " ".join(filter(None, write_worth(worth)))


def write_step_time(time: StepTime | None) -> tuple[str, str]:
    """The time of an update over the reference's and its quartiles: `1.62x` and `[1.58, 1.70]`, or two empty ones."""
    return ("", "") if time is None else (f"{time.ratio:.2f}x", f"[{time.low:.2f}, {time.high:.2f}]")


def write_seeds(line: WideLine) -> str:
    """`5/5`, `incomplete (3/5)` or `missing`, followed by a dagger where seeds are too few to rely on."""
    seeds = f"{line.wanted}/{line.wanted}" if line.complete else line.status
    return f"{seeds} {MARKS['few']}" if line.few else seeds


def write_state(state: str) -> str:
    """A state of verification as people read it: `spot_checked` becomes `spot-checked`."""
    return state.replace("_", "-")


def write_best(table: Table, line: WideLine) -> str:
    """The value that a method's own curve chose, as settings are written; empty where it has none."""
    curve = table.board.curve
    return write_setting(curve.grid.setting, line.best) if curve and line.best is not None else ""


def write_ends(table: Table, line: WideLine) -> list[str]:
    """The texts of a line in the columns `table.ends`; a dash where a line has nothing there."""
    texts = {
        "rank": write_rank(line.standing),
        **{head: word_row(line.judged, line.standing, kind) for head, kind in table.verdicts.items()},
        table.best_head: write_best(table, line),
        **{head: _join_worth(line.find_worth(task)) for head, task in table.worths.items()},
        STEP_TIME: " ".join(filter(None, write_step_time(line.time))),
        "seeds": write_seeds(line),
        "checked": write_state(line.state),
    }
    return [texts[name] or MISSING for name in table.ends]


def write_notes(table: Table) -> list[str]:
    """The notes of a table as sentences, in its order, with their marks."""
    return [write_note(note) for note in table.notes]


def write_note(note: Note) -> str:
    """The sentence of a note, after the mark that it explains, if any."""
    return f"{MARKS[note.mark]} {note.text}" if note.mark else note.text


def write_row(row: Row) -> dict[str, Any]:
    """The fields of one number in long form; one over all tasks is of the task `*`, as programs that read it expect."""
    record = {name: value for name, value in asdict(row).items() if name in LONG_FIELDS}
    over_all = row.quantity == "change" or (row.quantity == "worth" and not row.task)
    return record | {"task": ALL_TASKS} if over_all else record


def _write_number(column: WideColumn, value: float) -> str:
    """A number with the decimals of its column; a change gets a plus sign unless it rounds to zero."""
    # `z`: a small loss would be `-0.00`, which reads as a direction.
    text = f"{value:z.{column.decimals}f}"
    return f"+{text}" if column.quantity == "change" and float(text) > 0 else text


def _parts(column: WideColumn, row: Row | None, line: WideLine) -> list[str]:
    """Mean, interval with its star, and the name of the worst task: three texts that a narrow terminal may stack."""
    worst = f"({printable(row.task)})" if row and row.quantity == "worst" else ""
    return [write_mean(column, row), f"{write_interval(column, row)} {write_star(column, row, line)}".rstrip(), worst]


def _cell(column: WideColumn, row: Row | None, line: WideLine, escape: Callable[[str], str] = str) -> str:
    """The parts of a number as one text; `escape` makes names and marks safe in the document."""
    worst = f"({escape(row.task)})" if row and row.quantity == "worst" else ""
    star = escape(write_star(column, row, line))
    return " ".join(filter(None, (write_mean(column, row), write_interval(column, row), star, worst)))


def _pipe(items: list[str]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(items)} |"


def _tex_line(items: list[str]) -> str:
    """A line of a tabular, escaped."""
    return " & ".join(map(latex, items)) + r" \\"


FORMATS: dict[str, Callable[[Table], str]] = {"md": to_markdown, "tex": to_tex, "csv": to_csv, "json": to_json}
