"""The hardness dial: score and effective sharing against the strength of a constraint."""

import math

import numpy as np

from bench.records import ResultRecord
from bench.scores import primary_error
from leaderboard.analysis.dials import Dial
from leaderboard.analysis.statistics import interval
from leaderboard.site.view import Figure, Trace, escape_words

COLOURS = {"single_task": "c1", "hard": "c2"}


def dial_figure(dial: Dial, name: str) -> Figure:
    """Two charts over one axis: the error between the plain methods at its ends, and what was learned in common."""
    labels = [f"{value:g}" if math.isfinite(value) else "∞" for value in dial.points]
    traces = _path(
        labels, [_errors(runs) for runs in dial.points.values()], escape_words(dial.method), "y", geometric=True
    )
    for end, runs in reversed(dial.ends.items()):
        traces = [*_band(end, labels, _summary(_errors(runs), geometric=True)), *traces]
    shared = [
        [float(np.mean(list(r.effective_sharing.values()))) for r in runs if r.effective_sharing]
        for runs in dial.points.values()
    ]
    if any(shared):
        traces += _path(labels, shared, "effective sharing", "y2", geometric=False)
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
                "anchor": "y2",
            },
            "yaxis": {"title": {"text": "error, %"}, "type": "log", "domain": [0.44, 1], "nticks": 6},
            "yaxis2": {"title": {"text": "effective sharing"}, "range": [0, 1.05], "domain": [0, 0.36]},
            "hovermode": "closest",
        },
        480,
        wide=True,
    )


def _band(end: str, labels: list[str], summary: tuple[float, float, float]) -> list[Trace]:
    """A plain method, which does not depend on the dial: its mean as a line, its interval as a band."""
    middle, low, high = summary
    line: Trace = {"type": "scatter", "mode": "lines", "x": [labels[0], labels[-1]], "xaxis": "x", "yaxis": "y"}
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


def _path(labels: list[str], samples: list[list[float]], name: str, axis: str, *, geometric: bool) -> list[Trace]:
    """A line through the means at the values of a dial, with intervals; values without a run are left out."""
    known = [(label, _summary(sample, geometric)) for label, sample in zip(labels, samples, strict=True) if sample]
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
            "showlegend": axis == "y",
            "line": {"color": "@c0", "width": 2},
            "marker": {"size": 7},
            "hovertemplate": f"%{{x}}: %{{y:.3f}}<extra>{name}</extra>",
            "xaxis": "x",
            "yaxis": axis,
        }
    ]


def _errors(runs: list[ResultRecord]) -> list[float]:
    """In percent of 1: the geometric mean over tasks of the primary error of each run."""
    found = []
    for run in runs:
        kinds = run.spec.protocol.metrics
        states = run.statistics.get("per_task") or next(iter(run.statistics.values()))
        found.append(
            100 * math.exp(np.mean([math.log(primary_error(kinds[task], states[task])) for task in run.tasks]))
        )
    return found


def _summary(sample: list[float], geometric: bool) -> tuple[float, float, float]:
    """Mean and 95 % interval; of the logarithms, taken back, where an error is never negative."""
    values = np.log(sample) if geometric else np.array(sample)
    found = interval(values)
    ends = [found.mean, *(found.mean if end is None else end for end in (found.low, found.high))]
    middle, low, high = (math.exp(end) for end in ends) if geometric else ends
    return middle, low, high
