"""Build the site from the same rows as the text table, so that the two cannot disagree."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from leaderboard.board import Board, Track, board_of_suite
from leaderboard.comparable import newest
from leaderboard.files import write_whole
from leaderboard.notes import problem_notes
from leaderboard.render import code_parts, printable
from leaderboard.site.budget import budgets
from leaderboard.site.forest import forest
from leaderboard.statistics import Selection
from leaderboard.store import Store, StoreContents
from leaderboard.table import Row, Table, rows
from leaderboard.tuned import searched, searches_of
from leaderboard.verify import State
from leaderboard.wide import Wide, WideColumn, WideLine, wide

SHOWN_PANELS = 3
PNG = b"\x89PNG\r\n\x1a\n"  # how every such file begins; anything else under the name is not shown
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class CellView:
    """A number as the page shows it; `order` is what its column sorts by."""

    mean: str
    interval: str
    task: str
    order: float | None


@dataclass(frozen=True)
class EndView:
    """A text behind the numbers (rank, seeds, how far checked); `order` is what its column sorts by."""

    text: str
    order: float | None


@dataclass(frozen=True)
class LineView:
    """A method with its cells."""

    label: str
    method: str
    seeds: str
    complete: bool
    finished: int
    cells: list[CellView]
    ends: list[EndView]


@dataclass(frozen=True)
class PanelView:
    """What one run made of some test images: PNG files as data URIs."""

    label: str
    seed: int
    images: list[str]


@dataclass(frozen=True)
class Section:
    """One board on one track; `forest` and `budgets` are SVGs made here, with every text in them escaped."""

    anchor: str
    title: str
    suite: str
    seeds: str
    committed: bool
    columns: list[WideColumn]
    tail: list[str]
    lines: list[LineView]
    forest: str
    budgets: list[str]
    panels: list[PanelView]
    notes: list[list[str]]


def write_site(
    contents: StoreContents, boards: Iterable[Board], out: Path, store_name: str, selection: Selection = "val"
) -> Path:
    """Write `out/index.html` in one step and return its path.

    `boards` are the committed ones: those with results come first, then everything else that the
    store holds, suite by suite. Raises OSError where `out` cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only a site needs it

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = _sections(contents, list(boards), selection)
    page = environment.get_template("index.html").render(
        sections=sections,
        store=printable(store_name),
        runs=sum(record.status == "done" for record in contents.records),
        problems=[] if sections else [code_parts(note) for note in problem_notes(contents.problems)],
    )
    out.mkdir(parents=True, exist_ok=True)
    target = out / "index.html"
    write_whole(target, page)
    return target


def _sections(contents: StoreContents, committed: list[Board], selection: Selection) -> list[Section]:
    found: list[Section] = []
    shown: set[tuple[str, str]] = set()
    parts = [part for table in committed for part in table.parts]
    widest = _widest_tuned(parts, contents)
    for board in parts:
        section = _section(board, contents, selection, f"board-{len(found)}", committed=True)
        if any(line.finished for line in section.lines):
            found.append(section)
            shown |= {(board.suite, line.method) for line in section.lines}
        if widest.get(board.suite) == board:
            found.append(_section(board, contents, selection, f"board-{len(found)}", committed=True, track="tuned"))
    records = [record for record in contents.records if not record.spec.overrides and not record.spec.tuning]
    for suite in sorted({record.suite for record in records if (record.suite, record.method) not in shown}):
        board = board_of_suite(suite, [record for record in records if record.suite == suite])
        board = board.model_copy(update={"title": f"Everything stored of {suite}"})
        found.append(_section(board, contents, selection, f"board-{len(found)}", committed=False))
    searched_for = {record.suite for record in contents.records if record.spec.tuning} - widest.keys()
    for suite in sorted(searched_for):
        board = board_of_suite(suite, contents.records, "tuned")
        found.append(_section(board, contents, selection, f"board-{len(found)}", committed=False, track="tuned"))
    return found


def _widest_tuned(boards: list[Board], contents: StoreContents) -> dict[str, Board]:
    """suite -> of its boards the one with the most methods that a search was run for; the tuned track is shown once."""
    found: dict[str, Board] = {}
    counts = {id(board): len(searched(board, contents.records).methods) for board in boards}
    for board in boards:
        if counts[id(board)] > (counts[id(found[board.suite])] if board.suite in found else 0):
            found[board.suite] = board
    return found


def _section(
    board: Board,
    contents: StoreContents,
    selection: Selection,
    anchor: str,
    *,
    committed: bool,
    track: Track = "default",
) -> Section:
    table = rows(board, contents, selection, track)
    laid = wide(table)
    return Section(
        anchor=anchor,
        title=printable(table.board.title),
        suite=printable(board.suite),
        seeds=board.seeds,
        committed=committed,
        columns=laid.columns,
        tail=laid.tail,
        lines=[_line(table, laid, line) for line in laid.lines],
        forest=forest(laid, table.board),
        budgets=_budgets(board, contents) if track == "tuned" else [],
        panels=_panels(board, contents) if track == "default" else [],
        notes=[code_parts(note) for note in table.notes],
    )


def _budgets(board: Board, contents: StoreContents) -> list[str]:
    own = newest([r for r in contents.records if board.suite in (r.suite, r.spec.suite) and r.spec.tuning is not None])
    searches = [search for search in searches_of(own, board.trials) if search.method in board.methods]
    order = sorted(searches, key=lambda search: board.methods.index(search.method))
    return budgets(order, len(own[0].tasks), board.reference) if own else []


def _panels(board: Board, contents: StoreContents) -> list[PanelView]:
    """Of every method that has panels, the first few of its first seed."""
    if contents.root is None:
        return []
    store, found = Store(contents.root), []
    own = [
        record
        for record in contents.records
        if record.suite == board.suite and not record.spec.overrides and not record.spec.tuning
    ]
    for method in board.methods:
        runs = sorted((r for r in own if r.method == method), key=lambda record: record.spec.seed)
        for run in runs:
            contents_of = [path.read_bytes() for path in store.panels(run.spec)[:SHOWN_PANELS]]
            if pictures := [data for data in contents_of if data.startswith(PNG)]:
                images = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in pictures]
                found.append(PanelView(printable(board.label(method)), run.spec.seed, images))
                break
    return found


def _line(table: Table, laid: Wide, line: WideLine) -> LineView:
    cells = [_cell(column, row, line) for column, row in zip(laid.columns, line.cells, strict=True)]
    finished = max((row.seeds for row in line.cells if row), default=0)
    states = [state.replace("_", "-") for state in get_args(State)]
    orders = {
        "rank": float(line.place.split()[0]) if line.place else None,
        "worth": table.worth[line.method].order if line.method in table.worth else None,
        "seeds": finished,
        "checked": states.index(line.checked) if line.checked in states else None,
    }
    ends = [EndView(printable(text), orders[name]) for name, text in zip(laid.tail, laid.ends(line), strict=True)]
    return LineView(printable(line.label), printable(line.method), line.seeds, line.complete, finished, cells, ends)


def _cell(column: WideColumn, row: Row | None, line: WideLine) -> CellView:
    task = printable(row.task.removeprefix("worst: ")) if row and row.task.startswith("worst: ") else ""
    return CellView(column.mean(row), column.interval(row, line), task, row.mean if row else None)
