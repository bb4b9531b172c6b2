"""Charts of one board: differences, costs, tasks, profiles, wins, and what more data or trials buy."""

import math

import numpy as np

from leaderboard.board import Board
from leaderboard.site.view import Figure, Trace, short, words
from leaderboard.standing import DECIDES
from leaderboard.statistics import gains, interval, performance_profile, win_probability
from leaderboard.store import StoreContents
from leaderboard.table import Row, Table
from leaderboard.tuned import Search
from leaderboard.worth import sizes

LINE = 24  # pixels from one method to the next
PANEL = 190  # pixels of a small chart among many
PROFILES = 8  # methods that a legend can tell apart


def board_figures(table: Table, contents: StoreContents) -> list[Figure]:
    """Everything that the rows of `table` can show; nothing where there is no difference to show."""
    if table.data is None or not table.data.columns:
        return []
    found = (forest(table), against_cost(table), by_task(table), profiles(table), wins(table), by_size(table, contents))
    return [figure for figure in found if figure]


def forest(table: Table) -> Figure | None:
    """Paired differences from the reference with their intervals, best on top."""
    rows = [row for row in table.rows if row.metric == DECIDES and row.method != table.board.reference]
    rows = sorted((row for row in rows if row.mean is not None), key=lambda row: row.mean or 0.0)
    if not rows:
        return None
    groups = {kind: [row for row in rows if _kind(row) == kind] for kind in ("better", "unclear", "worse")}
    labels = [_label(table, row.method) for row in rows]
    names = {"better": "better than the reference", "unclear": "interval holds zero", "worse": "worse"}
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": names[kind],
            "x": [row.mean for row in own],
            "y": [_label(table, row.method) for row in own],
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [_reach(row.ci_high, row.mean) for row in own],
                "arrayminus": [_reach(row.mean, row.ci_low) for row in own],
                "thickness": 2,
                "width": 0,
                "color": f"@{kind}",
            },
            "marker": {"color": f"@{kind}", "size": 8, "symbol": "circle-open" if kind == "unclear" else "circle"},
            "hovertemplate": "%{y}<br>%{x:.3f}<extra></extra>",
        }
        for kind, own in groups.items()
        if own
    ]
    return Figure(
        f"forest-{table.board.name}",
        "Change against single-task" if table.board.reference == "single_task" else "Change against the reference",
        "Change in log error (mean over tasks, paired by seed) with 95 % intervals. Right is better.",
        traces,
        {
            "xaxis": {"title": {"text": "Δ log"}, "zeroline": True},
            "yaxis": {
                "categoryorder": "array",
                "categoryarray": labels,
                "automargin": True,
                "type": "category",
                "range": [-0.7, len(rows) - 0.3],
            },
            "hovermode": "closest",
        },
        LINE * len(rows) + 110,
    )


def against_cost(table: Table) -> Figure | None:
    """Δ log over parameters and over the arithmetic of a forward, with the line that nobody is above and left of."""
    points: dict[str, tuple[int, int, float, float | None, float | None]] = {}
    for row in table.rows:
        known = (r.cost for (method, _), r in table.records.items() if method == row.method and r.cost)
        if row.metric == DECIDES and row.mean is not None and (cost := next(known, None)):
            points[row.method] = (cost.parameters, cost.forward_flops, row.mean, row.ci_low, row.ci_high)
    if len(points) < 2:
        return None
    traces: list[Trace] = []
    for number, axis in enumerate(("", "2")):
        costs = {method: point[:2][number] for method, point in points.items()}
        front = _front({method: (cost, points[method][2]) for method, cost in costs.items()})
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "line": {"shape": "hv", "color": "@soft", "width": 1, "dash": "dot"},
                "x": [costs[method] for method in front],
                "y": [points[method][2] for method in front],
                "name": "Pareto line",
                "showlegend": not number,
                "hoverinfo": "skip",
                "xaxis": f"x{axis}",
                "yaxis": "y",
            }
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "methods",
                "showlegend": False,
                "x": list(costs.values()),
                "y": [point[2] for point in points.values()],
                "text": [_label(table, method) for method in points],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_reach(point[4], point[2]) for point in points.values()],
                    "arrayminus": [_reach(point[2], point[3]) for point in points.values()],
                    "thickness": 1,
                    "width": 0,
                    "color": "@rule",
                },
                "marker": {
                    "size": 9,
                    "color": ["@better" if method in front else "@unclear" for method in points],
                },
                "hovertemplate": "%{text}<br>%{x:,} · %{y:.3f}<extra></extra>",
                "xaxis": f"x{axis}",
                "yaxis": "y",
            }
        )
    return Figure(
        f"cost-{table.board.name}",
        "Quality against cost",
        "Δ log (higher is better) over trained parameters and over the floating point operations of one forward. "
        "Blue: nothing is better for less.",
        traces,
        {
            "xaxis": {"title": {"text": "parameters"}, "type": "log", "tickangle": 0, "nticks": 5, "domain": [0, 0.47]},
            "xaxis2": {
                "title": {"text": "operations of a forward"},
                "type": "log",
                "tickangle": 0,
                "nticks": 5,
                "domain": [0.53, 1],
            },
            "yaxis": {"title": {"text": "Δ log"}},
            "hovermode": "closest",
        },
        340,
    )


