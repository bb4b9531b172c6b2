"""A figure of one or several panels with its legend, as HTML around SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.site.drawing.marks import DASHES, colour_of
from leaderboard.site.drawing.panel import Frame, draw_panel
from leaderboard.site.drawing.words import make_label
from leaderboard.site.view import Figure, Trace

FURNITURE = 80  # pixels of a figure's height that are not its plot


def draw_chart(figure: Figure, root: str = "") -> str:
    """Draw a figure: its legend, and below it a panel or several, as many across as the window allows.

    Args:
        figure: what is drawn; its texts are escaped or harmless.
        root: the relative way from the page to the site's root, for the links of points.
    """
    traces: list[Trace] = [{**figure.common, **trace} for trace in figure.traces]
    entries = _list_entries(traces)
    numbered = [(entries.get(trace.get("name", ""), -1), trace) for trace in traces]
    legend = _draw_legend(traces, entries) if len(entries) > 1 else ""
    panels = "".join(_draw_panels(figure, numbered, root))
    label = make_label(f"{figure.title}, a chart")
    return f'{legend}{_draw_scale(figure)}<div class="panels" role="group" aria-label="{label}">{panels}</div>'


def _draw_panels(figure: Figure, traces: Sequence[tuple[int, Trace]], root: str) -> list[str]:
    """The panels of a figure; a figure without panels is one."""
    layout, panels = figure.layout, figure.panels
    if panels is None:
        frame = Frame(max(60, figure.height - FURNITURE), least=240)
        axes = layout.get("xaxis", {}), layout.get("yaxis", {})
        return [draw_panel(traces, axes, frame, layout=layout, root=root)]
    drawn = []
    for number, title in enumerate(panels.titles):
        own = [(entry, trace) for entry, trace in traces if trace.get("panel") == number]
        width = 0 if panels.fluid else panels.least
        frame = Frame(panels.high, width, panels.left, panels.least)
        axes = _axis_of(layout, "xaxis", number), _axis_of(layout, "yaxis", number)
        drawn.append(draw_panel(own, axes, frame, title, layout, root))
    return drawn


def _axis_of(layout: Mapping[str, Any], name: str, number: int) -> Mapping[str, Any]:
    """The axis of a panel: what holds for all, and what is said of its own."""
    return {**layout.get(name, {}), **layout.get(f"{name}{number + 1}", {})}


def _list_entries(traces: Sequence[Trace]) -> dict[str, int]:
    """The names of a legend, numbered: of each trace that is named and does not hide from it."""
    named = [t["name"] for t in traces if t.get("name") and t.get("showlegend", True) and t.get("type") == "scatter"]
    return {name: number for number, name in enumerate(dict.fromkeys(named))}


def _draw_legend(traces: Sequence[Trace], entries: Mapping[str, int]) -> str:
    """The entries of a legend; the page's script makes buttons of them."""
    shown: dict[str, Trace] = {}
    for trace in traces:
        if trace.get("name") in entries and trace.get("showlegend", True):
            shown.setdefault(trace["name"], trace)
    items = (
        f'<span data-k="{entries[name]}"><i class="{_swatch_of(trace)}"></i>{make_label(name)}</span>'
        for name, trace in shown.items()
    )
    return f'<p class="keys">{"".join(items)}</p>'


def _swatch_of(trace: Trace) -> str:
    """The classes of a legend's sign: a line, dotted or dashed, or a point, open or filled."""
    mode, line, marker = trace.get("mode", "lines"), trace.get("line", {}), trace.get("marker", {})
    colour, _ = colour_of(line.get("color") or marker.get("color") or "@c0")
    if "lines" in mode:
        return f"{colour} {line['dash']}" if line.get("dash") in DASHES else colour
    return f"{colour} point{' open' if marker.get('symbol') == 'circle-open' else ''}"


def _draw_scale(figure: Figure) -> str:
    """The ends of a heat map's colours, and the ramp between them."""
    if not figure.scale:
        return ""
    low, high = map(make_label, figure.scale)
    return f'<p class="keys">{low}<i class="ramp"></i>{high}</p>'
