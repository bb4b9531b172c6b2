"""A forest plot: the change of every method of a board against its reference, with the intervals of its tests."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import UsageError
from leaderboard.analysis.contrasts import Contrast
from leaderboard.analysis.results import Results, Row
from leaderboard.analysis.standings import DECIDES
from leaderboard.figures.look import COLOURS, FAINT, INK, add_legend, open_axes, quiet
from leaderboard.report.footnotes import CHANGE_TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

LINE = 0.21  # inches from one method to the next
PointLook = Literal["better", "worse", "undecided", "control"]
_LOOKS: dict[PointLook, dict[str, Any]] = {
    "better": {"color": COLOURS[0], "marker": "o"},
    "worse": {"color": COLOURS[1], "marker": "o"},
    "undecided": {"color": "#777777", "marker": "o", "markerfacecolor": "white"},
    "control": {"color": FAINT, "marker": "D", "markersize": 4, "markerfacecolor": "white"},
}
_POINT: dict[str, Any] = {"markersize": 5, "markeredgewidth": 1.2, "linestyle": "none"}
_WORDS: dict[PointLook, str] = {
    "better": "better (Holm)",
    "worse": "worse (Holm)",
    "undecided": "neither",
    "control": "control, not tested",
}


def draw_forest(
    results: Results, ax: "Axes | None" = None, change: str = DECIDES, methods: Collection[str] | None = None
) -> "Axes":
    """Draw the change of every method with runs, the best on top, as points with their intervals.

    Full points are better or worse than the reference by the board's own test (Holm over all methods), and their
    intervals, which are those of the test, leave out 0. Controls are grey diamonds: they are not tested, and have 95 %
    intervals by themselves, as has every method where another change than `delta_log` is drawn.

    Args:
        results: the numbers of a board.
        ax: axes to draw into; without them a new figure of a column's width is made.
        change: `delta_log`, `delta_flat` or `delta_task`; the tests are those of `delta_log` always.
        methods: those that are drawn; None is all of them.

    Raises:
        UsageError: no method but the reference has a change.
    """
    rows = [own[change] for own in results.change_rows.values() if change in own]
    rows = [row for row in rows if methods is None or row.method in methods]
    rows = sorted((row for row in rows if row.role != "reference" and row.mean is not None), key=_mean)
    if not rows:
        raise UsageError(f"`{results.board.name}` should have runs of two methods on the same seeds. Found none.")
    with open_axes(ax, 1.0 + LINE * len(rows)) as axes:
        quiet(axes)
        axes.axvline(0, color=INK, linewidth=0.8)
        looks = [_choose_look(results, row) for row in rows]
        for place, (row, look) in enumerate(zip(rows, looks, strict=True)):
            ends = _find_ends(results, row, change)
            axes.plot(ends, [place] * len(ends), color=_LOOKS[look]["color"], linewidth=1.4, solid_capstyle="butt")
            axes.plot([_mean(row)], [place], label=row.method, **_POINT | _LOOKS[look])
        axes.set_yticks(range(len(rows)), [results.board.label(row.method) for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.7, len(rows) - 0.3)
        reference = results.board.label(results.board.reference)
        unit = f" ({rows[0].unit})" if rows[0].unit else ""
        axes.set_xlabel(f"{CHANGE_TITLES[change]}{unit} against {reference}, right is better")
        axes.set_title(results.board.name, loc="left", color=INK)
        add_legend(axes, _explain_looks(looks), own=ax is None)
    return axes


def _choose_look(results: Results, row: Row) -> PointLook:
    """How a method is drawn: by its planned contrast with the reference, which only methods that are ranked have."""
    contrast = _find_contrast(results, row)
    if contrast is None:
        return "control"
    return contrast.verdict if contrast.verdict in ("better", "worse") else "undecided"


def _find_contrast(results: Results, row: Row) -> Contrast | None:
    """The planned contrast of a method with the reference; None of what is not tested."""
    standing = results.standings.methods.get(row.method)
    return standing.contrasts.get("reference") if standing else None


def _find_ends(results: Results, row: Row, change: str) -> list[float]:
    """The ends of the interval: of the test where the change is the tested one, else of the row by itself."""
    contrast = _find_contrast(results, row) if change == DECIDES else None
    tested = contrast.corrected if contrast else None
    ends = (tested.low, tested.high) if tested else (row.ci_low, row.ci_high)
    return [end for end in ends if end is not None]


def _explain_looks(looks: Collection[PointLook]) -> "list[Line2D]":
    """A point with its meaning for each of the looks that occur."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], label=_WORDS[look], **_POINT | _LOOKS[look]) for look in _LOOKS if look in looks]


def _mean(row: Row) -> float:
    """The mean of a row that has one."""
    assert row.mean is not None
    return row.mean
