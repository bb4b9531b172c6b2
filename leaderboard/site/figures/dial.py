"""The chart of a dial: test error and effective sharing at every value of one option of a method.

`mtlbench sweep` runs a dial, and `analysis/dials` finds the dials of a store. The typical one is `soft+l2:halflife=...`
from separate models (infinite half-life) to hard sharing (zero).
"""

import math

import numpy as np

from leaderboard.analysis.dials import Dial, compute_dial_errors, summarise_dial_sample
from leaderboard.site.view import Figure, Panels, Trace, escape_words

# The method's own line is c0.
COLOURS = {"single_task": "c1", "hard": "c2"}


def plot_dial(dial: Dial, name: str) -> Figure:
    """Plot error and effective sharing of a dial in two charts over one axis, values of the option from large to small.

    The error is the geometric mean over tasks of the primary error, in percent, with the mean over seeds and its 95 %
    interval on a log scale. The plain methods that a dial runs between, as `single_task` and `hard`, are horizontal
    bands. Effective sharing is the mean over layers of each run; that chart is empty where no run recorded it.

    Args:
        dial: the runs at every value, and those of the plain methods.
        name: the figure's name, unique on its page.
    """
    # Values are categories: they span orders of magnitude, and a half-life ends at infinity, which no scale has.
    labels = [f"{value:g}" if math.isfinite(value) else "∞" for value in dial.points]
    traces = _draw_path(
        labels,
        [compute_dial_errors(runs) for runs in dial.points.values()],
        escape_words(dial.method),
        0,
        geometric=True,
    )
    # In front of the list, so that bands are drawn first and lie behind the line.
    for end, runs in reversed(dial.ends.items()):
        traces = [*_draw_band(end, labels, summarise_dial_sample(compute_dial_errors(runs), geometric=True)), *traces]
    shared = [
        [float(np.mean(list(r.effective_sharing.values()))) for r in runs if r.effective_sharing]
        for runs in dial.points.values()
    ]
    if any(shared):
        traces += _draw_path(labels, shared, "effective sharing", 1, geometric=False)
    return Figure(
        name,
        "Error, and how much is learned in common",
        f"Test error and effective sharing at every value of {dial.option}, with 95 % intervals over seeds.",
        traces,
        {
            "xaxis": {
                "title": {"text": escape_words(dial.option)},
                "type": "category",
                "categoryorder": "array",
                "categoryarray": labels,
            },
            "yaxis1": {"type": "log"},
            "yaxis2": {"range": [0, 1.05]},
            "hovermode": "closest",
        },
        wide=True,
        panels=Panels(["error, %", "effective sharing"][: 1 + any(map(bool, shared))], 340, 260, left=58),
    )


def _draw_band(end: str, labels: list[str], summary: tuple[float, float, float]) -> list[Trace]:
    """Traces of a plain method, which does not depend on the dial: its mean as a line, its interval as a band.

    Args:
        end: the method's name, a key of COLOURS.
        labels: texts of the dial's values; the band spans all of them.
        summary: (mean, low end, high end) of `summarise_dial_sample`.
    """
    middle, low, high = summary
    line: Trace = {"type": "scatter", "mode": "lines", "x": [labels[0], labels[-1]], "panel": 0}
    colour = f"@{COLOURS[end]}"
    edge = {"showlegend": False, "hoverinfo": "skip", "line": {"width": 0, "color": colour}, "name": end}
    return [
        {**line, **edge, "y": [low, low]},
        {**line, **edge, "y": [high, high], "fill": "tonexty", "fillcolor": f"{colour}:0.13"},
        {
            **line,
            "y": [middle, middle],
            "name": end,
            "line": {"color": colour, "width": 2},
            "hovertemplate": f"{end} %{{y:.3f}} %<extra></extra>",
        },
    ]


def _draw_path(labels: list[str], samples: list[list[float]], name: str, panel: int, *, geometric: bool) -> list[Trace]:
    """A line through the means at the values of a dial, with their intervals; values without a run are left out.

    Args:
        labels: texts of the dial's values, the categories of the axis.
        samples: of every value, one number per run.
        name: what the line is called when it is pointed at; in the legend for errors only.
        panel: 0 for the chart of errors, 1 for that of effective sharing.
        geometric: whether means are taken of logarithms.
    """
    known = [
        (label, summarise_dial_sample(sample, geometric))
        for label, sample in zip(labels, samples, strict=True)
        if sample
    ]
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": [label for label, _ in known],
            "y": [middle for _, (middle, _, _) in known],
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [high - middle for _, (middle, _, high) in known],
                "arrayminus": [middle - low for _, (middle, low, _) in known],
                "thickness": 1.5,
                "width": 3,
                "color": "@c0",
            },
            "name": name,
            "showlegend": not panel,
            "line": {"color": "@c0", "width": 2},
            "marker": {"size": 7},
            "hovertemplate": f"%{{x}}: %{{y:.3f}}<extra>{name}</extra>",
            "panel": panel,
        }
    ]
