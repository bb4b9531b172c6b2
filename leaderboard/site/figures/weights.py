"""Weights of linear models as they were recovered, beside the truth where it is known."""

from collections.abc import Mapping

import numpy as np

from bench.records import ResultRecord
from leaderboard.site.figures.matrices import RECOVERED, TRUE, heat_maps, unpack_matrix
from leaderboard.site.view import Figure, Panels, Trace, shorten_label

TRUTH = "truth"  # above its panel
MOST = 24  # panels in one figure
WIDTH, HEIGHT = 118, 92  # pixels of a spectrum
TEXTS = (
    ("Covariance of the tasks", "WᵀW over the mean of its diagonal, W the weights, a column for each task"),
    ("Inputs in use", "Weights that are not zero: a row for each input, a column for each task"),
    ("Spectrum of the weights", "Singular values over the largest"),
)


def recovered_figures(runs: Mapping[str, ResultRecord], name: str) -> list[Figure]:
    """Task covariance, support and spectrum of one run of each method, all of one seed; nothing where none has them.

    Truths come from the records, which hold those of their seed.
    """
    figures = []
    for kind, (title, text) in zip(RECOVERED, TEXTS, strict=True):
        found = {label: each for label, run in runs.items() if (each := unpack_matrix(run, kind)) is not None}
        truth = next((each for run in runs.values() if (each := unpack_matrix(run, TRUE + kind)) is not None), None)
        text = f"{text}. Seed {next(iter(runs.values())).spec.seed}." if runs else ""
        if kind == "spectrum" and truth is not None:
            text += " Dotted: the truth."
        if kind == "support":
            found = {label: each for label, each in found.items() if not each.all()}
            text += " Methods that are not here use all." if len(found) < len(runs) else ""
        shapes = {each.shape for each in (*found.values(), *([] if truth is None else [truth]))}
        if not found or len(shapes) > 1:
            continue
        kept = dict(list(found.items())[: MOST - 1])
        text += f" The first {len(kept)} of {len(found)}." if len(kept) < len(found) else ""
        if kind == "spectrum":
            figures.append(_spectra(f"{name}-{kind}", title, text, kept, truth))
        else:
            maps = kept if truth is None else {TRUTH: truth, **kept}
            figures.append(heat_maps(f"{name}-{kind}", title, text, maps, [], signed=kind != "support"))
    return figures


def _spectra(name: str, title: str, text: str, found: Mapping[str, np.ndarray], truth: np.ndarray | None) -> Figure:
    """A small chart for each method; the truth behind each."""
    traces: list[Trace] = []
    for number, values in enumerate(found.values()):
        if truth is not None:
            dotted = {"color": "@soft", "width": 1.5, "dash": "dot"}
            traces.append({"y": truth.ravel(), "panel": number, "line": dotted, "name": TRUTH})
        traces.append({"y": values.ravel(), "panel": number, "line": {"color": "@c0", "width": 2}, "name": "found"})
    return Figure(
        name,
        title,
        text,
        traces,
        {"hovermode": "x", "showlegend": False, "yaxis": {"range": [-0.03, 1.05], "nticks": 3}, "xaxis": {"nticks": 4}},
        wide=len(found) > 3,
        common={"type": "scatter", "mode": "lines", "x0": 1, "hovertemplate": "%{y:.3f}", "showlegend": False},
        panels=Panels([shorten_label(label, 18) for label in found], WIDTH + 44, HEIGHT, 30, 20, fluid=False),
    )
