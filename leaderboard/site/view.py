"""What the pages are made of: tables whose cells can sort and link, and figures as data for the charts library."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leaderboard.render import code_parts, printable

Trace = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """A mean with its interval, as percentages of a cell's width; `zero` is where nothing changes."""

    low: float
    mean: float
    high: float
    zero: float
    kind: str


@dataclass(frozen=True)
class Head:
    """A column's header: two lines, what is in it (`text`, `number`, `change`), and which end is best.

    `choose` makes the column one that the table can be narrowed by.
    """

    top: str
    bottom: str = ""
    kind: str = "text"
    best: str = ""
    choose: bool = False


@dataclass(frozen=True)
class Cell:
    """A text with a smaller one below; `order` is what its column sorts by, `href` where it leads."""

    text: str
    small: str = ""
    order: float | str | None = None
    href: str = ""
    bar: Bar | None = None
    code: bool = False

    @property
    def key(self) -> str:
        """`order` as the attribute that the table sorts by; a missing number is an empty text."""
        return "" if self.order is None else str(self.order)


@dataclass(frozen=True)
class Line:
    """A row of a grid; faint where it is incomplete."""

    cells: list[Cell]
    faint: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: a name unique on its page, a caption, columns, rows, and files with the same content."""

    name: str
    caption: str
    heads: list[Head]
    lines: list[Line]
    files: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """A chart: what it shows in words, and traces and axes for Plotly.

    Colours are names that begin with `@`, which the page resolves to those of its theme. Numbers are rounded to five
    significant digits, and a number that is not finite becomes a gap.
    """

    name: str
    title: str
    text: str
    traces: list[Trace]
    layout: Trace
    height: int = 320
    wide: bool = False

    @property
    def content(self) -> dict[str, Any]:
        """What the page embeds."""
        return {"name": self.name, "data": plain(self.traces), "layout": plain(self.layout), "height": self.height}


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numbers rounded, gaps for what is not finite, names that are no markup."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return [plain(item) for item in value]


def words(text: str) -> str:
    """`text` for a chart, whose labels understand a little markup: nothing in it is any."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def short(text: str, most: int = 34) -> str:
    """`text` for an axis, cut in the middle where it is long."""
    text = printable(text)
    if len(text) > most:
        text = f"{text[: most // 2 - 1]}…{text[-(most - most // 2) :]}"
    return words(text)


def notes(sentences: Sequence[str]) -> list[list[str]]:
    """Sentences split at their backticks, so that every second part is code."""
    return [code_parts(sentence) for sentence in sentences]
