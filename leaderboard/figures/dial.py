"""A dial: the error of a method at every value of one of its options, between single-task and hard sharing."""

import math
from typing import TYPE_CHECKING

from leaderboard.analysis.dials import Dial, compute_dial_errors, summarise_dial_sample
from leaderboard.figures.look import COLOURS, INK, add_legend, open_axes, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 3.0  # inches
_END_COLOURS = {"single_task": COLOURS[1], "hard": COLOURS[2]}


def draw_dial(dial: Dial, ax: "Axes | None" = None) -> "Axes":
    """Draw the error at every value, from large to small, with 95 % intervals over seeds.

    The error is the geometric mean over tasks of the primary error, in per cent. The plain methods that the dial runs
    between are lines with bands.

    Args:
        dial: the runs at every value, and those of the plain methods.
        ax: axes to draw into; without them a new figure of a column's width is made.
    """
    # Values are places: they span orders of magnitude, and a half-life ends at infinity, which no scale has.
    labels = [f"{value:g}" if math.isfinite(value) else "∞" for value in dial.points]
    places = list(range(len(labels)))
    with open_axes(ax, _HEIGHT) as axes:
        quiet(axes, "y")
        for end, runs in dial.ends.items():
            middle, low, high = summarise_dial_sample(compute_dial_errors(runs), geometric=True)
            axes.axhspan(low, high, color=_END_COLOURS[end], alpha=0.13, linewidth=0)
            axes.axhline(middle, color=_END_COLOURS[end], linewidth=1.4, label=end)
        points = [summarise_dial_sample(compute_dial_errors(runs), geometric=True) for runs in dial.points.values()]
        means = [middle for middle, _, _ in points]
        ends = [[middle - low for middle, low, _ in points], [high - middle for middle, _, high in points]]
        axes.errorbar(
            places, means, yerr=ends, color=COLOURS[0], marker="o", markersize=4, linewidth=1.4, label=dial.method
        )
        axes.set_xticks(places, labels)
        axes.set_xlabel(dial.option)
        axes.set_ylabel("test error, %, lower is better")
        settings = f", {dial.settings}" if dial.settings else ""
        axes.set_title(f"{dial.suite}{settings}", loc="left", color=INK)
        add_legend(axes, axes.get_legend_handles_labels()[0], own=ax is None)
    return axes
