"""Charts of what quality takes: parameters and operations, training rows, trials of a search.

Costs are those that records state; worth in training rows is computed in `analysis/data_worth`, the expectation over
trials in `boards/tuned_track`.
"""

import math

import numpy as np

from leaderboard.analysis.data_worth import read_errors
from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import DECIDES
from leaderboard.boards.board import Board
from leaderboard.boards.tuned_track import MethodSearch
from leaderboard.site.figures.parts import label_method, make_log_axis, measure_error_bar
from leaderboard.site.view import Figure, Panels, Trace, shorten_label


def plot_cost(results: Results, name: str, hrefs: dict[str, str]) -> Figure | None:
    """Δ log over trained parameters and over the operations of a forward pass, with the Pareto front of each.

    A method is on the front if none is better at the same or lower cost; it is coloured, the others are not.

    Args:
        results: the board's results.
        name: the board's name, unique on the site.
        hrefs: method -> address of the page that its points lead to.

    Returns:
        None for fewer than two methods with a change and a cost.
    """
    points: dict[str, tuple[tuple[int, int], tuple[float, float | None, float | None]]] = {}
    for method, own in results.change_rows.items():
        row = own.get(DECIDES)
        # Parameters and operations are equal for every seed, so the first run that states them will do.
        known = (r.cost for (name, _), r in results.records.items() if name == method and r.cost)
        if row and row.mean is not None and (cost := next(known, None)):
            points[method] = (cost.parameters, cost.forward_flops), (row.mean, row.ci_low, row.ci_high)
    if len(points) < 2:
        return None
    traces: list[Trace] = []
    layout: Trace = {"hovermode": "closest", "yaxis": {"title": {"text": "Δ log"}}}
    for number in (0, 1):
        # A cost of zero, as of methods without trained parameters, has no place on a log axis.
        costs = {method: max(1, cost[number]) for method, (cost, _) in points.items()}
        front = _find_pareto_front({method: (cost, points[method][1][0]) for method, cost in costs.items()})
        layout[f"xaxis{number + 1}"] = make_log_axis(min(costs.values()), max(costs.values()))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "line": {"shape": "hv", "color": "@soft", "width": 1, "dash": "dot"},
                "x": [costs[method] for method in front],
                "y": [points[method][1][0] for method in front],
                "name": "Pareto line",
                "showlegend": not number,
                "hoverinfo": "skip",
                "panel": number,
            }
        )
        # Two traces, so that the legend tells the front from the rest, in the theme's colours of better and unclear.
        for kind, methods in (("better", front), ("unclear", [method for method in costs if method not in front])):
            estimates = [points[method][1] for method in methods]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": "Pareto-optimal" if kind == "better" else "others",
                    "showlegend": not number,
                    "x": [costs[method] for method in methods],
                    "y": [mean for mean, _, _ in estimates],
                    "text": [label_method(results, method) for method in methods],
                    "customdata": [hrefs.get(method, "") for method in methods],
                    "error_y": {
                        "type": "data",
                        "symmetric": False,
                        "array": [measure_error_bar(high, mean) for mean, _, high in estimates],
                        "arrayminus": [measure_error_bar(mean, low) for mean, low, _ in estimates],
                        "thickness": 1,
                        "width": 0,
                        "color": "@rule",
                    },
                    "marker": {"size": 9, "color": f"@{kind}"},
                    "hovertemplate": "%{text}<br>%{x:,} · %{y:+.3f}<extra></extra>",
                    "panel": number,
                }
            )
    return Figure(
        f"cost-{name}",
        "Quality against cost",
        "Δ log (higher is better) over trained parameters and over the FLOPs of a forward pass.",
        traces,
        layout,
        panels=Panels(["trained parameters", "FLOPs per forward pass"], 240, 240, left=58),
    )


