"""Error of methods over a setting of the protocol, as the learning rate, and the value that validation chooses."""

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from leaderboard.analysis.curves import CurvePoint, CurveSummary
from leaderboard.analysis.statistics import Interval
from leaderboard.figures.look import COLOURS, INK, add_legend, open_axes, quiet

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_HEIGHT = 3.0  # inches
MARGIN = 1.35  # a factor around the means, on an axis of errors
_DASHES = ("-", "--", ":")  # of the first, second and third round of colours


def draw_curves(
    curves: Sequence[CurveSummary], ax: "Axes | None" = None, split: Literal["test", "validation"] = "test"
) -> "Axes":
    """Draw a line through the errors of each method, with its 95 % intervals over seeds.

    The error is the primary error, the geometric mean over tasks and seeds. The ringed point is the value that the
    method's own validation errors choose. Intervals of few seeds may leave the axes, which show the means.

    Args:
        curves: of one suite and one setting.
        ax: axes to draw into; without them a new figure of a column's width is made.
        split: whose errors are drawn.

    Raises:
        ValueError: there is no curve, or they are of several suites or settings.
    """
    kinds = {(each.curve.suite, each.curve.setting) for each in curves}
    if len(kinds) != 1:
        raise ValueError(f"Curves should be of one suite and one setting. Found {len(kinds)}.")
    [(suite, setting)] = kinds
    with open_axes(ax, _HEIGHT) as axes:
        quiet(axes, "both")
        log = all(value > 0 for each in curves for value in each.values)
        lines = [_draw_curve(axes, each, split, _Line(number, len(curves), log)) for number, each in enumerate(curves)]
        if log:
            axes.set_xscale("log")
        axes.set_yscale("log")
        means = [own.mean for each in curves for _, own in _list_errors(each, split)]
        axes.set_ylim(min(means) / MARGIN, max(means) * MARGIN)
        _write_plain_ticks(axes)
        axes.set_xlabel(setting)
        axes.set_ylabel(f"{split} error, lower is better")
        axes.set_title(suite, loc="left", color=INK)
        add_legend(axes, lines, own=ax is None)
    return axes


class _Line(NamedTuple):
    """Which of the lines it is, of how many, and whether values are on a logarithmic axis."""

    number: int
    total: int
    log: bool

    def dodge(self, value: float, spread: float) -> float:
        """A place beside `value`, so that intervals of several methods do not cover each other."""
        share = (self.number - (self.total - 1) / 2) / max(1, self.total)
        return value * math.exp(spread * share) if self.log else value + spread * share


def _draw_curve(axes: "Axes", each: CurveSummary, split: str, line: _Line) -> "Artist":
    """One method: a line with intervals, and a ring around what validation chooses. Returns the line's legend."""
    colour, dash = COLOURS[line.number % len(COLOURS)], _DASHES[line.number // len(COLOURS) % len(_DASHES)]
    points = _list_errors(each, split)
    values = [point.value for point, _ in points]
    gaps = [math.log(b / a) if line.log else b - a for a, b in itertools.pairwise(values)]
    places = [line.dodge(value, 0.2 * min(gaps, default=0.0)) for value in values]
    means = [own.mean for _, own in points]
    ends = [(own.mean if end is None else end for end in (own.low, own.high)) for _, own in points]
    lows, highs = zip(*ends, strict=True)
    axes.vlines(places, lows, highs, color=colour, alpha=0.5, linewidth=1.2)
    [drawn] = axes.plot(
        places, means, color=colour, linestyle=dash, marker="o", markersize=3, linewidth=1.4, label=each.curve.method
    )
    chosen = [(x, y) for x, y, (point, _) in zip(places, means, points, strict=True) if point is each.chosen]
    for x, y in chosen:
        axes.plot([x], [y], linestyle="none", marker="o", markersize=8, markerfacecolor="none", markeredgecolor=colour)
    return drawn


def _list_errors(each: CurveSummary, split: str) -> list[tuple[CurvePoint, Interval]]:
    """The points of a curve that have runs, each with its error on a split."""
    return [(point, getattr(point, split)) for point in each.points if point.seeds]


def _write_plain_ticks(axes: "Axes") -> None:
    """Ticks of logarithmic axes as 0.3 and not as 3 x 10^-1, few of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    for axis, log in ((axes.xaxis, axes.get_xscale() == "log"), (axes.yaxis, True)):
        if log:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(plain)
            axis.set_minor_formatter(NullFormatter())
