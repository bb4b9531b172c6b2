"""A forest plot as inline SVG: paired differences from the reference, with their intervals.

Horizontal positions are percentages and vertical ones pixels, so that the plot fills any width while
its text keeps its size.
"""

import math
from collections.abc import Callable
from html import escape

from leaderboard.board import Board
from leaderboard.render import printable
from leaderboard.table import Row
from leaderboard.wide import Wide, WideLine

LINE = 44  # pixels from one method to the next
LEFT, RIGHT = 2.0, 98.0  # percent of the width between which numbers are drawn


def forest(laid: Wide, board: Board, metric: str = "delta_log") -> str:
    """The plot of `metric` for every method but the reference; empty text where nothing has a difference."""
    index = next((at for at, column in enumerate(laid.columns) if column.metric == metric and column.task == "*"), None)
    if index is None:
        return ""
    pairs = [(line, line.cells[index]) for line in laid.lines if line.method != board.reference]
    drawn = [(line, row) for line, row in pairs if row is not None and row.mean is not None]
    if not drawn:
        return ""
    ends = [end for _, row in drawn for end in (row.mean, row.ci_low, row.ci_high) if end is not None]
    ticks = nice_ticks(min(0.0, *ends), max(0.0, *ends))
    low, high = ticks[0], ticks[-1]

    def place(value: float) -> str:
        return f"{LEFT + (RIGHT - LEFT) * (value - low) / (high - low):.2f}%"

    bottom = LINE * len(drawn) + 8
    parts = [_tick(place(tick), tick, bottom, ticks, low, high) for tick in ticks]
    column = laid.columns[index]
    parts += [_mark(line, row, number, place, column.mean(row)) for number, (line, row) in enumerate(drawn)]
    label = escape(printable(f"{board.title}: change in log error against {board.reference}, with 95 % intervals"))
    size = f'width="100%" height="{bottom + 24}"'
    return f'<svg class="forest" role="img" aria-label="{label}" {size}>{"".join(parts)}</svg>'


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` + 1 round numbers, evenly spaced, whose ends enclose [low, high]."""
    span = (high - low) or 0.1
    power = 10.0 ** math.floor(math.log10(span / most))
    steps = [power * factor for factor in (1, 2, 5, 10, 20)]
    step = next(step for step in steps if math.ceil(high / step) - math.floor(low / step) <= most)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _tick(x: str, value: float, bottom: int, ticks: list[float], low: float, high: float) -> str:
    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    kind = "zero" if abs(value) < 1e-12 else "tick"
    anchor = "start" if value == low else "end" if value == high else "middle"
    text = f"{value:z.{decimals}f}".replace("-", "\N{MINUS SIGN}")
    return (
        f'<line class="{kind}" x1="{x}" x2="{x}" y1="4" y2="{bottom}"/>'
        f'<text class="axis" x="{x}" y="{bottom + 17}" text-anchor="{anchor}">{text}</text>'
    )


def _mark(line: WideLine, row: Row, number: int, place: Callable[[float], str], mean: str) -> str:
    """A label, the mean as a dot, the interval as a bar; hollow and grey where the interval holds zero."""
    assert row.mean is not None
    y = LINE * number + 34
    kind = "unclear"
    bar = ""
    if row.ci_low is not None and row.ci_high is not None:
        kind = "better" if row.ci_low > 0 else "worse" if row.ci_high < 0 else "unclear"
        bar = f'<line class="bar" x1="{place(row.ci_low)}" x2="{place(row.ci_high)}" y1="{y}" y2="{y}"/>'
    seeds = "" if line.complete else f" · {line.seeds}"
    label = escape(printable(line.label) + seeds)
    return (
        f'<g class="{kind}{"" if line.complete else " incomplete"}">'
        f'<text class="name" x="0" y="{y - 13}">{label}</text>'
        f'<text class="value" x="100%" y="{y - 13}" text-anchor="end">{escape(mean).replace("-", chr(0x2212))}</text>'
        f'{bar}<circle cx="{place(row.mean)}" cy="{y}" r="5"/></g>'
    )
