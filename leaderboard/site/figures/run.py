"""Charts of runs: curves over epochs, and what was learned about sharing."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.records import Packed, ResultRecord
from leaderboard.site.view import Figure, Trace, short, words

SIDE = 150  # pixels of one matrix among several
ACROSS = 4
MOST = 16  # matrices in one figure


def curve_figure(record: ResultRecord) -> Figure | None:
    """Training loss and validation scores of every task over epochs, a panel for each metric."""
    curves = record.curves
    panels: dict[str, dict[str, list[float | None]]] = {"training loss": dict(curves.train_loss)}
    for task, metrics in curves.val.items():
        for metric, path in metrics.items():
            panels.setdefault(f"validation {metric}", {})[task] = path
    panels = {name: paths for name, paths in panels.items() if paths}
    if not panels:
        return None
    traces: list[Trace] = []
    layout: Trace = {"hovermode": "x", "annotations": []}
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    colours: dict[str, str] = {}
    for number, (name, paths) in enumerate(panels.items()):
        axis = str(number + 1) if number else ""
        column, row = number % across, number // across
        left, right = _cell(column, across, 0.1)
        low, high = _cell(down - 1 - row, down, 0.22)
        layout[f"xaxis{axis}"] = {"domain": [left, right], "anchor": f"y{axis}", "title": {"text": "epoch"}}
        layout[f"yaxis{axis}"] = {"domain": [low, high], "anchor": f"x{axis}"}
        layout["annotations"].append(_heading(words(name), left, high))
        for task, path in paths.items():
            colour = colours.setdefault(task, f"@c{len(colours) % 8}")
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": words(task),
                    "legendgroup": words(task),
                    "showlegend": all(trace["name"] != words(task) for trace in traces),
                    "x": list(range(1, len(path) + 1)),
                    "y": path,
                    "line": {"color": colour, "width": 2},
                    "xaxis": f"x{axis}",
                    "yaxis": f"y{axis}",
                    "hovertemplate": "%{y:.4g}",
                }
            )
    return Figure(
        "curves",
        "Curves",
        "Mean training loss and validation scores of each task, epoch by epoch.",
        traces,
        layout,
        60 + 230 * down,
        wide=True,
    )


def matrix_figure(runs: Sequence[ResultRecord], name: str) -> Figure | None:
    """What the runs learned about sharing (stitch units, gates, task covariances), the mean over them."""
    found: dict[str, np.ndarray] = {}
    names = list(dict.fromkeys(key for run in runs for key in run.matrices))
    for key in names:
        own = [matrix for run in runs if key in run.matrices and (matrix := _matrix(run.matrices[key])) is not None]
        if own and all(matrix.shape == own[0].shape for matrix in own):
            slices = _slices(np.mean(own, axis=0))
            found |= {f"{key} {part}".strip(): matrix for part, matrix in slices.items()}
    if not found:
        return None
    tasks = runs[0].tasks
    kept = dict(list(found.items())[:MOST])
    text = f"Mean over {len(runs)} run{'s' * (len(runs) != 1)}."
    if len(found) > MOST:
        text += f" The first {MOST} of {len(found)}."
    return _matrices(name, "What was learned about sharing", text, kept, tasks)


def cosine_figure(runs: Mapping[str, Sequence[ResultRecord]], name: str) -> Figure | None:
    """Cosines of the task gradients, side by side, the mean over each method's runs."""
    found: dict[str, np.ndarray] = {}
    tasks: list[str] = []
    for label, own in runs.items():
        known = [matrix for run in own if run.cosines and (matrix := _matrix(run.cosines)) is not None]
        if known and all(matrix.shape == known[0].shape for matrix in known):
            found[label] = np.mean(known, 0)
            tasks = own[0].tasks
    if not found:
        return None
    kept = dict(list(found.items())[:MOST])
    text = (
        "Cosines of the task gradients after training, over the shared parameters or the tasks' aligned copies: "
        "blue agrees, orange conflicts. Mean over seeds."
    )
    if len(found) > MOST:
        text += f" The first {MOST} of {len(found)} methods."
    return _matrices(name, "Where the tasks agree", text, kept, tasks, 1.0)


