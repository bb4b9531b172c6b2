"""What lies inside the axes of a chart: lines, bands, error bars, points, bars and heat maps.

Lines and cells are drawn in a box of WIDE units across, which the browser stretches to the chart's width, and TALL
units for a pixel down; points and texts lie at per cent of the width, so that they are not stretched with it.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from leaderboard.site.drawing.scales import Scale
from leaderboard.site.drawing.words import fill_template, make_label
from leaderboard.site.view import Trace

WIDE, TALL = 1000, 10
MISSING = -1_000  # the level of a cell without a value
LEVELS = 20  # of colour in a heat map, on either side of its middle
DASHES = {"dot": "2 3", "dash": "6 4"}
_NO_HOVER = "skip"


def list_values(trace: Trace, axis: str) -> list[Any]:
    """The values of a trace along `x` or `y`; where it has none along x, they count from `x0`."""
    if axis in trace:
        values = trace[axis]
        return list(values.tolist() if hasattr(values, "tolist") else values)
    first = trace.get("x0", 0)
    return [first + number for number in range(len(trace["y"]))]


def list_reached(trace: Trace, axis: str) -> list[Any]:
    """The values of a trace along an axis, and the ends of its error bars."""
    values = list_values(trace, axis)
    bars = trace.get(f"error_{axis}")
    if not bars:
        return values
    known = [(value, *ends) for value, *ends in zip(values, bars["arrayminus"], bars["array"], strict=True)]
    return [each for value, less, more in known for each in (value, value - less, value + more)]


def colour_of(name: str) -> tuple[str, str]:
    """A colour's class in the style sheet, and its opacity or nothing, from `@c1` or `@c1:0.2`."""
    plain, _, share = name.removeprefix("@").partition(":")
    return plain, share


def draw_line(trace: Trace, x: Scale, y: Scale, height: int) -> str:
    """A line, with gaps where a value is missing; nothing for one without width."""
    style = trace.get("line", {})
    if "lines" not in trace.get("mode", "lines") or not style.get("width", 2):
        return ""
    points = _place(list_values(trace, "x"), list_values(trace, "y"), x, y, height)
    path = _write_path(points, stairs=style.get("shape") == "hv")
    colour, _ = colour_of(style.get("color", "@c0"))
    dash = f' stroke-dasharray="{DASHES[style["dash"]]}"' if style.get("dash") in DASHES else ""
    thin = "" if style.get("width", 2) == 2 else f' stroke-width="{style["width"]:g}"'
    still = " still" if trace.get("hoverinfo") == _NO_HOVER else ""
    return f'<path class="ln {colour}{still}" d="{path}"{dash}{thin}/>'


def draw_band(below: Trace, above: Trace, x: Scale, y: Scale, height: int) -> str:
    """The room between two lines."""
    low = _place(list_values(below, "x"), list_values(below, "y"), x, y, height)
    high = _place(list_values(above, "x"), list_values(above, "y"), x, y, height)
    path = _write_path(np.concatenate([low, high[::-1]]))
    colour, share = colour_of(above["fillcolor"])
    return f'<path class="bd {colour}" fill-opacity="{share}" d="{path}z"/>'


def draw_error_bars(trace: Trace, x: Scale, y: Scale, height: int) -> str:
    """Intervals as bars, of all points of a trace in one path."""
    parts, colour, thick = [], "", 2.0
    xs, ys = list_values(trace, "x"), list_values(trace, "y")
    for axis in ("x", "y"):
        bars = trace.get(f"error_{axis}")
        if not bars:
            continue
        colour, thick = colour_of(bars["color"])[0], bars["thickness"]
        for one, other, less, more in zip(xs, ys, bars["arrayminus"], bars["array"], strict=True):
            if less or more:
                ends = (
                    ([one - less, one + more], [other] * 2)
                    if axis == "x"
                    else ([one] * 2, [other - less, other + more])
                )
                parts.append(_write_path(_place(*ends, x, y, height)))
    return f'<path class="ln {colour} still" stroke-width="{thick:g}" d="{"".join(parts)}"/>' if parts else ""


