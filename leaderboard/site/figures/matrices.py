"""Heat maps about tasks: what was learned about sharing, where gradients agree, what tasks tell one another."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.records import Packed, ResultRecord
from leaderboard.analysis.relatedness import Related
from leaderboard.report.escape import printable
from leaderboard.report.formats import MARKS
from leaderboard.site.figures.parts import LINE
from leaderboard.site.view import Figure, Panels, Trace, escape_words, shorten_label

SIDE = 118  # pixels of one matrix among several
MOST = 16  # matrices in one figure
TITLE = 18  # letters above it
TRUE, RECOVERED = "true ", ("covariance", "support", "spectrum")  # of linear models; they have figures of their own
LETTER = 6.3  # pixels of a letter of a label, about


def matrix_figure(runs: Sequence[ResultRecord], name: str) -> Figure | None:
    """What the runs learned about sharing (stitch units, gates, task covariances), the mean over them.

    Where records hold the truth, which every seed has one of its own of, the first run alone.
    """
    known = any(key.startswith(TRUE) for run in runs for key in run.matrices)
    runs = runs[:1] if known else runs
    found: dict[str, np.ndarray] = {}
    for key in dict.fromkeys(key for run in runs for key in run.matrices):
        if key.removeprefix(TRUE) in RECOVERED:
            continue
        own = [matrix for run in runs if key in run.matrices and (matrix := _matrix(run.matrices[key])) is not None]
        if own and all(matrix.shape == own[0].shape for matrix in own):
            slices = _slices(np.mean(own, axis=0) if len(own) > 1 else own[0])
            found |= {f"{key} {part}".strip(): matrix for part, matrix in slices.items()}
    if not found:
        return None
    kept = _shorten_names(dict(list(found.items())[:MOST]))
    text = f"Seed {runs[0].spec.seed}." if known else f"Mean over {len(runs)} runs." if len(runs) > 1 else ""
    text += f" The first {MOST} of {len(found)}." if len(found) > MOST else ""
    return heat_maps(name, "What was learned about sharing", text.strip(), kept, runs[0].tasks)


def cosine_words(runs: Sequence[ResultRecord]) -> list[tuple[str, str]]:
    """The cosines of the task gradients of up to three tasks, pair by pair, the mean over runs."""
    known = [matrix for run in runs if run.cosines and (matrix := _matrix(run.cosines)) is not None]
    tasks = runs[0].tasks if runs else []
    if not known or len(tasks) not in (2, 3) or any(matrix.shape != (len(tasks), len(tasks)) for matrix in known):
        return []
    mean = np.mean(known, axis=0)
    return [(f"{printable(tasks[a])} · {printable(tasks[b])}", f"{mean[a, b]:+z.3f}") for a, b in _pairs_of(tasks)]


def cosine_figure(runs: Mapping[str, Sequence[ResultRecord]], name: str) -> Figure | None:
    """Cosines of the task gradients, the mean over each method's runs: points for a few pairs, maps for many.

    Nothing for a few pairs of one method, which are `cosine_words`.
    """
    found: dict[str, np.ndarray] = {}
    tasks: list[str] = []
    for label, own in runs.items():
        known = [matrix for run in own if run.cosines and (matrix := _matrix(run.cosines)) is not None]
        if known and all(matrix.shape == known[0].shape for matrix in known):
            found[label] = np.mean(known, 0)
            tasks = own[0].tasks
    if not found:
        return None
    text = "Cosines of the task gradients after training, over the shared parameters or the tasks' aligned copies"
    if 2 <= len(tasks) <= 3 and all(len(matrix) == len(tasks) for matrix in found.values()):
        text += ", the mean over seeds. Left of zero they conflict."
        return _points(name, "Where the tasks agree", text, found, tasks) if len(found) > 1 else None
    kept = dict(list(found.items())[:MOST])
    text += ": blue agrees, orange conflicts. Mean over seeds."
    text += f" The first {MOST} of {len(found)} methods." if len(found) > MOST else ""
    return heat_maps(name, "Where the tasks agree", text, kept, tasks, 1.0)


def related_figure(found: Sequence[Related], name: str) -> Figure | None:
    """Related(main, extra, algorithm): a map for each algorithm, side by side."""
    shown = [each for each in found if np.isfinite(each.matrix()).any()][:MOST]
    if not shown:
        return None
    seeds = sorted({each.seeds for each in shown})
    runs = "-".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    return heat_maps(
        name,
        "What the tasks tell each other",
        "Related(main, extra, algorithm): log(error of the row's task with the column's training targets dealt out "
        f"anew / its error), paired over {runs} seeds, each task at its own best epoch. Blue: the extra task's targets "
        "help; a star: the 95 % interval excludes zero.",
        {each.method: each.matrix() for each in shown},
        shown[0].tasks,
        texts=[_write_starred(each) for each in shown],
    )


def _write_starred(each: Related) -> list[list[str]]:
    """The numbers of a map as texts, with a star where the interval excludes zero."""

    def text(main: str, extra: str) -> str:
        """The number of a cell, with its star."""
        cell = each.cells.get((main, extra))
        sure = cell and cell.low is not None and cell.high is not None and (cell.low > 0 or cell.high < 0)
        return f"{cell.mean:+z.2f}{MARKS['holds'] if sure else ''}" if cell else ""

    return [[text(main, extra) for extra in each.tasks] for main in each.tasks]


def _pairs_of(tasks: list[str]) -> list[tuple[int, int]]:
    """Every pair of tasks once, as places."""
    return [(a, b) for a in range(len(tasks)) for b in range(a + 1, len(tasks))]


def _points(name: str, title: str, text: str, found: Mapping[str, np.ndarray], tasks: list[str]) -> Figure:
    """A point for each method and pair of tasks."""
    pairs = _pairs_of(tasks)
    order = sorted(found, key=lambda label: float(np.mean([found[label][pair] for pair in pairs])))
    labels = [shorten_label(label) for label in order]
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": escape_words(f"{tasks[a]} · {tasks[b]}"),
            "x": [found[label][a, b] for label in order],
            "y": labels,
            "marker": {"size": 8, "color": f"@c{number}"},
            "hovertemplate": "%{y}<br>%{x:+.3f}",
        }
        for number, (a, b) in enumerate(pairs)
    ]
    layout: Trace = {
        "xaxis": {"title": {"text": "cosine"}, "zeroline": True},
        "yaxis": {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": labels,
            "range": [-0.7, len(order) - 0.3],
        },
        "hovermode": "closest",
    }
    return Figure(name, title, text, traces, layout, LINE * len(order) + 80)


def heat_maps(
    name: str,
    title: str,
    text: str,
    found: Mapping[str, np.ndarray],
    tasks: list[str],
    most: float | None = None,
    texts: Sequence[list[list[str]]] = (),
    *,
    signed: bool = True,
) -> Figure:
    """Small heat maps side by side, on one scale around zero; `texts` stand in their cells instead of the numbers.

    Those that are not `signed` are yes or no, and need no legend.
    """
    largest = most or max(float(np.nanmax(np.abs(matrix), initial=0.0)) for matrix in found.values()) or 1.0
    rows, columns = (max(matrix.shape[axis] for matrix in found.values()) for axis in (0, 1))
    few, gap = max(rows, columns) <= 6, int(max(rows, columns) <= SIDE // 3)
    names = {size: _names(size, tasks) for matrix in found.values() for size in matrix.shape}
    left = round(LETTER * max(map(len, names[rows]))) + 14 if few and rows > 1 else 10
    steep = few and LETTER * max(map(len, names[columns])) > SIDE / columns
    below = (round(0.8 * LETTER * max(map(len, names[columns]))) + 14 if steep else 22) if few else 8
    traces: list[Trace] = [
        {
            "z": matrix,
            "x": names[matrix.shape[1]],
            "y": names[matrix.shape[0]],
            "panel": number,
            **(_label_cells(texts[number] if texts else None) if max(matrix.shape) <= 4 else {}),
        }
        for number, matrix in enumerate(found.values())
    ]
    plain = {"showgrid": False, "zeroline": False, "type": "category", "ticklen": 0, "showticklabels": few}
    shape = min(1.0, max(rows / max(1, columns), 0.3))
    return Figure(
        name,
        title,
        text,
        traces,
        {
            "hovermode": "closest",
            "xaxis": {**plain, "tickangle": -45 if steep else 0},
            "yaxis": {**plain, "autorange": "reversed", "showticklabels": few and rows > 1},
        },
        wide=len(found) > 3,
        common={
            "type": "heatmap",
            "zmin": -largest,
            "zmax": largest,
            "colorscale": "@diverging",
            "showscale": False,
            "xgap": gap,
            "ygap": gap,
            "hovertemplate": "%{y}, %{x}: %{z:.3f}<extra></extra>",
        },
        panels=Panels(
            [shorten_label(label, TITLE) for label in found],
            left + SIDE + 14,
            round(SIDE * shape),
            left,
            below,
            fluid=False,
        ),
        scale=(f"-{largest:.2g}", f"{largest:.2g}") if signed else None,
    )


def _shorten_names(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same under names without what all of them begin with, where they are too long for a panel."""
    firsts = {key.partition(".")[0] for key in found if "." in key}
    if len(firsts) != 1 or len(found) < 2 or max(map(len, found)) <= TITLE:
        return found
    return {key.partition(".")[2] or key: matrix for key, matrix in found.items()}


def _label_cells(texts: list[list[str]] | None) -> Trace:
    """The texts of a map's cells: those given, else two decimals."""
    return {"text": texts, "texttemplate": "%{text}"} if texts else {"texttemplate": "%{z:.2f}"}


def unpack_matrix(run: ResultRecord, name: str) -> np.ndarray | None:
    """A matrix of a run; None where it has none of that name that can be read."""
    return _matrix(run.matrices[name]) if name in run.matrices else None


def _matrix(packed: Packed) -> np.ndarray | None:
    """The matrix that a record holds; None where its bytes do not make one."""
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


def _names(size: int, tasks: list[str]) -> list[str]:
    """The names of an axis: the tasks where it has as many places, else numbers."""
    return (
        [shorten_label(task, 14) for task in tasks] if size == len(tasks) else [str(number) for number in range(size)]
    )
