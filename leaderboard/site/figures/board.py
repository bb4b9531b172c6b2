"""Charts of one board: differences, tasks, profiles, wins."""

import math
from collections.abc import Sequence

import numpy as np

from leaderboard.analysis.standings import DECIDES
from leaderboard.analysis.statistics import gains, interval, performance_profile, win_probability
from leaderboard.report.table import Row, Table
from leaderboard.site.figures.parts import LINE, label, reach
from leaderboard.site.view import Figure, Trace, words

PROFILES = 8  # methods that a legend can tell apart


def forest(table: Table, name: str, hrefs: dict[str, str]) -> Figure | None:
    """Paired differences from the reference with their intervals, best on top; a point leads to its runs."""
    rows = [row for row in table.rows if row.metric == DECIDES and row.method != table.board.reference]
    rows = sorted((row for row in rows if row.mean is not None), key=lambda row: row.mean or 0.0)
    if not rows:
        return None
    groups = {kind: [row for row in rows if _kind(row) == kind] for kind in ("better", "unclear", "worse")}
    names = {"better": "better than the reference", "unclear": "interval holds zero", "worse": "worse"}
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": names[kind],
            "x": [row.mean for row in own],
            "y": [label(table, row.method) for row in own],
            "customdata": [hrefs.get(row.method, "") for row in own],
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [reach(row.ci_high, row.mean) for row in own],
                "arrayminus": [reach(row.mean, row.ci_low) for row in own],
                "thickness": 2,
                "width": 0,
                "color": f"@{kind}",
            },
            "marker": {"color": f"@{kind}", "size": 8, "symbol": "circle-open" if kind == "unclear" else "circle"},
            "hovertemplate": "%{y}<br>%{x:+.3f}<extra></extra>",
        }
        for kind, own in groups.items()
        if own
    ]
    reference = table.board.label(table.board.reference)
    return Figure(
        f"forest-{name}",
        f"Change against {words(reference)}",
        "Δ log, the mean over tasks of log(reference error / error), paired by seed, with 95 % intervals. "
        "Right is better.",
        traces,
        {
            "xaxis": {"title": {"text": "Δ log"}, "zeroline": True},
            "yaxis": {
                "categoryorder": "array",
                "categoryarray": [label(table, row.method) for row in rows],
                "type": "category",
                "range": [-0.7, len(rows) - 0.3],
                "showgrid": False,
            },
            "hovermode": "closest",
        },
        LINE * len(rows) + 80,
    )


def by_task(table: Table, name: str, order: Sequence[str]) -> Figure | None:
    """Method by task: the mean log ratio of the reference's error to the method's."""
    data = table.data
    assert data is not None
    means = np.array([[interval(column).mean for column in gain.T] for gain in gains(data)])
    if not np.isfinite(means).any() or len(data.tasks) < 2:
        return None
    largest = float(np.nanmax(np.abs(means))) or 1.0
    at = [data.board.methods.index(method) for method in reversed(order)]
    return Figure(
        f"tasks-{name}",
        "Task by task",
        "log(reference error / error), the mean over seeds. Blue is better than the reference, orange worse.",
        [
            {
                "type": "heatmap",
                "z": means[at],
                "x": [words(task) for task in data.tasks],
                "y": [label(table, data.board.methods[index]) for index in at],
                "colorscale": "@diverging",
                "zmin": -largest,
                "zmax": largest,
                "showscale": False,
                "xgap": 2,
                "ygap": 2,
                **({"texttemplate": "%{text}", "text": _signed(means[at])} if len(data.tasks) <= 6 else {}),
                "hovertemplate": "%{y}<br>%{x}: %{z:+.3f}<extra></extra>",
            }
        ],
        {"yaxis": {"type": "category", "ticklen": 0}, "xaxis": {"type": "category", "ticklen": 0}},
        LINE * len(order) + 80,
        scale=(f"-{largest:.2g}", f"+{largest:.2g}"),
    )


def profiles(table: Table, name: str) -> Figure | None:
    """The share of runs and tasks with a gain above each threshold, of the methods with the best means."""
    data = table.data
    assert data is not None
    scores = gains(data)
    known = scores[np.isfinite(scores)]
    if not known.size or np.ptp(known) == 0:
        return None
    means = [interval(own.ravel()).mean for own in scores]
    best = sorted((at for at, mean in enumerate(means) if math.isfinite(mean)), key=lambda at: -means[at])[:PROFILES]
    low, high = (float(end) for end in np.quantile(known, [0.01, 0.99]))
    thresholds = np.linspace(low, high, 61)
    shares = performance_profile(scores, thresholds)
    few = f" The {PROFILES} methods with the best means." if len(means) > PROFILES else ""
    return Figure(
        f"profile-{name}",
        "Performance profile",
        "Share of runs and tasks whose gain in log error lies above a threshold. Higher is better; where two lines "
        f"cross, the threshold decides.{few}",
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": label(table, data.board.methods[at]),
                "x": thresholds,
                "y": 100 * shares[at],
                "line": {"color": f"@c{number}", "width": 2, "shape": "hv"},
                "hovertemplate": "%{y:.0f} % above %{x:.3f}",
            }
            for number, at in enumerate(best)
        ],
        {
            "xaxis": {"title": {"text": "gain in log error"}},
            "yaxis": {"title": {"text": "runs and tasks above, %"}, "range": [-2, 103]},
            "hovermode": "x",
        },
        320,
    )


def wins(table: Table, name: str, order: Sequence[str]) -> Figure | None:
    """How probably a method beats another one on a random seed and task."""
    data = table.data
    assert data is not None
    if len(data.board.methods) < 2 or not np.isfinite(data.errors).any():
        return None
    at = [data.board.methods.index(method) for method in order]
    labels = [label(table, method) for method in order]
    few = len(labels) <= 12
    return Figure(
        f"wins-{name}",
        "Who beats whom",
        "Probability, in %, that the method of the row has the smaller error on a random seed and task than that of "
        "the column. Ties count half.",
        [
            {
                "type": "heatmap",
                "z": 100 * win_probability(-data.errors)[np.ix_(at, at)][::-1],
                "x": labels,
                "y": labels[::-1],
                "colorscale": "@diverging",
                "zmin": 0,
                "zmax": 100,
                "showscale": False,
                "xgap": 1,
                "ygap": 1,
                **({"texttemplate": "%{z:.0f}"} if few else {}),
                "hovertemplate": "%{y}<br>beats %{x}<br>%{z:.0f} %<extra></extra>",
            }
        ],
        {
            "xaxis": {"type": "category", "tickangle": -60, "ticklen": 0, "dtick": 1},
            "yaxis": {"type": "category", "ticklen": 0, "dtick": 1},
        },
        max(320, 18 * len(labels) + 170),
        wide=len(labels) > 16,
        scale=("0 %", "100 %"),
    )


def _signed(values: np.ndarray) -> list[list[str]]:
    return [["" if math.isnan(value) else f"{value:+z.2f}" for value in row] for row in values.tolist()]


def _kind(row: Row) -> str:
    if row.ci_low is None or row.ci_high is None:
        return "unclear"
    return "better" if row.ci_low > 0 else "worse" if row.ci_high < 0 else "unclear"
