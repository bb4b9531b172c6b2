"""Heat maps about tasks: learned sharing matrices, cosines of task gradients, relatedness of tasks.

`plot_heat_maps` is the one layout of all of them; `weights` uses it for linear models as well. Records hold matrices as
packed float16 (`bench.records.Packed`); one that cannot be unpacked is left out.

Maps of one figure share a colour scale that is symmetric around zero, so that a colour means the same value in each.
Their sizes are fixed in pixels, unlike those of other charts: cells of a matrix should be square on every screen.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.records import Packed, ResultRecord
from leaderboard.analysis.relatedness import Related
from leaderboard.report.escape import printable
from leaderboard.report.formats import MARKS
from leaderboard.site.figures.parts import LINE
from leaderboard.site.view import Figure, Panels, Trace, escape_words, shorten_label

SIDE = 118  # pixels of one matrix among several
MAX_MAPS = 16  # matrices in one figure
TITLE = 18  # letters above it
TRUE = "true "  # before the name of a matrix that is known rather than learned
RECOVERED = ("covariance", "support", "spectrum")  # of linear models; they have figures of their own
LETTER = 6.3  # pixels of a letter of a label, about


def plot_matrices(runs: Sequence[ResultRecord], name: str) -> Figure | None:
    """Heat maps of what runs learned about sharing (stitch units, gates, task covariances), the mean over the runs.

    Records of linear models hold the true matrices as well. There the first run alone is shown: every seed draws its
    own truth, and a mean of different truths is none. Matrices of RECOVERED have figures of their own (`weights`).

    Args:
        runs: runs of one method on one suite.
        name: the figure's name, unique on its page.

    Returns:
        None where no matrix is recorded. A matrix whose shape differs between runs is left out.
    """
    known = any(key.startswith(TRUE) for run in runs for key in run.matrices)
    runs = runs[:1] if known else runs
    matrices: dict[str, np.ndarray] = {}
    for key in dict.fromkeys(key for run in runs for key in run.matrices):
        if key.removeprefix(TRUE) in RECOVERED:
            continue
        own = [
            matrix for run in runs if key in run.matrices and (matrix := unpack_readable(run.matrices[key])) is not None
        ]
        # Matrices of different shapes have no mean.
        if own and all(matrix.shape == own[0].shape for matrix in own):
            slices = _split_slices(np.mean(own, axis=0) if len(own) > 1 else own[0])
            matrices |= {f"{key} {part}".strip(): matrix for part, matrix in slices.items()}
    if not matrices:
        return None
    kept = _shorten_names(dict(list(matrices.items())[:MAX_MAPS]))
    text = f"Seed {runs[0].spec.seed}." if known else f"Mean over {len(runs)} runs." if len(runs) > 1 else ""
    text += f" The first {MAX_MAPS} of {len(matrices)}." if len(matrices) > MAX_MAPS else ""
    return plot_heat_maps(name, "What was learned about sharing", text.strip(), kept, runs[0].tasks)


def write_cosines(runs: Sequence[ResultRecord]) -> list[tuple[str, str]]:
    """Cosines of the task gradients of two or three tasks as (pair of tasks, text), the mean over runs.

    One or three numbers are read faster in a sentence than in a chart; nothing for any other number of tasks.
    """
    known = [matrix for run in runs if run.cosines and (matrix := unpack_readable(run.cosines)) is not None]
    tasks = runs[0].tasks if runs else []
    if not known or len(tasks) not in (2, 3) or any(matrix.shape != (len(tasks), len(tasks)) for matrix in known):
        return []
    mean = np.mean(known, axis=0)
    return [(f"{printable(tasks[a])} · {printable(tasks[b])}", f"{mean[a, b]:+z.3f}") for a, b in _list_pairs(tasks)]


def plot_cosines(runs: Mapping[str, Sequence[ResultRecord]], name: str) -> Figure | None:
    """Cosines of the task gradients of several methods, the mean over each method's runs.

        cos[s, t] = <g_s, g_t> / (|g_s| |g_t|)

    g_t is the gradient of task t's loss after training, in the shared parameters or in the task's own copies of them.
    Two or three tasks become points, a line for each method and a colour for each pair; more tasks a heat map per
    method.

    Args:
        runs: label -> runs of one method.
        name: the figure's name, unique on its page.

    Returns:
        None where no run recorded cosines, and for a few pairs of a single method, which `write_cosines` has.
    """
    means: dict[str, np.ndarray] = {}
    tasks: list[str] = []
    for label, own in runs.items():
        known = [matrix for run in own if run.cosines and (matrix := unpack_readable(run.cosines)) is not None]
        if known and all(matrix.shape == known[0].shape for matrix in known):
            means[label] = np.mean(known, 0)
            tasks = own[0].tasks
    if not means:
        return None
    text = "Cosines of the task gradients after training, over the shared parameters or the tasks' aligned copies"
    if 2 <= len(tasks) <= 3 and all(len(matrix) == len(tasks) for matrix in means.values()):
        text += ", the mean over seeds. Left of zero they conflict."
        return _plot_points(name, "Where the tasks agree", text, means, tasks) if len(means) > 1 else None
    kept = dict(list(means.items())[:MAX_MAPS])
    text += ": blue agrees, orange conflicts. Mean over seeds."
    text += f" The first {MAX_MAPS} of {len(means)} methods." if len(means) > MAX_MAPS else ""
    return plot_heat_maps(name, "Where the tasks agree", text, kept, tasks, 1.0)


def plot_relatedness(estimates: Sequence[Related], name: str) -> Figure | None:
    """Heat maps of Related[main, extra], one for each algorithm, with a star where the 95 % interval excludes zero.

    Args:
        estimates: of `estimate_relatedness`, whose module has the definition.
        name: the figure's name, unique on its page.

    Returns:
        None where no pair of tasks was run.
    """
    shown = [each for each in estimates if np.isfinite(each.matrix()).any()][:MAX_MAPS]
    if not shown:
        return None
    seeds = sorted({each.seeds for each in shown})
    runs = "-".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    return plot_heat_maps(
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
    """[main][extra] of the texts in a map's cells: the mean with two decimals, and the star."""

    def write_cell(main: str, extra: str) -> str:
        """The number of a cell, with its star."""
        cell = each.cells.get((main, extra))
        sure = cell and cell.low is not None and cell.high is not None and (cell.low > 0 or cell.high < 0)
        return f"{cell.mean:+z.2f}{MARKS['holds'] if sure else ''}" if cell else ""

    return [[write_cell(main, extra) for extra in each.tasks] for main in each.tasks]