def by_task(table: Table) -> Figure | None:
    """Method by task: the mean log ratio of the reference's error to the method's."""
    data = table.data
    assert data is not None
    means = np.array([[interval(column).mean for column in gain.T] for gain in gains(data)])
    if not np.isfinite(means).any() or len(data.tasks) < 2:
        return None
    largest = float(np.nanmax(np.abs(means))) or 1.0
    labels = [_label(table, method) for method in data.board.methods]
    return Figure(
        f"tasks-{table.board.name}",
        "Task by task",
        "log(reference error / error), mean over seeds. Blue is better than the reference, orange worse.",
        [
            {
                "type": "heatmap",
                "z": means[::-1],
                "x": [words(task) for task in data.tasks],
                "y": labels[::-1],
                "colorscale": "@diverging",
                "zmin": -largest,
                "zmax": largest,
                "colorbar": {"thickness": 10, "outlinewidth": 0},
                "xgap": 2,
                "ygap": 2,
                "hovertemplate": "%{y}<br>%{x}: %{z:.3f}<extra></extra>",
            }
        ],
        {"yaxis": {"automargin": True, "type": "category"}, "xaxis": {"type": "category", "automargin": True}},
        LINE * len(labels) + 110,
    )


def profiles(table: Table) -> Figure | None:
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
    return Figure(
        f"profile-{table.board.name}",
        "Performance profile",
        "Share of runs and tasks whose gain in log error lies above a threshold. Higher is better; where two lines "
        f"cross, the threshold decides. {'The best ' + str(PROFILES) + ' methods.' if len(means) > PROFILES else ''}",
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": _label(table, data.board.methods[at]),
                "x": thresholds,
                "y": 100 * shares[at],
                "line": {"color": f"@c{number}", "width": 2, "shape": "hv"},
                "hovertemplate": "%{y:.0f} % above %{x:.3f}",
            }
            for number, at in enumerate(best)
        ],
        {
            "xaxis": {"title": {"text": "gain in log error"}},
            "yaxis": {"title": {"text": "runs and tasks above, %"}, "rangemode": "tozero"},
            "hovermode": "x",
        },
        360,
    )


def wins(table: Table) -> Figure | None:
    """How probably a method beats another one on a random seed and task."""
    data = table.data
    assert data is not None
    if len(data.board.methods) < 2 or not np.isfinite(data.errors).any():
        return None
    labels = [_label(table, method) for method in data.board.methods]
    return Figure(
        f"wins-{table.board.name}",
        "Who beats whom",
        "Probability, in %, that the method of the row has the smaller error on a random seed and task than that of "
        "the column. Ties count half.",
        [
            {
                "type": "heatmap",
                "z": 100 * win_probability(-data.errors)[::-1],
                "x": labels,
                "y": labels[::-1],
                "colorscale": "@diverging",
                "zmin": 0,
                "zmax": 100,
                "colorbar": {"thickness": 10, "outlinewidth": 0},
                "xgap": 1,
                "ygap": 1,
                "hovertemplate": "%{y}<br>beats %{x}<br>%{z:.0f} %<extra></extra>",
            }
        ],
        {
            "xaxis": {"type": "category", "tickangle": -60, "automargin": True},
            "yaxis": {"type": "category", "automargin": True},
        },
        max(340, 20 * len(labels) + 190),
        wide=len(labels) > 16,
    )


def by_size(table: Table, contents: StoreContents) -> Figure | None:
    """Error against the number of training rows, for boards whose suite was run at several sizes."""
    curves = {
        method: sizes(table.board, method, contents.records, table.selection)  # type: ignore[arg-type]
        for method in table.board.methods
    }
    curves = {method: curve for method, curve in curves.items() if len(curve) > 1}
    if not curves:
        return None
    return Figure(
        f"size-{table.board.name}",
        "Error against training rows",
        "Geometric mean over tasks and seeds of the primary error, at the same number of updates. Lower is better.",
        [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": _label(table, method),
                "x": list(curve),
                "y": [math.exp(error) for error in curve.values()],
                "line": {"color": f"@c{number % 8}", "width": 2},
                "hovertemplate": "%{x:,} rows: %{y:.4g}",
            }
            for number, (method, curve) in enumerate(curves.items())
        ],
        {
            "xaxis": {"title": {"text": "training rows"}, "type": "log"},
            "yaxis": {"title": {"text": "error"}, "type": "log"},
            "hovermode": "x",
        },
        340,
    )


def budgets(searches: list[Search], tasks: int, board: Board) -> Figure | None:
    """The validation error that the best of k trials has, expected over which k of the trials they are."""
    curves = {
        search.method: [math.exp(value / tasks) if math.isfinite(value) else math.nan for value in found]
        for search in searches
        if search.winner and (found := search.expected_best()) is not None
    }
    if not curves:
        return None
    edges = {search.method: search.edges for search in searches if search.edges}
    text = (
        "Expected validation error of the best of k random trials (geometric mean over tasks). Lower is better. "
        f"Dotted: {board.label(board.reference)}."
    )
    if edges:
        text += " At the edge of the grid: " + "; ".join(f"{m} ({', '.join(e)})" for m, e in edges.items()) + "."
    order = sorted(curves, key=lambda method: curves[method][-1])
    return Figure(
        f"budget-{board.name}",
        "What more trials buy",
        text,
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": short(method),
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
            "yaxis": {"title": {"text": "validation error"}, "type": "log"},
            "hovermode": "x",
        },
        360,
    )


def _kind(row: Row) -> str:
    if row.ci_low is None or row.ci_high is None:
        return "unclear"
    return "better" if row.ci_low > 0 else "worse" if row.ci_high < 0 else "unclear"


def _reach(high: float | None, low: float | None) -> float:
    return 0.0 if high is None or low is None else high - low


def _label(table: Table, method: str) -> str:
    return short(table.board.label(method))


def _front(points: dict[str, tuple[float, float]]) -> list[str]:
    """The methods that no other one is at once better and cheaper than, cheapest first."""
    found: list[str] = []
    for method in sorted(points, key=lambda name: (points[name][0], -points[name][1])):
        if not found or points[method][1] > points[found[-1]][1]:
            found.append(method)
    return found