def sharing_figure(runs: Sequence[ResultRecord], name: str) -> Figure | None:
    """Effective sharing of the updates, layer by layer, the mean over runs."""
    layers = list(dict.fromkeys(layer for run in runs for layer in run.effective_sharing))
    if not layers:
        return None
    means = [np.mean([r.effective_sharing[layer] for r in runs if layer in r.effective_sharing]) for layer in layers]
    least = 1 / max(1, len(runs[0].tasks))
    return Figure(
        name,
        "Effective sharing, layer by layer",
        f"1 - |U - mean U|² / |U|² of the towers' updates U: 1 is hard sharing, 1/T = {least:.2g} (dotted) nothing in "
        f"common. Mean over {len(runs)} run{'s' * (len(runs) != 1)}.",
        [
            {
                "type": "bar",
                "orientation": "h",
                "x": means[::-1],
                "y": [short(layer) for layer in layers][::-1],
                "marker": {"color": "@c0"},
                "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
            }
        ],
        {
            "xaxis": {"range": [0, 1.02], "title": {"text": "effective sharing"}},
            "yaxis": {"type": "category", "automargin": True},
            "shapes": [
                {
                    "type": "line",
                    "x0": least,
                    "x1": least,
                    "yref": "paper",
                    "y0": 0,
                    "y1": 1,
                    "line": {"dash": "dot", "width": 1.5, "color": "@ink"},
                }
            ],
        },
        90 + 20 * len(layers),
    )


def _matrix(packed: Packed) -> np.ndarray | None:
    try:
        return packed.unpack()
    except ValueError:
        return None


def _slices(array: np.ndarray) -> dict[str, np.ndarray]:
    """An array as matrices: a vector is one row, of more axes the last two are shown, one by one."""
    if array.ndim <= 2:
        return {"": np.atleast_2d(array)}
    flat = array.reshape(-1, *array.shape[-2:])
    return {str(number): matrix for number, matrix in enumerate(flat)}


def _matrices(
    name: str, title: str, text: str, found: Mapping[str, np.ndarray], tasks: list[str], most: float | None = None
) -> Figure:
    """Small heat maps side by side, on one scale around zero."""
    largest = most or max(float(np.nanmax(np.abs(matrix), initial=0.0)) for matrix in found.values()) or 1.0
    across = min(ACROSS, len(found))
    down = -(-len(found) // across)
    traces: list[Trace] = []
    layout: Trace = {"annotations": [], "hovermode": "closest"}
    for number, (label, matrix) in enumerate(found.items()):
        axis = str(number + 1) if number else ""
        column, row = number % across, number // across
        (left, right), (low, high) = _cell(column, across, 0.14), _cell(down - 1 - row, down, 0.26)
        named = [
            [words(task) for task in tasks] if size == len(tasks) else [str(k) for k in range(size)]
            for size in matrix.shape
        ]
        plain = {"showgrid": False, "zeroline": False, "type": "category", "ticklen": 0}
        few = max(matrix.shape) <= 6
        layout[f"xaxis{axis}"] = {"domain": [left, right], "anchor": f"y{axis}", **plain, "showticklabels": few}
        layout[f"yaxis{axis}"] = {
            "domain": [low, high],
            "anchor": f"x{axis}",
            "autorange": "reversed",
            **plain,
            "showticklabels": few and not column,
        }
        layout["annotations"].append(_heading(short(label, 22), left, high))
        traces.append(
            {
                "type": "heatmap",
                "z": matrix,
                "x": named[1],
                "y": named[0],
                "coloraxis": "coloraxis",
                "xaxis": f"x{axis}",
                "yaxis": f"y{axis}",
                "xgap": 1,
                "ygap": 1,
                **({"texttemplate": "%{z:.2f}"} if max(matrix.shape) <= 4 else {}),
                "hovertemplate": "%{y}, %{x}: %{z:.3f}<extra></extra>",
            }
        )
    layout["coloraxis"] = {
        "colorscale": "@diverging",
        "cmin": -largest,
        "cmax": largest,
        "colorbar": {"thickness": 10, "outlinewidth": 0},
    }
    return Figure(name, title, text, traces, layout, 80 + (SIDE + 40) * down, wide=True)


def _cell(index: int, count: int, gap: float) -> tuple[float, float]:
    """Place `index` of `count` in [0, 1], with `gap` of each place left free at its end."""
    return index / count, (index + 1 - (gap if count > 1 else 0.0)) / count


def _heading(text: str, left: float, high: float) -> Trace:
    return {
        "text": text,
        "x": left,
        "y": high,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12.5},
    }