def plot_size(results: Results, name: str) -> Figure | None:
    """Error against the number of training rows, a line for each method, both axes logarithmic.

    The error is the geometric mean over tasks and seeds of the primary error, at the same number of updates for every
    size.

    Args:
        results: the board's results; each suite of its series is one size.
        name: the board's name, unique on the site.

    Returns:
        None where no method was run at two sizes.
    """
    curves = {
        method: {size: float(np.nanmean(errors)) for size, errors in read_errors(results.series, method).items()}
        for method in results.board.methods
    }
    curves = {method: curve for method, curve in curves.items() if len(curve) > 1}
    if not curves:
        return None
    rows = [size for curve in curves.values() for size in curve]
    errors = [math.exp(error) for curve in curves.values() for error in curve.values()]
    return Figure(
        f"size-{name}",
        "Error against training rows",
        "Geometric mean over tasks and seeds of the primary error, at the same number of updates. Lower is better.",
        [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label_method(results, method),
                "x": list(curve),
                "y": [math.exp(error) for error in curve.values()],
                # Eight colours can be told apart; further methods repeat them with dashes.
                "line": {"color": f"@c{number % 8}", "width": 2, "dash": "solid" if number < 8 else "dash"},
                "marker": {"size": 7},
                "hovertemplate": "%{x:,} rows: %{y:.4g}",
            }
            for number, (method, curve) in enumerate(curves.items())
        ],
        {
            "xaxis": {"title": {"text": "training rows"}, **make_log_axis(min(rows), max(rows), 6)},
            "yaxis": {"title": {"text": "error"}, **make_log_axis(min(errors), max(errors), 6)},
            "hovermode": "x",
        },
        320,
    )


def plot_budget(searches: list[MethodSearch], tasks: int, board: Board, name: str) -> Figure | None:
    """The expected validation error of the best of k random trials, over k, one line per method.

    A method whose line falls late needs many trials to be good, which a comparison after a few would not show. The
    expectation is that of Dodge et al., Show Your Work, EMNLP 2019 (`MethodSearch.expected_best`).

    Args:
        searches: the searches of the board's methods; those without a winner are left out.
        tasks: the number of tasks, by which a sum of log errors becomes the log of their geometric mean.
        board: gives the name of the reference, which is dotted.
        name: the board's name, unique on the site.

    Returns:
        None where no value is finite.
    """
    curves = {
        # Infinite while all k trials may have failed: a gap in the line.
        search.method: [math.exp(value / tasks) if math.isfinite(value) else math.nan for value in best]
        for search in searches
        if search.winner and (best := search.expected_best()) is not None
    }
    errors = [value for curve in curves.values() for value in curve if math.isfinite(value)]
    if not errors:
        return None
    # By the error after all trials, so that the legend begins with the best.
    order = sorted(curves, key=lambda method: curves[method][-1])
    return Figure(
        f"budget-{name}",
        "What more trials buy",
        "Expected validation error of the best of k random trials (geometric mean over tasks). Lower is better. "
        f"Dotted: {board.label(board.reference)}.",
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": shorten_label(method),
                "x": list(range(1, len(curves[method]) + 1)),
                "y": curves[method],
                "line": {
                    "color": "@ink" if method == board.reference else f"@c{number % 8}",
                    "width": 2,
                    "dash": "dot" if method == board.reference else "dash" if number >= 8 else "solid",
                },
                "hovertemplate": "%{x} trials: %{y:.4g}",
            }
            for number, method in enumerate(order)
        ],
        {
            "xaxis": {"title": {"text": "trials"}},
            "yaxis": {"title": {"text": "validation error"}, **make_log_axis(min(errors), max(errors), 6)},
            "hovermode": "x",
        },
        320,
    )


def _find_pareto_front(points: dict[str, tuple[float, float]]) -> list[str]:
    """Methods with no other one that is both cheaper and better, cheapest first.

    `points` maps a method to (cost, quality); lower cost and higher quality are better. Of methods with equal cost and
    quality one is kept.
    """
    front: list[str] = []
    for method in sorted(points, key=lambda name: (points[name][0], -points[name][1])):
        # Sorted by cost, so a method is on the front exactly where it beats the best of the cheaper ones.
        if not front or points[method][1] > points[front[-1]][1]:
            front.append(method)
    return front
