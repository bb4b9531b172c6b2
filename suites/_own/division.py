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


def divide_by_group(groups: np.ndarray, shares: Sequence[float], seed: int) -> dict[str, np.ndarray]:
    """split -> rows, ascending, with the rows of each group in one split: shuffled groups fill test, validation, train.

    groups: (n,) whole numbers. Raises ValueError where there are fewer than three.
    """
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < len(SPLITS):
        raise ValueError(f"only {len(names)} group{'s' * (len(names) != 1)}")
    order = np.random.Generator(np.random.PCG64(derive_seed("own groups", seed))).permutation(len(names))
    filled = np.cumsum(sizes[order]) / len(groups)
    # A group belongs where its last row falls; one group at least for each of the two.
    test = max(1, int(np.searchsorted(filled, shares[2] + 1e-9, side="right")))
    val = max(test + 1, int(np.searchsorted(filled, shares[1] + shares[2] + 1e-9, side="right")))
    chosen = {"train": order[min(val, len(names) - 1) :], "val": order[test:val], "test": order[:test]}
    if not len(chosen["val"]) or not len(chosen["train"]):
        raise ValueError(f"groups that are too large: {len(names)} of them")
    return {split: np.flatnonzero(np.isin(groups, names[members])) for split, members in chosen.items()}


def divide_by_time(times: np.ndarray, shares: Sequence[float]) -> dict[str, np.ndarray]:
    """split -> rows, ascending: the earliest for training, the latest for test; equal times stay together.

    times: (n,). Raises ValueError where too few of them differ.
    """
    ordered = np.sort(times)
    counts = count_rows(len(times), shares)
    # Rows at a border belong to the later split, with all of the same time.
    first_val, first_test = ordered[counts["train"]], ordered[counts["train"] + counts["val"]]
    parts = {
        "train": np.flatnonzero(times < first_val),
        "val": np.flatnonzero((times >= first_val) & (times < first_test)),
        "test": np.flatnonzero(times >= first_test),
    }
    if empty := [split for split, rows in parts.items() if not len(rows)]:
        raise ValueError(f"no time for `{empty[0]}` that no other split has")
    return parts


def take_parts(parts: np.ndarray, shares: Sequence[float], seed: int) -> dict[str, np.ndarray]:
    """split -> rows, ascending, as `parts` (n,) names the split of each row.

    Where none is for validation, some training rows are, by `seed`, in the proportion of the two in `shares`.
    """
    found = {split: np.flatnonzero(parts == split) for split in SPLITS}
    if not len(found["val"]):
        train = np.random.default_rng(seed).permutation(found["train"])
        held = max(1, round(len(train) * shares[1] / (shares[0] + shares[1])))
        found |= {"val": np.sort(train[:held]), "train": np.sort(train[held:])}
    return found
