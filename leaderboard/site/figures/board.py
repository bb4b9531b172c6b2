"""Charts of one board: differences, tasks, profiles, wins."""

import math
from collections.abc import Sequence

import numpy as np

from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import DECIDES
from leaderboard.analysis.statistics import interval, performance_profile
from leaderboard.site.figures.parts import LINE, label, reach
from leaderboard.site.view import Figure, Trace, escape_words

KINDS_OF_CHANGE = {"better": 1, "unclear": 0, "worse": -1}  # by the side of zero that the interval lies on
PROFILES = 8  # methods that a legend can tell apart


def change_figure(results: Results, name: str, hrefs: dict[str, str]) -> Figure | None:
    """Paired differences from the reference with their intervals, best on top; a point leads to its runs."""
    rows = [own[DECIDES] for own in results.change_rows.values() if DECIDES in own]
    rows = [row for row in rows if row.role != "reference" and row.mean is not None]
    rows.sort(key=lambda row: row.mean or 0.0)
    if not rows:
        return None
    groups = {kind: [row for row in rows if row.sign == sign] for kind, sign in KINDS_OF_CHANGE.items()}
    names = {"better": "better than the reference", "unclear": "interval holds zero", "worse": "worse"}
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": names[kind],
            "x": [row.mean for row in own],
            "y": [label(results, row.method) for row in own],
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
    reference = results.board.label(results.board.reference)
    return Figure(
        f"forest-{name}",
        f"Change against {escape_words(reference)}",
        "Δ log, the mean over tasks of log(reference error / error), paired by seed, with 95 % intervals. "
        "Right is better.",
        traces,
        {
            "xaxis": {"title": {"text": "Δ log"}, "zeroline": True},
            "yaxis": {
                "categoryorder": "array",
                "categoryarray": [label(results, row.method) for row in rows],
                "type": "category",
                "range": [-0.7, len(rows) - 0.3],
                "showgrid": False,
            },
            "hovermode": "closest",
        },
        LINE * len(rows) + 80,
    )


def task_figure(results: Results, name: str, order: Sequence[str]) -> Figure | None:
    """Method by task: the mean log ratio of the reference's error to the method's."""
    data = results.cells
    means = np.array([[interval(column).mean for column in gain.T] for gain in results.gains])
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
                "x": [escape_words(task) for task in data.tasks],
                "y": [label(results, data.board.methods[index]) for index in at],
                "colorscale": "@diverging",
                "zmin": -largest,
                "zmax": largest,
                "showscale": False,
                "xgap": 2,
                "ygap": 2,
                **({"texttemplate": "%{text}", "text": _write_signed(means[at])} if len(data.tasks) <= 6 else {}),
                "hovertemplate": "%{y}<br>%{x}: %{z:+.3f}<extra></extra>",
            }
        ],
        {"yaxis": {"type": "category", "ticklen": 0}, "xaxis": {"type": "category", "ticklen": 0}},
        LINE * len(order) + 80,
        scale=(f"-{largest:.2g}", f"+{largest:.2g}"),
    )


def profile_figure(results: Results, name: str) -> Figure | None:
    """The share of runs and tasks with a gain above each threshold, of the methods with the best means."""
    data = results.cells
    scores = results.gains
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
                "name": label(results, data.board.methods[at]),
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


def win_figure(results: Results, name: str, order: Sequence[str]) -> Figure | None:
    """How probably a method beats another one on a random seed and task."""
    data = results.cells
    if len(data.board.methods) < 2 or not np.isfinite(data.errors).any():
        return None
    at = [data.board.methods.index(method) for method in order]
    labels = [label(results, method) for method in order]
    few = len(labels) <= 12
    return Figure(
        f"wins-{name}",
        "Who beats whom",
        "Probability, in %, that the method of the row has the smaller error on a random seed and task than that of "
        "the column. Ties count half.",
        [
            {
                "type": "heatmap",
                "z": 100 * results.wins[np.ix_(at, at)][::-1],
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


def _write_signed(values: np.ndarray) -> list[list[str]]:
    """Numbers with signs, for the cells of a map; nothing for NaN."""
    return [["" if math.isnan(value) else f"{value:+z.2f}" for value in row] for row in values.tolist()]
