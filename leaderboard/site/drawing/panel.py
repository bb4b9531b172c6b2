"""One chart: marks between two axes, with the labels of their ticks around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.site.drawing.marks import (
    TALL,
    WIDE,
    draw_band,
    draw_bars,
    draw_cell_texts,
    draw_cells,
    draw_error_bars,
    draw_line,
    draw_points,
    list_reached,
    write_cells,
)
from leaderboard.site.drawing.scales import ROOM, Scale, make_scale
from leaderboard.site.drawing.words import make_label, measure_label
from leaderboard.site.view import Trace

TITLE, TICKS, AXIS_TITLE = 22, 20, 20  # pixels: above a panel; below for labels of ticks; for the title of the axis
LEFT, RIGHT = 40, 18  # pixels beside a chart, the least
STEEP = 0.78  # of a label's width, how far down it reaches where it is turned by 45 degrees or a little more
ROW = 13  # pixels from one turned label to the next, the least
MOST_CELLS = 2_500  # of a map of which each cell can be pointed at: more would weigh more than the page
NARROW = 460  # pixels that a chart has at least on a wide window


@dataclass(frozen=True)
class Frame:
    """The measures of a panel in pixels; 0 for `width` lets it fill what there is."""

    height: int
    width: int = 0
    left: int = 0
    least: int = 0


@dataclass(frozen=True)
class Margins:
    """Pixels for labels at the left and below; whether those below are left out, and whether they are turned."""

    left: int
    below: int
    hidden: bool
    steep: bool


def draw_panel(
    traces: Sequence[tuple[int, Trace]],
    axes: tuple[Mapping[str, Any], Mapping[str, Any]],
    frame: Frame,
    title: str = "",
    layout: Mapping[str, Any] | None = None,
    root: str = "",
) -> str:
    """A chart as an SVG element.

    Args:
        traces: each with the number of its entry in the legend, -1 without one.
        axes: those of x and y, with Plotly's names.
        frame: its measures.
        title: above it; empty for none.
        layout: of the figure, for lines across the chart and the gap between bars.
        root: the relative way to the site's root, for links.
    """
    layout = layout or {}
    plain = [trace for _, trace in traces]
    marked = any("markers" in trace.get("mode", "") or "error_y" in trace for trace in plain)
    bars = any(trace.get("type") == "bar" for trace in plain)
    x = make_scale(axes[0], [v for t in plain for v in list_reached(t, "x")], room=ROOM if marked else 0.0)
    y = make_scale(axes[1], [v for t in plain for v in list_reached(t, "y")], room=ROOM)
    margins = _measure_margins(x, y, frame)
    left, below, top = margins.left, margins.below, TITLE if title else 6
    parts = [_draw_titles(x, y, frame.height, margins, title), _draw_ticks(x, y, frame.height, margins)]
    parts.append(_draw_marks(traces, x, y, frame.height, layout, root, grid=not bars))
    width = f"width:{frame.width}px;flex:none" if frame.width else f"flex-basis:{frame.least}px"
    style = f"{width};height:{frame.height + top + below}px;padding:{top}px {RIGHT}px {below}px {left}px"
    return f'<svg class="panel" style="{style}"{_describe_axes(x, y, plain)}>{"".join(parts)}</svg>'


def _measure_margins(x: Scale, y: Scale, frame: Frame) -> Margins:
    """The room that labels need; names below that would overlap are turned, and left out where that is not enough."""
    widest = max((measure_label(text) for _, text in y.ticks), default=0.0)
    left = max(frame.left, round(widest) + 12 + (AXIS_TITLE if y.title else 0), 0 if y.kind == "category" else LEFT)
    longest = max((measure_label(text) for _, text in x.ticks), default=0.0)
    each = (frame.width - frame.left - RIGHT if frame.width else NARROW) / max(1, len(x.ticks))
    steep = x.turned or (x.kind == "category" and longest > each)
    hidden = not x.ticks or (steep and each < ROW)
    labels = 0 if hidden else round(STEEP * longest) + 14 if steep else TICKS
    return Margins(left, labels + (AXIS_TITLE if x.title else 4), hidden, steep)


def _draw_titles(x: Scale, y: Scale, height: int, margins: Margins, title: str) -> str:
    """The titles of the chart and of its axes."""
    parts = []
    if title:
        parts.append(f'<text class="name" y="-8">{make_label(title)}</text>')
    if x.title:
        parts.append(f'<text class="mid" x="50%" y="{height + margins.below - 5}">{make_label(x.title)}</text>')
    if y.title:
        middle = height // 2
        place = f'transform="translate({12 - margins.left} {middle}) rotate(-90)"'
        parts.append(f'<text class="mid" {place}>{make_label(y.title)}</text>')
    return "".join(parts)


def _draw_ticks(x: Scale, y: Scale, height: int, margins: Margins) -> str:
    """The labels of ticks, those below the chart and those beside it."""
    parts = []
    if not margins.hidden:
        steep = margins.steep
        kind = "steep" if steep else "mid"
        texts = "".join(
            f'<text x="{100 * at:.2f}%" y="{height + (12 if steep else 16)}">{make_label(text)}</text>'
            for at, text in x.ticks
        )
        parts.append(f'<g class="tk {kind}">{texts}</g>')
    if y.ticks:
        texts = "".join(
            f'<text x="-7" y="{height * (1 - at) + 4:.1f}">{make_label(text)}</text>' for at, text in y.ticks
        )
        parts.append(f'<g class="tk end">{texts}</g>')
    return "".join(parts)


def _draw_marks(
    traces: Sequence[tuple[int, Trace]],
    x: Scale,
    y: Scale,
    height: int,
    layout: Mapping[str, Any],
    root: str,
    *,
    grid: bool,
) -> str:
    """What is stretched with the chart, in a box of its own, and above it what is not."""
    stretched = [_draw_grid(x, y, height) if grid else ""]
    plain: list[str] = []
    below: Trace = {}
    for entry, trace in traces:
        kind = trace.get("type", "scatter")
        key = f' data-k="{entry}"' if entry >= 0 else ""
        if kind == "heatmap":
            stretched.append(f'<g class="heat">{draw_cells(trace, x, y, height)}</g>')
            texts = "".join(draw_cell_texts(trace, x, y, height))
            plain.append(f'<g class="mid">{texts}</g>' if texts else "")
        elif kind == "bar":
            plain += draw_bars(trace, x, y, height, layout.get("bargap", 0.2))
        else:
            band = draw_band(below, trace, x, y, height) if trace.get("fill") == "tonexty" else ""
            lines = band + draw_error_bars(trace, x, y, height) + draw_line(trace, x, y, height)
            points = "".join(draw_points(trace, x, y, height, root))
            stretched.append(f"<g{key}>{lines}</g>" if lines else "")
            plain.append(f"<g{key}>{points}</g>" if points else "")
        below = trace
    for shape in layout.get("shapes", ()):
        at = x.place(shape["x0"])
        plain.append(f'<line class="at" x1="{100 * (at or 0):.2f}%" x2="{100 * (at or 0):.2f}%" y2="{height}"/>')
    box = f'viewBox="0 0 {WIDE} {TALL * height}" preserveAspectRatio="none"'
    return f"<svg {box}>{''.join(stretched)}</svg>{''.join(plain)}"


def _draw_grid(x: Scale, y: Scale, height: int) -> str:
    """Lines at the ticks of numbers, and a stronger one at zero."""
    tall = TALL * height
    across = "".join(f"M0 {round(tall * (1 - at))}h{WIDE}" for at, _ in y.ticks if y.kind != "category")
    down = "".join(f"M{round(WIDE * at)} 0v{tall}" for at, _ in x.ticks if x.kind != "category" and x.grid)
    zero = x.place(0.0) if x.kind == "linear" else None
    strong = f'<path class="zero" d="M{round(WIDE * zero)} 0v{tall}"/>' if zero is not None and 0 < zero < 1 else ""
    return f'<path class="mesh" d="{across}{down}"/>{strong}' if across or down else ""


def _describe_axes(x: Scale, y: Scale, traces: Sequence[Trace]) -> str:
    """What the page's script needs to say what is pointed at: the ends of the axes, or the texts of all cells."""
    maps = [trace for trace in traces if trace.get("type") == "heatmap"]
    if maps:
        [trace, *_] = maps
        if "texttemplate" in trace and trace["texttemplate"] != "%{text}":
            return ""  # all cells are labelled with their numbers
        if len(trace["x"]) * len(trace["y"]) > MOST_CELLS:
            return ""
        # Rows from the top, as they are seen.
        seen = sorted(
            zip(trace["y"], write_cells(trace, _cell_template(trace)), strict=True),
            key=lambda row: -(y.place(row[0]) or 0),
        )
        rows = "\t".join(make_label(str(name)) for name, _ in seen)
        columns = "\t".join(make_label(str(name)) for name in trace["x"])
        values = "\n".join("\t".join(map(make_label, row)) for _, row in seen)
        return f' data-rows="{rows}" data-columns="{columns}" data-cells="{values}"'
    lines = any("lines" in trace.get("mode", "") for trace in traces)
    if not lines or "category" in (x.kind, y.kind):
        return ""
    return f' data-x="{x.low:.6g} {x.high:.6g} {x.kind}" data-y="{y.low:.6g} {y.high:.6g} {y.kind}"'


def _cell_template(trace: Trace) -> str:
    """The template of a cell's number: that of the text over the map where there is one."""
    return "%{text}" if trace.get("text") is not None else "%{z:.3g}"
