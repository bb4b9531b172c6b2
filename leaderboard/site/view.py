"""What pages are made of: tables whose cells sort and link, and figures as data.

Plain values without logic of boards. `grids` and `leaderboard.site.figures` fill them, the templates and
`leaderboard.site.drawing` draw them.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from leaderboard.report.escape import code_parts, printable

Trace = dict[str, Any]
_NUMBER = re.compile(r"[+-]?\d+(?:\.(\d+))?(?![\d,])")  # as the page's script reads the beginning of a text


@dataclass(frozen=True)
class Bar:
    """A mean with its interval, as percentages of a cell's width.

    `zero` is where nothing changes; `kind` is `better`, `worse` or `unclear`, and decides the colour.
    """

    low: float
    mean: float
    high: float
    zero: float
    kind: str


@dataclass(frozen=True)
class GridHead:
    """A column's header in two lines.

    Attributes:
        top, bottom: its lines.
        kind: the style of its cells: `text`, `number`, `change`, `end`, or `drawn` for bars, which are not exported.
        best: `high` or `low`, the end that is sorted first; empty where the column sorts as text.
        choose: whether the table can be narrowed by one of its values.
        aside: hidden, and there for narrowing, search and export.
        called: its name in an export; both lines where it is empty.
        small: the name in an export of the smaller texts of its cells; they are left out where it is empty.
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
        """The column's name in an exported file."""
        return self.called or f"{self.top} {self.bottom}".strip()


@dataclass(frozen=True)
class GridCell:
    """A text with a smaller one below.

    Attributes:
        text, small: the two lines.
        order: what the column sorts by; None is a missing number, which sorts last.
        href: where the text links, relative to the site's root.
        bar: drawn in place of the text.
        code: whether the text is set as code.
        side: of a verdict, `better`, `worse` or `unclear`: its colour.
        badge: whether the text is a state of verification.
    """

    text: str
    small: str = ""
    order: float | str | None = None
    href: str = ""
    bar: Bar | None = None
    code: bool = False
    side: str = ""
    badge: bool = False

    @property
    def key(self) -> str:
        """`order` as an HTML attribute; empty for a missing number."""
        return "" if self.order is None else f"{self.order:.6g}" if isinstance(self.order, float) else self.order

    def needs_key(self, head: GridHead) -> bool:
        """Whether a column sorts the cell by something else than by its text.

        A number that is shown rounded is sorted as it is shown: rows that look alike keep their order.
        """
        if self.order is None:
            return bool(head.best) and _NUMBER.match(self.text) is not None
        if isinstance(self.order, str):
            return self.order != self.text
        shown = _NUMBER.match(self.text)
        if shown is None:
            return True
        unit = 10.0 ** -len(shown[1] or "")
        return abs(float(shown[0]) - self.order) > 0.51 * unit


@dataclass(frozen=True)
class GridRow:
    """A row of a grid; `faint` dims it, as incomplete methods and failed runs are, `best` shades what could be best."""

    cells: list[GridCell]
    faint: bool = False
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """A table of a page.

    Attributes:
        name: unique on its page.
        caption: for screen readers.
        heads, lines: its columns and rows.
        files: (kind, address) of downloads with the same content at full precision.
        first: rows shown until somebody asks for all; 0 shows all.
        file: the name of an export; `name` where it is empty.
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
    """Small charts of one figure, as many across as the page's width allows.

    Traces name their panel by `panel`, an index of `titles`; the layout's `xaxis` and `yaxis` hold for all panels.

    Attributes:
        titles: one per panel.
        least: the least width of a panel, in pixels.
        high: the height of a plot, in pixels.
        left, below: space for labels, in pixels.
        fluid: whether panels grow to fill the page; else `least` is their width.
    """

    titles: list[str]
    least: int
    high: int
    left: int = 46
    below: int = 26
    fluid: bool = True


@dataclass(frozen=True)
class Figure:
    """A chart: what it shows in words, and traces and axes with the keys that Plotly has for them.

    Colours are names that begin with `@`, which the page resolves to its theme's. A point with `customdata` links to
    that address.

    Attributes:
        name: unique on its page.
        title, text: the caption, which also describes the chart to screen readers.
        traces, layout: lines, points and maps, and their axes.
        height: in pixels, without panels.
        wide: whether it takes the full width of the page.
        panels: the small charts that it is split into, if any.
        common: what holds for every trace that does not say otherwise.
        scale: texts at the ends of a heat map's colours.
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


def escape_words(text: str) -> str:
    """`text` for a label of a chart, without markup."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shorten_label(text: str, most: int = 34) -> str:
    """`text` for an axis, at most `most` characters long: cut in the middle, since names differ at both ends."""
    text = printable(text)
    if len(text) > most:
        text = f"{text[: most // 2 - 1]}…{text[-(most - most // 2) :]}"
    # Escape after the cut, which could else leave half of an entity.
    return escape_words(text)


def split_notes(sentences: Sequence[str]) -> list[list[str]]:
    """Split each sentence at its backticks, so that every second part is code."""
    return [code_parts(sentence) for sentence in sentences]


def as_json(value: Any) -> str:
    """`value` as JSON for a page or a script; no character of it is markup. ValueError where a number is not finite."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
