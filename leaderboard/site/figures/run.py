"""Charts of runs: curves over epochs, and how much was learned in common."""

from collections.abc import Sequence

import numpy as np

from bench.records import ResultRecord
from bench.scores import list_metrics
from leaderboard.site.view import Figure, Panels, Trace, escape_words, shorten_label

DEFINITION = (
    "1 - |U - mean U|² / |U|² of the towers' updates U: 1 where all moved alike, as in hard sharing, 1/T where they "
    "have nothing in common"
)


def curve_figure(record: ResultRecord) -> Figure | None:
    """Training loss and validation scores of every task over epochs, a panel for each metric."""
    found: dict[str, dict[str, list[float | None]]] = {"training loss": record.curves.train_loss}
    for task, metrics in record.curves.val.items():
        known = list_metrics(record.spec.protocol.metrics.get(task, ""))
        for metric, path in metrics.items():
            unit = f", {known[metric].unit}" if metric in known and known[metric].unit else ""
            found.setdefault(f"validation {metric}{unit}", {})[task] = path
    found = {name: paths for name, paths in found.items() if paths}
    if not found:
        return None
    colours: dict[str, str] = {}
    traces: list[Trace] = []
    for number, paths in enumerate(found.values()):
        for task, path in paths.items():
            new = task not in colours
            traces.append(
                {
                    "name": escape_words(task),
                    "showlegend": new,
                    "y": path,
                    "line": {"color": colours.setdefault(task, f"@c{len(colours) % 8}"), "width": 2},
                    "panel": number,
                }
            )
    return Figure(
        "curves",
        "Curves",
        "Mean training loss and validation scores of each task, epoch by epoch.",
        traces,
        {"hovermode": "x"},
        wide=len(found) > 2,
        common={"type": "scatter", "mode": "lines", "x0": 1, "hovertemplate": "%{y:.4g}"},
        panels=Panels([escape_words(name) for name in found], 250, 150),
    )


def choice_figure(record: ResultRecord) -> Figure | None:
    """The error of cross-validation along the path of strengths, and which was chosen."""
    found = record.solution
    if found is None or len(found.strengths) < 2:
        return None
    chosen = found.strengths.index(found.strength) if found.strength in found.strengths else None
    traces: list[Trace] = [
        {"x": found.strengths, "y": found.errors, "mode": "lines+markers", "line": {"color": "@c0", "width": 2}}
    ]
    if chosen is not None:
        marker = {"color": "@c1", "size": 10}
        traces.append({"x": [found.strength], "y": [found.errors[chosen]], "mode": "markers", "marker": marker})
    return Figure(
        "choice",
        "Choice of the strength",
        "Loss per row left out, by cross-validation inside the training part; the large point was chosen.",
        traces,
        {"xaxis": {"type": "log", "title": {"text": "strength"}}, "yaxis": {"title": {"text": "loss per row"}}},
        height=240,
        common={"type": "scatter", "showlegend": False, "hovertemplate": "%{x:.4g}: %{y:.5g}<extra></extra>"},
    )


def sharing_figure(runs: Sequence[ResultRecord], name: str, *, brief: bool = False) -> Figure | None:
    """Effective sharing of the updates, layer by layer, the mean over runs; `brief` where the page said what it is."""
    layers = list(dict.fromkeys(layer for run in runs for layer in run.effective_sharing))
    if not layers:
        return None
    means = [np.mean([r.effective_sharing[layer] for r in runs if layer in r.effective_sharing]) for layer in layers]
    least = 1 / max(1, len(runs[0].tasks))
    known = len(runs[0].tasks) > 1  # tasks whose scores are pooled are not named one by one
    dotted = {"dash": "dot", "width": 1.5, "color": "@ink"}
    line = {"type": "line", "x0": least, "x1": least, "yref": "paper", "y0": 0, "y1": 1, "line": dotted}
    over = f" Mean over {len(runs)} runs." if len(runs) > 1 else ""
    return Figure(
        name,
        "Effective sharing, layer by layer",
        f"{'Of the updates' if brief else DEFINITION}{f'; dotted: 1/T = {least:.2g}' * known}.{over}",
        [
            {
                "type": "bar",
                "orientation": "h",
                "x": means[::-1],
                "y": [shorten_label(layer, 24) for layer in layers][::-1],
                "marker": {"color": "@c0"},
                "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
            }
        ],
        {
            "xaxis": {"range": [0, 1.02], "title": {"text": "effective sharing"}},
            "yaxis": {"type": "category", "ticklen": 0},
            "bargap": 0.35,
            "shapes": [line] * known,
        },
        80 + 20 * len(layers),
    )
