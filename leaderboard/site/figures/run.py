"""Charts of training: curves over epochs, the choice of a strength, effective sharing layer by layer.

The first two are of one record, for the page of a run; effective sharing is the mean over all runs that are given.
"""

from collections.abc import Sequence

import numpy as np

from bench.records import ResultRecord
from bench.scores import list_metrics
from leaderboard.site.view import Figure, Panels, Trace, escape_words, shorten_label

DEFINITION = (
    "1 - |U - mean U|² / |U|² of the towers' updates U: 1 where all moved alike, as in hard sharing, 1/T where they "
    "have nothing in common"
)


def plot_curves(record: ResultRecord) -> Figure | None:
    """Training loss and validation scores of every task over epochs, a panel for each metric.

    A task has one colour in all panels, and one entry in the legend. Epochs count from 1; a value that was not finite
    is a gap in its line.

    Args:
        record: the run; units and names of its metrics follow from its protocol.

    Returns:
        None where the record has no curves, as one that a solver fitted.
    """
    panels: dict[str, dict[str, list[float | None]]] = {"training loss": record.curves.train_loss}
    for task, metrics in record.curves.val.items():
        known = list_metrics(record.spec.protocol.metrics.get(task, ""))
        for metric, path in metrics.items():
            unit = f", {known[metric].unit}" if metric in known and known[metric].unit else ""
            panels.setdefault(f"validation {metric}{unit}", {})[task] = path
    panels = {name: paths for name, paths in panels.items() if paths}
    if not panels:
        return None
    colours: dict[str, str] = {}
    traces: list[Trace] = []
    for number, paths in enumerate(panels.values()):
        for task, path in paths.items():
            # Panels share one legend, so a task is listed by its first trace only.
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
        wide=len(panels) > 2,
        common={"type": "scatter", "mode": "lines", "x0": 1, "hovertemplate": "%{y:.4g}"},
        panels=Panels([escape_words(name) for name in panels], 250, 150),
    )


def plot_choice(record: ResultRecord) -> Figure | None:
    """The loss of cross-validation along the path of strengths (log scale); the one that was chosen is a large point.

    Args:
        record: the run; its `solution` holds the strengths and the loss per row left out at each.

    Returns:
        None for runs of descent, and where there was no choice.
    """
    solution = record.solution
    if solution is None or len(solution.strengths) < 2:
        return None
    chosen = solution.strengths.index(solution.strength) if solution.strength in solution.strengths else None
    traces: list[Trace] = [
        {"x": solution.strengths, "y": solution.errors, "mode": "lines+markers", "line": {"color": "@c0", "width": 2}}
    ]
    if chosen is not None:
        marker = {"color": "@c1", "size": 10}
        traces.append({"x": [solution.strength], "y": [solution.errors[chosen]], "mode": "markers", "marker": marker})
    return Figure(
        "choice",
        "Choice of the strength",
        "Loss per row left out, by cross-validation inside the training part; the large point was chosen.",
        traces,
        {"xaxis": {"type": "log", "title": {"text": "strength"}}, "yaxis": {"title": {"text": "loss per row"}}},
        height=240,
        common={"type": "scatter", "showlegend": False, "hovertemplate": "%{x:.4g}: %{y:.5g}<extra></extra>"},
    )


def plot_sharing(runs: Sequence[ResultRecord], name: str) -> Figure | None:
    """Effective sharing of the updates, layer by layer, the mean over runs, with a dotted line at its least value 1/T.

        s = 1 - |U - mean U|² / |U|², U the updates of T towers

    Args:
        runs: runs of one method on one suite; a layer that some of them lack is averaged over the others.
        name: the figure's name, unique on its page.

    Returns:
        None where no run recorded it. Without the dotted line where tasks are pooled, as T is not known then.
    """
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
        f"{DEFINITION}{f'; dotted: 1/T = {least:.2g}' * known}.{over}",
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
