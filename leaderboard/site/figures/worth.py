"""Charts of what quality takes: parameters and arithmetic, training rows, trials of a search."""

import math

from leaderboard.analysis.data_worth import read_errors
from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import DECIDES
from leaderboard.boards.board import Board
from leaderboard.boards.tuned_track import MethodSearch
from leaderboard.site.figures.parts import label, log_axis, reach
from leaderboard.site.view import Figure, Panels, Trace, shorten_label


def cost_figure(results: Results, name: str, hrefs: dict[str, str]) -> Figure | None:
    """Δ log over parameters and over the arithmetic of a forward, with the line that nobody is above and left of."""
    points: dict[str, tuple[tuple[int, int], tuple[float, float | None, float | None]]] = {}
    for method, own in results.change_rows.items():
        row = own.get(DECIDES)
        known = (r.cost for (name, _), r in results.records.items() if name == method and r.cost)
        if row and row.mean is not None and (cost := next(known, None)):
            points[method] = (cost.parameters, cost.forward_flops), (row.mean, row.ci_low, row.ci_high)
    if len(points) < 2:
        return None
    traces: list[Trace] = []
    layout: Trace = {"hovermode": "closest", "yaxis": {"title": {"text": "Δ log"}}}
    for number in (0, 1):
        costs = {method: max(1, cost[number]) for method, (cost, _) in points.items()}
        front = _front({method: (cost, points[method][1][0]) for method, cost in costs.items()})
        layout[f"xaxis{number + 1}"] = log_axis(min(costs.values()), max(costs.values()))
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
        for kind, methods in (("better", front), ("unclear", [method for method in costs if method not in front])):
            estimates = [points[method][1] for method in methods]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": "on it: nothing is better for less" if kind == "better" else "others",
                    "showlegend": not number,
                    "x": [costs[method] for method in methods],
                    "y": [mean for mean, _, _ in estimates],
                    "text": [label(results, method) for method in methods],
                    "customdata": [hrefs.get(method, "") for method in methods],
                    "error_y": {
                        "type": "data",
                        "symmetric": False,
                        "array": [reach(high, mean) for mean, _, high in estimates],
                        "arrayminus": [reach(mean, low) for mean, low, _ in estimates],
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
        "Δ log (higher is better) over trained parameters and over the floating point operations of one forward.",
        traces,
        layout,
        panels=Panels(["trained parameters", "operations of a forward"], 240, 240, left=58),
    )


def size_figure(results: Results, name: str) -> Figure | None:
    """Error against the number of training rows, for boards whose suite was run at several sizes."""
    curves = {method: read_errors(results.series, method) for method in results.board.methods}
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
                "name": label(results, method),
                "x": list(curve),
                "y": [math.exp(error) for error in curve.values()],
                "line": {"color": f"@c{number % 8}", "width": 2, "dash": "solid" if number < 8 else "dash"},
                "marker": {"size": 7},
                "hovertemplate": "%{x:,} rows: %{y:.4g}",
            }
            for number, (method, curve) in enumerate(curves.items())
        ],
        {
            "xaxis": {"title": {"text": "training rows"}, **log_axis(min(rows), max(rows), 6)},
            "yaxis": {"title": {"text": "error"}, **log_axis(min(errors), max(errors), 6)},
            "hovermode": "x",
        },
        320,
    )


def budget_figure(searches: list[MethodSearch], tasks: int, board: Board, name: str) -> Figure | None:
    """The validation error that the best of k trials has, expected over which k of the trials they are."""
    curves = {
        search.method: [math.exp(value / tasks) if math.isfinite(value) else math.nan for value in found]
        for search in searches
        if search.winner and (found := search.expected_best()) is not None
    }
    errors = [value for curve in curves.values() for value in curve if math.isfinite(value)]
    if not errors:
        return None
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
            "yaxis": {"title": {"text": "validation error"}, **log_axis(min(errors), max(errors), 6)},
            "hovermode": "x",
        },
        320,
    )


def _front(points: dict[str, tuple[float, float]]) -> list[str]:
    """The methods that no other one is at once better and cheaper than, cheapest first."""
    found: list[str] = []
    for method in sorted(points, key=lambda name: (points[name][0], -points[name][1])):
        if not found or points[method][1] > points[found[-1]][1]:
            found.append(method)
    return found
