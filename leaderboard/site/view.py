"""What pages are made of: tables whose cells sort and link, and figures as data for Plotly.

Plain values without logic of boards. `grids` and `leaderboard.site.figures` fill them, the templates and `site.js`
draw them.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from leaderboard.report.escape import code_parts, printable

Trace = dict[str, Any]
# JSON inside a script element: a `</script>` in a name would end it.
_IN_PAGE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"})


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
    """A chart: what it shows in words, and traces and axes for Plotly.

    Colours are names that begin with `@`, which the page resolves to its theme's. A point with `customdata` links to
    that address.

    Attributes:
        name: unique on its page.
        title, text: the caption, which also describes the chart to screen readers.
        traces, layout: as Plotly takes them.
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

    @property
    def content(self) -> str:
        """The figure as JSON that is safe inside a page (`as_json`)."""
        content: dict[str, Any] = {
            "name": self.name,
            "data": self.traces,
            "layout": self.layout,
            "height": self.height,
        }
        if self.common:
            content["common"] = self.common
        if self.panels:
            content["panels"] = vars(self.panels)
        if self.scale:
            content["scale"] = self.scale
        return as_json(content)


def as_json(value: Any) -> str:
    """`value` as JSON for a page.

    Numbers have five significant digits, more than a chart can show; what is not finite is null, which Plotly draws as
    a gap. No character of the result is markup. Arrays become lists.
    """
    # The exact type, and the commonest first: a site has millions of numbers.
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
    """A text as JSON without markup; cached, since figures repeat names of tasks and colours thousands of times."""
    return json.dumps(value).translate(_IN_PAGE)


@cache
def _form(count: int) -> str:
    """The printf format of `count` numbers."""
    return ",".join(["%.5g"] * count)


def _row(values: Sequence[Any]) -> str:
    """A list as JSON; a list of finite floats, by far the commonest, in one formatting."""
    if set(map(type, values)) == {float}:
        text = _form(len(values)) % tuple(values)
        if "n" not in text:  # of nan and inf
            return f"[{text}]"
    return f"[{','.join(map(as_json, values))}]"


def escape_words(text: str) -> str:
    """`text` for a label of a chart; Plotly understands a few HTML tags, which are escaped."""
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
