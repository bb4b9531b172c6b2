"""Recovered weights of linear models: task covariance, support and spectrum, with the truth where it is known.

Suites of synthetic data put the true matrices into the record, under the names of RECOVERED with TRUE before them.
"""

from collections.abc import Mapping

import numpy as np

from bench.records import ResultRecord
from leaderboard.site.figures.matrices import RECOVERED, TRUE, plot_heat_maps, unpack_matrix
from leaderboard.site.view import Figure, Panels, Trace, shorten_label

TRUTH = "truth"  # above its panel
MAX_PANELS = 24  # panels in one figure
WIDTH, HEIGHT = 118, 92  # pixels of a spectrum
TEXTS = (
    ("Covariance of the tasks", "WᵀW over the mean of its diagonal, W the weights, a column for each task"),
    ("Inputs in use", "Weights that are not zero: a row for each input, a column for each task"),
    ("Spectrum of the weights", "Singular values over the largest"),
)


def plot_recovered(runs: Mapping[str, ResultRecord], name: str) -> list[Figure]:
    """Plot task covariance, support and spectrum of one run per method: a figure for each, a panel for each method.

    Args:
        runs: label of a method -> its run; all of one seed, as truths differ between seeds.
        name: beginning of the figures' names, unique on its page.

    Returns:
        One figure for each kind that a run has, in the order of RECOVERED. A kind whose matrices differ in shape is
        left out, as are methods that use every input from the supports.
    """
    figures = []
    for kind, (title, text) in zip(RECOVERED, TEXTS, strict=True):
        recovered = {label: each for label, run in runs.items() if (each := unpack_matrix(run, kind)) is not None}
        truth = next((each for run in runs.values() if (each := unpack_matrix(run, TRUE + kind)) is not None), None)
        text = f"{text}. Seed {next(iter(runs.values())).spec.seed}." if runs else ""
        if kind == "spectrum" and truth is not None:
            text += " Dotted: the truth."
        # A full support is one flat colour and says nothing.
        if kind == "support":
            recovered = {label: each for label, each in recovered.items() if not each.all()}
            text += " Methods that are not here use all." if len(recovered) < len(runs) else ""
        shapes = {each.shape for each in (*recovered.values(), *([] if truth is None else [truth]))}
        if not recovered or len(shapes) > 1:
            continue
        # One panel less than there may be: the truth takes one.
        kept = dict(list(recovered.items())[: MAX_PANELS - 1])
        text += f" The first {len(kept)} of {len(recovered)}." if len(kept) < len(recovered) else ""
        if kind == "spectrum":
            figures.append(_plot_spectra(f"{name}-{kind}", title, text, kept, truth))
        else:
            maps = kept if truth is None else {TRUTH: truth, **kept}
            figures.append(plot_heat_maps(f"{name}-{kind}", title, text, maps, [], signed=kind != "support"))
    return figures


def _plot_spectra(
    name: str, title: str, text: str, spectra: Mapping[str, np.ndarray], truth: np.ndarray | None
) -> Figure:
    """A small chart for each method: its singular values, and dotted behind them those of the truth.

    Args:
        name: the figure's name.
        title: its heading.
        text: the sentence below it.
        spectra: label of a method -> [value], descending, over the largest.
        truth: the same of the true weights; None where they are not known.
    """
    traces: list[Trace] = []
    for number, values in enumerate(spectra.values()):
        if truth is not None:
            dotted = {"color": "@soft", "width": 1.5, "dash": "dot"}
            traces.append({"y": truth.ravel(), "panel": number, "line": dotted, "name": TRUTH})
        traces.append({"y": values.ravel(), "panel": number, "line": {"color": "@c0", "width": 2}, "name": "found"})
    return Figure(
        name,
        title,
        text,
        traces,
        # The same scale in every panel, as values are relative to the largest one.
        {"hovermode": "x", "showlegend": False, "yaxis": {"range": [-0.03, 1.05], "nticks": 3}, "xaxis": {"nticks": 4}},
        wide=len(spectra) > 3,
        common={"type": "scatter", "mode": "lines", "x0": 1, "hovertemplate": "%{y:.3f}", "showlegend": False},
        panels=Panels([shorten_label(label, 18) for label in spectra], WIDTH + 44, HEIGHT, 30, 20, fluid=False),
    )
