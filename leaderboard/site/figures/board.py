"""Charts of one board: paired changes, gains by task, performance profiles, who beats whom.

Intervals come from `Results`; only means over seeds and the profiles are computed here.
"""

import math
from collections.abc import Sequence

import numpy as np

from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import DECIDES
from leaderboard.analysis.statistics import interval, performance_profile
from leaderboard.site.figures.parts import LINE, label_method, measure_error_bar
from leaderboard.site.view import Figure, Trace, escape_words

KINDS_OF_CHANGE = {"better": 1, "unclear": 0, "worse": -1}  # by the side of zero that the interval lies on
PROFILES = 8  # methods that a legend can tell apart


def plot_changes(results: Results, name: str, hrefs: dict[str, str]) -> Figure | None:
    """Δ log of every method against the reference with its 95 % interval (a forest plot), best on top.

    Points are coloured by where the interval lies: above zero, below, or around it; the reference itself has none.

    Args:
        results: the board's results.
        name: the board's name, unique on the site; the figure's name is made from it.
        hrefs: method -> address of the page that its point leads to.

    Returns:
        None where no method but the reference has a change.
    """
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
            "y": [label_method(results, row.method) for row in own],
            # The page's script follows this address when a point is clicked.
            "customdata": [hrefs.get(row.method, "") for row in own],
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [measure_error_bar(row.ci_high, row.mean) for row in own],
                "arrayminus": [measure_error_bar(row.mean, row.ci_low) for row in own],
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
                "categoryarray": [label_method(results, row.method) for row in rows],
                "type": "category",
                # Categories are at 0, 1, ..; Plotly's own margins around them are wide.
                "range": [-0.7, len(rows) - 0.3],
                "showgrid": False,
            },
            "hovermode": "closest",
        },
        # A line for each method, and room for the axis.
        LINE * len(rows) + 80,
    )


def plot_tasks(results: Results, name: str, order: Sequence[str]) -> Figure | None:
    """Heat map [method, task] of the mean over seeds of log(reference error / error).

    A method that gains on one task and loses on another has a mean near zero; here the two are seen.

    Args:
        results: the board's results, whose `gains` are drawn.
        name: the board's name, unique on the site.
        order: methods from top to bottom.

    Returns:
        None for fewer than two tasks, where it would repeat the changes, and where no method has a gain.
    """
    data = results.cells
    means = np.array([[interval(column).mean for column in gain.T] for gain in results.gains])
    if not np.isfinite(means).any() or len(data.tasks) < 2:
        return None
    # One scale around zero: white is no difference, whatever the largest one is.
    largest = float(np.nanmax(np.abs(means))) or 1.0
    # Plotly puts the first row of a heat map at the bottom.
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
                "y": [label_method(results, data.board.methods[index]) for index in at],
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


def plot_profiles(results: Results, name: str) -> Figure | None:
    """Performance profiles: the share of runs and tasks with a gain above each threshold.

    The gain is log(reference error / error); thresholds are 61 equal steps between the 1 % and 99 % quantiles of all
    gains on the board. Only the PROFILES methods with the best mean gains are drawn.

    Args:
        results: the board's results, whose `gains` are [method, seed, task].
        name: the board's name, unique on the site.

    Returns:
        None where there is no gain, or only one value of it.
    """
    data = results.cells
    scores = results.gains
    known = scores[np.isfinite(scores)]
    if not known.size or np.ptp(known) == 0:
        return None
    means = [interval(own.ravel()).mean for own in scores]
    best = sorted((at for at, mean in enumerate(means) if math.isfinite(mean)), key=lambda at: -means[at])[:PROFILES]
    # Quantiles, since a single run that diverged would stretch the axis until nothing else is seen.
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
                "name": label_method(results, data.board.methods[at]),
                "x": thresholds,
                "y": 100 * shares[at],
                "line": {"color": f"@c{number}", "width": 2, "shape": "hv"},
                "hovertemplate": "%{y:.0f} % above %{x:.3f}",
            }
            for number, at in enumerate(best)
        ],
        {
            "xaxis": {"title": {"text": "gain in log error"}},
            # A little beyond 0 and 100, so that a line at either is not cut in half.
            "yaxis": {"title": {"text": "runs and tasks above, %"}, "range": [-2, 103]},
            "hovermode": "x",
        },
        320,
    )


def plot_wins(results: Results, name: str, order: Sequence[str]) -> Figure | None:
    """Heat map [method, method] of how probably, in percent, the row beats the column on a random seed and task.

    Args:
        results: the board's results, whose `wins` are drawn.
        name: the board's name, unique on the site.
        order: methods from top to bottom and from left to right.

    Returns:
        None for fewer than two methods, and where nothing has an error.
    """
    data = results.cells
    if len(data.board.methods) < 2 or not np.isfinite(data.errors).any():
        return None
    at = [data.board.methods.index(method) for method in order]
    labels = [label_method(results, method) for method in order]
    # In more columns two digits would overlap.
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
    """A matrix of numbers as texts with a sign and two decimals, for the cells of a heat map; empty for NaN."""
    return [["" if math.isnan(value) else f"{value:+z.2f}" for value in row] for row in values.tolist()]