def draw_points(trace: Trace, x: Scale, y: Scale, height: int, root: str) -> Iterator[str]:
    """Points, each with the words that are shown where it is pointed at, and a link where it has one."""
    if "markers" not in trace.get("mode", "lines"):
        return
    marker = trace.get("marker", {})
    colour, _ = colour_of(marker.get("color") or trace.get("line", {}).get("color", "@c0"))
    xs, ys = list_values(trace, "x"), list_values(trace, "y")
    sizes = marker.get("size", 8)
    sizes = sizes if isinstance(sizes, Sequence) else [sizes] * len(xs)
    kind = f"{colour} open" if marker.get("symbol") == "circle-open" else colour
    for at, (one, other) in enumerate(zip(xs, ys, strict=True)):
        left, up = x.place(one), y.place(other)
        if left is None or up is None:
            continue
        text = make_label(_describe(trace, at, one, other))
        title = f"<title>{text}</title>" if text else ""
        place = f'cx="{100 * left:.2f}%" cy="{height * (1 - up):.1f}" r="{sizes[at] / 2:g}"'
        href = trace["customdata"][at] if "customdata" in trace else ""
        if href:
            # A table has the same links; by keyboard nobody should walk through both.
            yield f'<a href="{make_label(root + href)}" tabindex="-1">{title}<circle class="{kind}" {place}/></a>'
        else:
            yield f'<circle class="{kind}" {place}>{title}</circle>'


def draw_bars(trace: Trace, x: Scale, y: Scale, height: int, gap: float) -> Iterator[str]:
    """Horizontal bars from zero."""
    colour, _ = colour_of(trace["marker"]["color"])
    zero = x.place(0.0) or 0.0
    step = height / max(1, len(y.places))
    for at, (value, name) in enumerate(zip(list_values(trace, "x"), list_values(trace, "y"), strict=True)):
        end, up = x.place(value), y.place(name)
        if end is not None and up is not None:
            top = height * (1 - up) - step * (1 - gap) / 2
            title = make_label(_describe(trace, at, value, name))
            yield (
                f'<rect class="{colour}" x="{100 * zero:.2f}%" y="{top:.1f}" width="{100 * (end - zero):.2f}%" '
                f'height="{step * (1 - gap):.1f}"><title>{title}</title></rect>'
            )


def draw_cells(trace: Trace, x: Scale, y: Scale, height: int) -> str:
    """A heat map, whose colours run from orange over the middle to blue: a path of strokes for each of its levels.

    A cell's share of its colour is in LEVELS steps between the middle of `zmin` and `zmax` and its end. Rows are one
    unit high and columns one wide, so that a run of equal cells is a stroke of whole numbers; the box is stretched.
    """
    low, high = trace["zmin"], trace["zmax"]
    middle, reach = (low + high) / 2, (high - low) / 2 or 1.0
    rows, columns = _places_of(trace, x, y)
    of_level: dict[int, list[str]] = {}
    order = sorted(range(len(rows)), key=lambda number: rows[number])  # from the top
    z = np.array(trace["z"], dtype=float)[order]
    known = np.isfinite(z)
    shares = np.where(known, np.clip((z - middle) / reach, -1.0, 1.0), 0.0)
    levels = np.where(known, np.rint(LEVELS * shares), MISSING).astype(int)
    for at, row in enumerate(levels.tolist()):
        start = 0
        for level, own in groupby(row):
            count = len(list(own))
            if level != MISSING:
                of_level.setdefault(level, []).append(f"M{start} {at}h{count}")
            start += count
    paths = [
        f'<path class="hm {"better" if level > 0 else "worse" if level else "middle"}"'
        f'{_write_opacity(level)} d="{"".join(own)}"/>'
        for level, own in sorted(of_level.items())
    ]
    across, down = WIDE / len(columns), TALL * height / len(rows)
    gaps = ""
    if trace.get("xgap"):
        lines = "".join(f"M{number} -.5v{len(rows)}" for number in range(1, len(columns)))
        lines += "".join(f"M0 {number - 0.5:g}h{len(columns)}" for number in range(1, len(rows)))
        gaps = f'<path class="gap" stroke-width="{trace["xgap"]}" d="{lines}"/>'
    # Under the colours lies the middle of the scale, which those of low levels let through.
    whole = "".join(f"M0 {number}h{len(columns)}" for number in range(len(rows)))
    below = whole if known.all() else "".join(map("".join, of_level.values()))
    return (
        f'<g transform="scale({across:.4f} {down:.4f}) translate(0 .5)">'
        f'<path class="hm middle" d="{below}"/>{"".join(paths)}{gaps}</g>'
    )


