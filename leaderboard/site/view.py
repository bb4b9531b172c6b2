"""What the pages are made of: tables whose cells can sort and link, and figures as data for the charts library."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from leaderboard.report.escape import code_parts, printable

Trace = dict[str, Any]
_IN_PAGE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"})


@dataclass(frozen=True)
class Bar:
    """A mean with its interval, as percentages of a cell's width; `zero` is where nothing changes."""

    low: float
    mean: float
    high: float
    zero: float
    kind: str


@dataclass(frozen=True)
class GridHead:
    """A column's header: two lines, what is in it (`text`, `number`, `change`), and which end is best.

    `choose` makes the column one that the table can be narrowed by; one `aside` is there for that, for the search and
    for the export, and not seen. `called` is its name in an export, that of both lines where there is none; `small`
    names a further column there, of the smaller texts of its cells, which are left out where it is empty.
    """

    top: str
    bottom: str = ""
    kind: str = "text"
    best: str = ""
    choose: bool = False
    aside: bool = False
    called: str = ""
    small: str = ""

    @property
    def export_name(self) -> str:
        """Its name in an export."""
        return self.called or f"{self.top} {self.bottom}".strip()


@dataclass(frozen=True)
class GridCell:
    """A text with a smaller one below; `order` is what its column sorts by, `href` where it leads.

    `ties` says for each tie group of the table whether the line is in it, `badge` that the text is a state.
    """

    text: str
    small: str = ""
    order: float | str | None = None
    href: str = ""
    bar: Bar | None = None
    code: bool = False
    ties: Sequence[bool] = ()
    badge: bool = False

    @property
    def key(self) -> str:
        """`order` as the attribute that the table sorts by; a missing number is an empty text."""
        return "" if self.order is None else str(self.order)


@dataclass(frozen=True)
class GridRow:
    """A row of a grid; faint where it is incomplete."""

    cells: list[GridCell]
    faint: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: a name unique on its page, a caption, columns, rows, and files with the same content.

    `first` rows are shown until somebody asks for all; 0 shows all. `file` is what an export is called, as the table
    where there is nothing.
    """

    name: str
    caption: str
    heads: list[GridHead]
    lines: list[GridRow]
    files: list[tuple[str, str]] = field(default_factory=list)
    first: int = 0
    file: str = ""


@dataclass(frozen=True)
class Panels:
    """Small charts of one figure, laid out by the page as its width allows: one for each title.

    A panel is at least `least` pixels wide and its plot `high` ones, with `left` and `below` for labels; a fluid one
    takes what is there. A trace says with `panel` where it belongs; the layout's `xaxis` and `yaxis` hold for all.
    """

    titles: list[str]
    least: int
    high: int
    left: int = 46
    below: int = 26
    fluid: bool = True


@dataclass(frozen=True)
class Figure:
    """A chart: what it shows in words, and traces and axes for Plotly.

    Colours are names that begin with `@`, which the page resolves to those of its theme. Numbers are rounded to five
    significant digits, and a number that is not finite becomes a gap. `common` holds for every trace that does not say
    otherwise; `scale` are the ends of a heat map's colours, as texts; a point with `customdata` leads to that address.
    """

    name: str
    title: str
    text: str
    traces: list[Trace]
    layout: Trace
    height: int = 320
    wide: bool = False
    panels: Panels | None = None
    common: Trace = field(default_factory=dict)
    scale: tuple[str, str] | None = None

    @property
    def content(self) -> str:
        """What the page embeds, as JSON that is no markup."""
        found: dict[str, Any] = {
            "name": self.name,
            "data": self.traces,
            "layout": self.layout,
            "height": self.height,
        }
        if self.common:
            found["common"] = self.common
        if self.panels:
            found["panels"] = vars(self.panels)
        if self.scale:
            found["scale"] = self.scale
        return as_json(found)


def as_json(value: Any) -> str:
    """`value` as JSON for a page: numbers of five digits, null for what is not finite, no character of markup."""
    kind = type(value)
    if kind is str:
        return _text(value)
    if kind is float:
        return f"{value:.5g}" if math.isfinite(value) else "null"
    if kind is int:
        return repr(value)
    if value is None:
        return "null"
    if kind is dict:
        return f"{{{','.join([f'{_text(key)}:{as_json(item)}' for key, item in value.items()])}}}"
    if kind is list or kind is tuple:
        return _row(value)
    if hasattr(value, "tolist"):  # an array, or a number out of one
        return as_json(value.tolist())
    if isinstance(value, Mapping):
        return as_json(dict(value))
    return json.dumps(value)


@lru_cache(maxsize=20_000)
def _text(value: str) -> str:
    """A text, of which figures have the same few thousands of times: names of settings, of colours, of tasks."""
    return json.dumps(value).translate(_IN_PAGE)


@cache
def _form(count: int) -> str:
    """The format of so many numbers."""
    return ",".join(["%.5g"] * count)


def _row(values: Sequence[Any]) -> str:
    """A list; the commonest one, of finite numbers, in one go."""
    if set(map(type, values)) == {float}:
        text = _form(len(values)) % tuple(values)
        if "n" not in text:  # of nan and inf
            return f"[{text}]"
    return f"[{','.join(map(as_json, values))}]"


def escape_words(text: str) -> str:
    """`text` for a chart, whose labels understand a little markup: nothing in it is any."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shorten_label(text: str, most: int = 34) -> str:
    """`text` for an axis, cut in the middle where it is long."""
    text = printable(text)
    if len(text) > most:
        text = f"{text[: most // 2 - 1]}…{text[-(most - most // 2) :]}"
    return escape_words(text)


def split_notes(sentences: Sequence[str]) -> list[list[str]]:
    """Sentences split at their backticks, so that every second part is code."""
    return [code_parts(sentence) for sentence in sentences]