def _list_pairs(tasks: list[str]) -> list[tuple[int, int]]:
    """(a, b) with a < b for every pair of tasks, as indices."""
    return [(a, b) for a in range(len(tasks)) for b in range(a + 1, len(tasks))]


def _plot_points(name: str, title: str, text: str, cosines: Mapping[str, np.ndarray], tasks: list[str]) -> Figure:
    """A point for each method and pair of tasks; methods by their mean cosine, the largest on top.

    Args:
        name: the figure's name.
        title: its heading.
        text: the sentence below it.
        cosines: label of a method -> [task, task].
        tasks: the names of the tasks, in the order of the matrices.
    """
    pairs = _list_pairs(tasks)
    order = sorted(cosines, key=lambda label: float(np.mean([cosines[label][pair] for pair in pairs])))
    labels = [shorten_label(label) for label in order]
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": escape_words(f"{tasks[a]} · {tasks[b]}"),
            "x": [cosines[label][a, b] for label in order],
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


def plot_heat_maps(
    name: str,
    title: str,
    text: str,
    matrices: Mapping[str, np.ndarray],
    tasks: list[str],
    most: float | None = None,
    texts: Sequence[list[list[str]]] = (),
    *,
    signed: bool = True,
) -> Figure:
    """Small heat maps side by side on one colour scale, symmetric around zero.

    Args:
        name: the figure's name, unique on its page.
        title: its heading.
        text: the sentence below it.
        matrices: title of a map -> [row, column]; NaN is a gap.
        tasks: names for the axes with as many places; other axes are numbered.
        most: where the colours end, the largest absolute value by default.
        texts: of each map, texts for its cells instead of the numbers. Cells have texts up to 4 x 4 only.
        signed: False for maps of yes and no, which need no legend of colours.
    """
    largest = most or max(float(np.nanmax(np.abs(matrix), initial=0.0)) for matrix in matrices.values()) or 1.0
    rows, columns = (max(matrix.shape[axis] for matrix in matrices.values()) for axis in (0, 1))
    # Labels up to six places; a gap between cells only while a cell is a few pixels wide.
    few, gap = max(rows, columns) <= 6, int(max(rows, columns) <= SIDE // 3)
    names = {size: _name_places(size, tasks) for matrix in matrices.values() for size in matrix.shape}
    # Margins follow the longest label: panels of one figure have the same ones.
    left = round(LETTER * max(map(len, names[rows]))) + 14 if few and rows > 1 else 10
    # Labels are turned where they would overlap the next column's.
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
        for number, matrix in enumerate(matrices.values())
    ]
    plain = {"showgrid": False, "zeroline": False, "type": "category", "ticklen": 0, "showticklabels": few}
    # Cells are square for up to as many rows as columns; very flat maps still get a third of the height.
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
        wide=len(matrices) > 3,
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
            [shorten_label(label, TITLE) for label in matrices],
            left + SIDE + 14,
            round(SIDE * shape),
            left,
            below,
            fluid=False,
        ),
        scale=(f"-{largest:.2g}", f"{largest:.2g}") if signed else None,
    )


def _shorten_names(matrices: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same matrices under names without the part before the first dot, where all share it and one is too long."""
    firsts = {key.partition(".")[0] for key in matrices if "." in key}
    if len(firsts) != 1 or len(matrices) < 2 or max(map(len, matrices)) <= TITLE:
        return matrices
    return {key.partition(".")[2] or key: matrix for key, matrix in matrices.items()}


def _label_cells(texts: list[list[str]] | None) -> Trace:
    """The keys of a trace that put texts into the cells of a map: those given, else the numbers with two decimals."""
    return {"text": texts, "texttemplate": "%{text}"} if texts else {"texttemplate": "%{z:.2f}"}


def unpack_matrix(run: ResultRecord, name: str) -> np.ndarray | None:
    """The matrix `name` of a run; None where it has none, or one that cannot be unpacked."""
    return unpack_readable(run.matrices[name]) if name in run.matrices else None


def unpack_readable(packed: Packed) -> np.ndarray | None:
    """The matrix that a record holds; None where its bytes do not make one."""
    try:
        return packed.unpack()
    except ValueError:
        return None


def _split_slices(array: np.ndarray) -> dict[str, np.ndarray]:
    """An array as matrices, by the index of each: a vector is one row, of more axes the last two make a matrix."""
    if array.ndim <= 2:
        return {"": np.atleast_2d(array)}
    flat = array.reshape(-1, *array.shape[-2:])
    return {str(number): matrix for number, matrix in enumerate(flat)}


def _name_places(size: int, tasks: list[str]) -> list[str]:
    """The names along an axis of `size` places: the tasks where there are as many, else 0, 1, ..."""
    return (
        [shorten_label(task, 14) for task in tasks] if size == len(tasks) else [str(number) for number in range(size)]
    )