def draw_cell_texts(trace: Trace, x: Scale, y: Scale, height: int) -> Iterator[str]:
    """The texts in the cells of a heat map, where it has any."""
    template = trace.get("texttemplate")
    if template:
        rows, columns = _places_of(trace, x, y)
        for (top, bottom), texts in zip(rows, write_cells(trace, template), strict=True):
            for (left, right), text in zip(columns, texts, strict=True):
                if text:
                    place = f'x="{50 * (left + right):.2f}%" y="{height * (top + bottom) / 2 + 4:.1f}"'
                    yield f"<text {place}>{make_label(text)}</text>"


def write_cells(trace: Trace, template: str) -> list[list[str]]:
    """The text of every cell of a heat map by a template, row by row; empty where a cell is missing."""
    z = np.array(trace["z"], dtype=float)
    known = np.isfinite(z).tolist()
    number = re.fullmatch(r"%\{z:([^}]*)\}", template)
    if number:
        written = [[format(value, number[1]) for value in row] for row in z.tolist()]
    else:
        written = [[fill_template(template, {"text": text}) for text in row] for row in trace["text"]]
    return [
        [text if there else "" for text, there in zip(texts, marks, strict=True)]
        for texts, marks in zip(written, known, strict=True)
    ]


def _write_opacity(level: int) -> str:
    """The attribute of a level's opacity; the middle needs none."""
    return f' stroke-opacity="{abs(level) / LEVELS:g}"' if level else ""


def _describe(trace: Trace, at: int, x: Any, y: Any) -> str:
    """What is shown where a point is pointed at."""
    template = trace.get("hovertemplate", "")
    text = trace["text"][at] if "text" in trace else ""
    words = fill_template(template, {"x": x, "y": y, "text": text})
    # A legend may have scrolled away.
    return f"{trace['name']}\n{words}" if trace.get("name") and "text" not in trace and words else words


def _place(xs: Sequence[Any], ys: Sequence[Any], x: Scale, y: Scale, height: int) -> np.ndarray:
    """Points in units of the stretched box, [point, 2]; NaN where a value is missing."""
    left, up = x.place_all(xs), y.place_all(ys)
    return np.stack([WIDE * left, TALL * height * (1 - up)], axis=1).round()


def _write_path(points: np.ndarray, *, stairs: bool = False) -> str:
    """A path through points, as steps from one to the next, which are short numbers; a gap where one is missing."""
    known = np.isfinite(points).all(axis=1)
    if known.all():
        return _write_steps(points, stairs=stairs)
    parts = np.split(np.arange(len(points)), np.flatnonzero(np.diff(known)) + 1)
    return "".join(_write_steps(points[part], stairs=stairs) for part in parts if len(part) and known[part[0]])


def _write_steps(points: np.ndarray, *, stairs: bool) -> str:
    """A path through points of which none is missing."""
    if not len(points):
        return ""
    steps = np.diff(points, axis=0, prepend=0.0).ravel().astype(int).tolist()
    return ("M%d %d" + ("h%dv%d" if stairs else "l%d %d") * (len(points) - 1)) % tuple(steps)


def _places_of(trace: Trace, x: Scale, y: Scale) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """The ends of rows, from the top, and of columns of a heat map, as shares of its height and width."""
    rows = []
    for name in list_values(trace, "y"):
        at = y.places[name]
        ends = [1 - (edge - y.low) / (y.high - y.low) for edge in (at - 0.5, at + 0.5)]
        rows.append((min(ends), max(ends)))
    columns = [
        ((x.places[name] - 0.5 - x.low) / (x.high - x.low), (x.places[name] + 0.5 - x.low) / (x.high - x.low))
        for name in list_values(trace, "x")
    ]
    return rows, columns


def _rows(values: Any) -> list[list[float]]:
    """A matrix as lists."""
    return list(values.tolist() if hasattr(values, "tolist") else values)
