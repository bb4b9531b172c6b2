"""Charts of what probes found as networks trained: effective sharing and hidden features over time, likeness, use."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.records import Packed, ProbeResults, ResultRecord
from leaderboard.site.figures.matrices import MAX_MAPS, plot_heat_maps, unpack_readable
from leaderboard.site.view import Figure, Panels, Trace, escape_words, shorten_label


def plot_probes(runs: Sequence[ResultRecord], name: str) -> list[Figure]:
    """The figures of the probed ones among `runs`, means over them; none where no run was probed.

    Args:
        runs: runs of one method on one suite.
        name: beginning of the figures' names, unique on their page.
    """
    found = [run.probes for run in runs if run.probes]
    if not found:
        return []
    tasks = next(run.tasks for run in runs if run.probes)
    mean = f" Mean over {len(found)} runs." if len(found) > 1 else ""
    figures = [
        _plot_over_time(found, f"{name}-time", mean),
        _plot_maps(found, f"{name}-likeness", "likeness", tasks, mean),
        _plot_maps(found, f"{name}-uses", "uses", tasks, mean),
    ]
    return [figure for figure in figures if figure]


def _plot_over_time(found: Sequence[ProbeResults], name: str, mean: str) -> Figure | None:
    """Effective sharing of each parameter, and R² of each true feature for each task, a panel for each."""
    panels: dict[str, dict[str, list[float]]] = {}
    for parameter in dict.fromkeys(p for one in found for p in one.sharing):
        paths = [one.sharing[parameter] for one in found if parameter in one.sharing]
        panels.setdefault("effective sharing", {})[parameter] = _average_paths(paths)
    for feature in dict.fromkeys(f for one in found for f in one.decodable):
        of_task: dict[str, list[list[float]]] = {}
        for one in found:
            for task, path in one.decodable.get(feature, {}).items():
                of_task.setdefault(task, []).append(path)
        panels[f"R² of {feature}"] = {task: _average_paths(paths) for task, paths in of_task.items()}
    if not panels:
        return None
    colours: dict[str, str] = {}
    traces: list[Trace] = [
        {
            "name": escape_words(shorten_label(label, 24)),
            "showlegend": label not in colours,  # panels share one legend
            "x": found[0].epochs,
            "y": path,
            "line": {"color": colours.setdefault(label, f"@c{len(colours) % 8}"), "width": 2},
            "panel": number,
        }
        for number, paths in enumerate(panels.values())
        for label, path in paths.items()
    ]
    text = (
        "Effective sharing of all updates so far, parameter by parameter, and how well a hidden feature that is known "
        f"can be read from what a task's head sees, epoch by epoch.{mean}"
    )
    return Figure(
        name,
        "As it trained",
        text,
        traces,
        {"hovermode": "x"},
        wide=len(panels) > 2,
        common={"type": "scatter", "mode": "lines", "hovertemplate": "%{y:.3f}"},
        panels=Panels([escape_words(label) for label in panels], 250, 150),
    )


def _average_paths(paths: Sequence[Sequence[float]]) -> list[float]:
    """The mean of lines as long as the shortest."""
    length = min(map(len, paths))
    return [round(float(value), 4) for value in np.mean([path[:length] for path in paths], axis=0)]


def _plot_maps(found: Sequence[ProbeResults], name: str, field: str, tasks: list[str], mean: str) -> Figure | None:
    """The matrices of every depth, likeness or use."""

    def read(one: ProbeResults) -> Mapping[str, Packed]:
        return one.likeness if field == "likeness" else one.uses

    maps: dict[str, np.ndarray] = {}
    for depth in dict.fromkeys(depth for one in found for depth in read(one)):
        own = [
            matrix
            for one in found
            if depth in read(one)
            and (matrix := unpack_readable(read(one)[depth])) is not None
            and matrix.shape == (len(tasks), len(tasks))
        ]
        if own:
            maps[depth] = np.mean(own, axis=0)
    if not maps or len(tasks) < 2:
        return None
    title, text = {
        "likeness": (
            "Likeness of features",
            "Linear CKA of the features that tasks use at each depth: 1 for the same.",
        ),
        "uses": (
            "Use of the same features",
            "Rank correlation between tasks of how much their predictions change with each feature at each depth.",
        ),
    }[field]
    return plot_heat_maps(name, title, text + mean, dict(list(maps.items())[:MAX_MAPS]), tasks, most=1.0)
