"""Labels of tasks, as estimators take them: one for each row, all numbers or all text."""

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bench.errors import UsageError, make_printable, quote_nearest


def read_labels(tasks: ArrayLike, rows: int) -> np.ndarray:
    """The labels as an array (rows,).

    tasks: a list or an array.
    rows: how many labels there should be.

    Raises:
        UsageError: another shape, missing labels (None, NaN), or numbers mixed with text.
    """
    given = np.asarray(tasks) if hasattr(tasks, "dtype") else np.array(tasks, dtype=object)  # else 1 becomes "1"
    if given.shape != (rows,):
        raise UsageError(f"`tasks` should hold one label for each of the {rows} rows. Found shape {given.shape}.")
    labels = given.tolist() if given.dtype.kind in "biufUO" else list(given)
    kinds = [_kind(label) for label in labels]
    odd = next((at for at, kind in enumerate(kinds) if kind is None or kind != kinds[0]), None)
    if odd is not None:
        beside = f" beside {labels[0]!r}" if odd else ""
        raise UsageError(
            make_printable(
                f"`tasks` should hold numbers alone, or text alone. Found {labels[odd]!r}{beside} (row {odd})."
            )
        )
    return np.array(labels)


def find_places(known: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Index of every label among the `known`, int64 (n,).

    known: distinct and sorted, as `np.unique` gives them.
    labels: (n,), as from `read_labels`.

    Raises UsageError for the first label that is not known, with the nearest ones.
    """
    if (known.dtype.kind == "U") == (labels.dtype.kind == "U"):
        places = np.searchsorted(known, labels).clip(max=len(known) - 1)
        unseen = known[places] != labels
    else:
        # Text among numbers, or numbers among text, is never known.
        places, unseen = np.zeros(len(labels), dtype=int), np.ones(len(labels), dtype=bool)
    if unseen.any():
        label = labels[unseen].tolist()[0]
        close = quote_nearest(str(label), map(str, known.tolist()))
        raise UsageError(
            make_printable(
                f"`tasks` should be tasks whose rows `fit` was given. Found {label!r}; the nearest: {close}.", 300
            )
        )
    return places


def _kind(label: Any) -> type | None:
    """`str` or `float`; None for what is neither text nor a number, as None and NaN."""
    if isinstance(label, str):
        return str
    return float if isinstance(label, numbers.Real | np.bool_) and label == label else None
