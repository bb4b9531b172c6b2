"""Error of methods over a setting of the protocol, as the learning rate, and the value that validation chooses."""

from collections.abc import Sequence

from leaderboard.analysis.curves import CurvePoint, CurveSummary
from leaderboard.analysis.statistics import Interval
from leaderboard.boards.curves import explain_edges
from leaderboard.site.figures.parts import make_log_axis
from leaderboard.site.view import Figure, Panels, Trace, escape_words, shorten_label

SPLITS = ("validation", "test")
COLOURS_IN_TURN = 8


def plot_settings(curves: Sequence[CurveSummary], name: str) -> list[Figure]:
    """A figure for each setting of one suite that methods were run along, under each group of other settings."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[CurveSummary]] = {}
    for each in curves:
        groups.setdefault((each.curve.setting, each.curve.settings), []).append(each)
    return [_figure(members, f"{name}-{number}") for number, members in enumerate(groups.values())]


def _figure(members: list[CurveSummary], name: str) -> Figure:
    """Two charts over one axis, on validation and on the test split: a line with a band for each method."""
    setting = members[0].curve.setting
    others = " ".join(f"{key}={value}" for key, value in members[0].curve.settings)
    values = [value for each in members for value in each.values]
    errors = [_error(point, split).mean for each in members for point in each.points for split in SPLITS]
    known = [error for error in errors if 0 < error < float("inf")]
    traces = [
        trace
        for number, each in enumerate(members)
        for panel, split in enumerate(SPLITS)
        for trace in _line(each, split, panel, number)
    ]
    edges = " ".join(explain_edges(each.curve for each in members)).replace("`", "")
    text = f"Error over {setting}{f' under {others}' if others else ''}, the geometric mean over tasks and seeds, with "
    text += "95 % intervals. The large point is the value that validation chooses. Lower is better."
    return Figure(
        name,
        escape_words(f"Each method along {setting}"),
        escape_words(f"{text} {edges}".rstrip()),
        traces,
        {
            # A range of values has equal ratios; with a zero among them there is no logarithm.
            "xaxis": make_log_axis(min(values), max(values), 5) if min(values) > 0 else {},
            "yaxis": make_log_axis(min(known), max(known), 5) if known else {},
            "hovermode": "closest",
        },
        wide=True,
        panels=Panels([f"{split} error" for split in SPLITS], 280, 240, left=58),
    )


def _line(each: CurveSummary, split: str, panel: int, number: int) -> list[Trace]:
    """A method on one split: its band, its line through the values that have runs, and the chosen value.

    Args:
        each: the curve.
        split: `validation` or `test`.
        panel: the chart that it is drawn in.
        number: of the method, which decides about colour and dash.
    """
    colour = f"@c{number % COLOURS_IN_TURN}"
    points = [point for point in each.points if point.seeds]
    common: Trace = {"type": "scatter", "panel": panel, "name": shorten_label(each.curve.method)}
    hidden: Trace = {**common, "mode": "lines", "showlegend": False, "hoverinfo": "skip", "line": {"width": 0}}
    banded = [point for point in points if _error(point, split).low is not None]
    x, ends = [point.value for point in banded], [_error(point, split) for point in banded]
    band: list[Trace] = [
        {**hidden, "x": x, "y": [end.low for end in ends]},
        {**hidden, "x": x, "y": [end.high for end in ends], "fill": "tonexty", "fillcolor": f"{colour}:0.13"},
    ]
    means = [_error(point, split).mean for point in points]
    line: Trace = {
        **common,
        "mode": "lines+markers",
        "showlegend": not panel,
        "x": [point.value for point in points],
        "y": means,
        "line": {"color": colour, "width": 2, "dash": "solid" if number < COLOURS_IN_TURN else "dash"},
        "marker": {"color": colour, "size": [12 if point is each.chosen else 5 for point in points]},
        "hovertemplate": "%{x:.4g}: %{y:.4g}",
    }
    return [*(band if banded else []), line]


def _error(point: CurvePoint, split: str) -> Interval:
    """The error of a point on a split."""
    return point.validation if split == "validation" else point.test
