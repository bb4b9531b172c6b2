"""Charts of one board: paired changes, gains by task, performance profiles, who beats whom.

Intervals come from `Results`; only means over seeds and the profiles are computed here.
"""

import math
from collections.abc import Sequence

import numpy as np

from leaderboard.analysis.judged import judge_rows, tell_apart
from leaderboard.analysis.results import Results
from leaderboard.analysis.statistics import interval, performance_profile
from leaderboard.report.percent import to_error_change, write_error_change
from leaderboard.site.figures.parts import LINE, label_method, make_change_axis, measure_error_bar
from leaderboard.site.view import Figure, Trace, escape_words

PROFILES = 8  # methods that a legend can tell apart


def plot_changes(results: Results, name: str, hrefs: dict[str, str]) -> Figure | None:
    """The change of error of every method against the reference with its interval (a forest plot), best on top.

    Points have the colour of the row's verdict; the reference itself has none. The axis is that of log error.

    Args:
        results: the board's results.
        name: the board's name, unique on the site; the figure's name is made from it.
        hrefs: method -> address of the page that its point leads to.

    Returns:
        None where no method but the reference has a change.
    """
    judged = judge_rows(results)
    rows = {method: row for method, row in judged.items() if method != results.board.reference and row.change.n}
    rows = dict(sorted(rows.items(), key=lambda each: -each[1].change.mean))
    if not rows:
        return None
    names = {"better": "better than the reference", "unclear": "not told apart", "worse": "worse"}
    traces: list[Trace] = []
    for side, name_of_side in names.items():
        own = {method: row.change for method, row in rows.items() if row.side == side}
        if own:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name_of_side,
                    "x": [-change.mean for change in own.values()],
                    "y": [label_method(results, method) for method in own],
                    "text": [write_error_change(change) for change in own.values()],
                    # The page's script follows this address when a point is clicked.
                    "customdata": [hrefs.get(method, "") for method in own],
                    "error_x": {
                        "type": "data",
                        "symmetric": False,
                        "array": [measure_error_bar(change.mean, change.low) for change in own.values()],
                        "arrayminus": [measure_error_bar(change.high, change.mean) for change in own.values()],
                        "thickness": 2,
                        "width": 0,
                        "color": f"@{side}",
                    },
                    "marker": {
                        "color": f"@{side}",
                        "size": 8,
                        "symbol": "circle-open" if side == "unclear" else "circle",
                    },
                    "hovertemplate": "%{y}<br>%{text}<extra></extra>",
                }
            )
    ends = [end for row in rows.values() for end in (row.change.mean, row.change.low, row.change.high)]
    axis = make_change_axis([-end for end in ends if end is not None])
    reference = results.board.label(results.board.reference)
    return Figure(
        f"forest-{name}",
        f"Change against {escape_words(reference)}",
        "Error change in per cent, paired by seed, with the interval of the row's test; colours are verdicts. Left is "
        "better.",
        traces,
        {
            "xaxis": {"title": {"text": "error change, %"}, "zeroline": True, **axis},
            "yaxis": {
                "categoryorder": "array",
                "categoryarray": [label_method(results, method) for method in rows][::-1],
                "type": "category",
                # Categories are at 0, 1, .., with some room around them.
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
    # The first row of a heat map is at the bottom.
    at = [data.board.methods.index(method) for method in reversed(order)]
    return Figure(
        f"tasks-{name}",
        "Task by task",
        "Error change in per cent, the mean over seeds. Blue is less error than the reference, orange more; a colour "
        "is no test.",
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
                **({"texttemplate": "%{text}"} if len(data.tasks) <= 6 else {}),
                "text": _write_changes(means[at]),
                "hovertemplate": "%{y}<br>%{x}: %{text} %<extra></extra>",
            }
        ],
        {"yaxis": {"type": "category", "ticklen": 0}, "xaxis": {"type": "category", "ticklen": 0}},
        LINE * len(order) + 80,
        scale=(f"{to_error_change(-largest):+.0f} %", f"{to_error_change(largest):+.0f} %"),
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

    This is where all pairs are: a cell has a colour only where a test of the board orders the two (`tell_apart`).

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
    apart = tell_apart(results)
    known = np.array([[(a, b) in apart or (b, a) in apart for b in order] for a in order])
    shares = 100 * results.wins[np.ix_(at, at)]
    words = [[_compare_words(a, b, apart) for b in order] for a in reversed(order)]
    # In more columns two digits would overlap.
    few = len(labels) <= 12
    return Figure(
        f"wins-{name}",
        "Who beats whom",
        "Probability, in %, that the method of the row has the smaller error on a random seed and task than that of "
        "the column. Ties count half. Coloured where the board's tests tell the two apart: against the reference and "
        "the best as in the table, else by paired t tests, Holm over all pairs.",
        [
            {
                "type": "heatmap",
                "z": np.where(known, shares, 50.0)[::-1],
                "text": [[f"{share:.0f}" for share in row] for row in shares[::-1].tolist()],
                "hovertext": words,
                "x": labels,
                "y": labels[::-1],
                "colorscale": "@diverging",
                "zmin": 0,
                "zmax": 100,
                "showscale": False,
                "xgap": 1,
                "ygap": 1,
                **({"texttemplate": "%{text}"} if few else {}),
                "hovertemplate": "%{y}<br>beats %{x}<br>%{text} %, %{hovertext}<extra></extra>",
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


def _compare_words(method: str, other: str, apart: frozenset[tuple[str, str]]) -> str:
    """`better`, `worse` or `not told apart`."""
    return "better" if (method, other) in apart else "worse" if (other, method) in apart else "not told apart"


def _write_changes(gains: np.ndarray) -> list[list[str]]:
    """Gains in log error as changes of error in per cent, for the cells of a heat map; empty for NaN."""
    return [["" if math.isnan(gain) else f"{to_error_change(gain):+z.0f}" for gain in row] for row in gains.tolist()]
