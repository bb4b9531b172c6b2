"""A waterfall: the parts of a gain from the main task alone to the method, each from where the one before ends."""

import io
from typing import TYPE_CHECKING

from leaderboard.analysis.statistics import percent_less
from leaderboard.analysis.waterfall import INFORMATION, SHUFFLED
from leaderboard.figures.look import COLOURS, FAINT, INK, open_axes, quiet
from leaderboard.report.explained import PART_NAMES, GainAccount

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 0.3  # inches from one part to the next
BAR = 0.62  # of that


def draw_waterfall(found: GainAccount, ax: "Axes | None" = None) -> "Axes":
    """Draw the parts from above to below, in per cent of error, right is better, with the intervals of the parts.

    What could be had without other tasks is grey, shuffled labels light blue, information blue or, where it does harm,
    orange.

    Args:
        found: with a waterfall.
        ax: axes to draw into; without them a new figure of a column's width is made.

    Raises:
        ValueError: the runs of the ends are missing.
    """
    if found.waterfall is None:
        raise ValueError(f"{found.title}: the runs of both ends and of shuffled labels should be there. Found none.")
    parts, total = found.waterfall.parts, found.waterfall.total
    with open_axes(ax, 1.0 + LINE * (len(parts) + 1)) as axes:
        quiet(axes)
        at = 0.0
        for place, part in enumerate(parts):
            after = at + part.change.mean
            left, right = percent_less(at), percent_less(after)
            axes.barh(-place, right - left, left=left, height=BAR, color=_choose_colour(part.name, part.change.mean))
            ends = [percent_less(at + end) for end in (part.change.low, part.change.high) if end is not None]
            axes.plot(ends, [-place] * len(ends), color=INK, linewidth=1.0)
            if place:
                axes.plot([percent_less(at)] * 2, [-place + 1, -place], color=FAINT, linewidth=0.6, zorder=0)
            at = after
        whole = percent_less(total.mean)
        axes.barh(-len(parts), whole, height=BAR, color=INK)
        axes.plot([whole] * 2, [-len(parts) + 1, -len(parts)], color=FAINT, linewidth=0.6, zorder=0)
        axes.axvline(0, color=INK, linewidth=0.8)
        labels = [*(PART_NAMES[part.name] for part in parts), "the whole gain"]
        axes.set_yticks([-place for place in range(len(labels))], labels)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"% less error on {found.main} than alone, 95 % intervals of the parts")
        axes.set_title(f"{found.method} on {found.suite}", loc="left", color=INK)
    return axes


def draw_waterfall_svg(found: GainAccount) -> str:
    """The figure as SVG, the same text for the same numbers; empty where there is no waterfall."""
    if found.waterfall is None:
        return ""
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": "mtlbench", "svg.fonttype": "none"}):
        draw_waterfall(found)
        written = io.StringIO()
        pyplot.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close()
    return written.getvalue()


def _choose_colour(part: str, change: float) -> str:
    """The colour of a bar."""
    if part == INFORMATION:
        return COLOURS[0] if change >= 0 else COLOURS[1]
    return COLOURS[4] if part == SHUFFLED else FAINT
