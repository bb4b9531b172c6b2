"""How the rows of a table are divided into training, validation and test."""

from collections.abc import Sequence

import numpy as np

from bench.api import derive_seed

SPLITS = ("train", "val", "test")
ATTEMPTS = 1_000  # permutations tried until every split has what its scores need


def count_rows(rows: int, shares: Sequence[float]) -> dict[str, int]:
    """Rows of each split: shares of `rows`, rounded, at least one for validation and test, the others for training."""
    val, test = (max(1, round(rows * share)) for share in shares[1:])
    return dict(zip(SPLITS, (rows - val - test, val, test), strict=True))


def explain_lack(targets: np.ndarray, kinds: Sequence[str], titles: Sequence[str]) -> str:
    """One clause on a target whose labels in some rows are too few for a score; empty where all are enough.

    targets: (n, T) float64 of the rows of one split, NaN where missing.
    kinds: of the targets: a real one needs two different values, a binary one both; `pooled` and others need one.
    """
    for column, kind, title in zip(targets.T, kinds, titles, strict=True):
        labels = column[~np.isnan(column)]
        if not len(labels):
            return f"no label of `{title}`"
        if kind in ("real", "binary") and (labels == labels[0]).all():
            return f"only one value of `{title}`"
    return ""


def _lack(targets: np.ndarray, kinds: Sequence[str], titles: Sequence[str], parts: dict[str, np.ndarray]) -> str:
    """`explain_lack` of the first split that lacks something, with its name; empty where none does."""
    for split, rows in parts.items():
        if lack := explain_lack(targets[rows], kinds, titles):
            return f"{lack} in `{split}`"
    known = targets[parts["train"]]
    for t, (kind, title) in enumerate(zip(kinds, titles, strict=True)):
        if kind == "class":
            every, seen = (np.unique(x[~np.isnan(x)]) for x in (targets[:, t], known[:, t]))
            if len(seen) < len(every):
                return f"a class of `{title}` without a row in `train`"
    return ""


def divide(
    targets: np.ndarray, kinds: Sequence[str], titles: Sequence[str], shares: Sequence[float], *stream: str | int
) -> dict[str, np.ndarray]:
    """split -> its rows, ascending: a random division, the first of those that `stream` draws without a lack.

    targets: (n, T) float64, NaN where missing.
    kinds: of the targets, as `explain_lack` takes them.
    titles: of the targets, for the sentence.
    shares: of training, validation and test.
    stream: names the generator.

    Raises ValueError with a clause on what every division lacks.
    """
    counts = count_rows(len(targets), shares)
    if counts["train"] < 1:
        raise ValueError(f"only {len(targets)} rows")
    lack = ""
    for attempt in range(ATTEMPTS):
        order = np.random.Generator(np.random.PCG64(derive_seed("own division", *stream, attempt))).permutation(
            len(targets)
        )
        ends = np.cumsum([counts[split] for split in SPLITS])
        parts = {split: np.sort(part) for split, part in zip(SPLITS, np.split(order, ends[:-1]), strict=True)}
        lack = _lack(targets, kinds, titles, parts)
        if not lack:
            return parts
    raise ValueError(lack)
