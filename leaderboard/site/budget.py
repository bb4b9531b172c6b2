"""What more trials buy, as small inline SVGs: the expected best of k trials, one panel for each method."""

import math
from collections.abc import Callable
from html import escape

from leaderboard.render import printable
from leaderboard.tuned import Search

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 232, 132, 44, 10, 24, 24


def budgets(searches: list[Search], tasks: int, reference: str) -> list[str]:
    """One panel per search, all on one scale; the curve of `reference` lies below the others in grey.

    What is drawn is the geometric mean over tasks of the validation error that the best of k trials has, expected
    over which k of the trials they are. A search all of whose trials failed has no panel.
    """
    curves = {
        search.method: [(k, math.exp(value / tasks)) for k, value in enumerate(search.expected_best(), 1)]
        for search in searches
        if search.winner
    }
    curves = {method: [(k, v) for k, v in curve if math.isfinite(v)] for method, curve in curves.items()}
    if not curves:
        return []
    values = [value for curve in curves.values() for _, value in curve]
    low, high, most = min(values), max(values), max(k for curve in curves.values() for k, _ in curve)

    def x(k: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (k - 1) / max(1, most - 1)

    def y(value: float) -> float:
        share = (math.log(value) - math.log(low)) / ((math.log(high) - math.log(low)) or 1.0)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    axis = _axis(low, high, most, x, y)
    behind = _curve(curves.get(reference, []), x, y, "reference")
    return [
        _panel(search, axis, "" if search.method == reference else behind, curves[search.method], x, y)
        for search in searches
        if search.method in curves
    ]


def _panel(
    search: Search,
    axis: str,
    behind: str,
    curve: list[tuple[int, float]],
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> str:
    name, (last, best) = escape(printable(search.method)), curve[-1]
    edge = f" · edge: {escape(printable(', '.join(search.edges)))}" if search.edges else ""
    title = f"{name}: expected best validation error of 1 to {last} trials, {best:.3g} at {last}{edge}"
    return (
        f'<svg class="budget{" edge" if search.edges else ""}" role="img" aria-label="{title}" width="{WIDTH}" '
        f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"><title>{title}</title>'
        f'<text class="name" x="0" y="13">{name}</text>{axis}{behind}{_curve(curve, x, y, "own")}'
        f'<circle cx="{x(last):.1f}" cy="{y(best):.1f}" r="3.5"/></svg>'
    )


def _axis(low: float, high: float, most: int, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    lines = [
        f'<line class="tick" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text class="axis" x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in dict.fromkeys((low, high))
    ]
    ends = [
        f'<text class="axis" x="{x(k):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{text}</text>'
        for k, anchor, text in ((1, "start", "1 trial"), (most, "end", str(most)))
    ]
    return "".join(lines + ends)


def _curve(points: list[tuple[int, float]], x: Callable[[float], float], y: Callable[[float], float], kind: str) -> str:
    if not points:
        return ""
    path = " ".join(f"{x(k):.1f},{y(value):.1f}" for k, value in points)
    return f'<polyline class="{kind}" points="{path}"/>'
