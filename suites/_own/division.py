"""How the rows of a table are divided into training, validation and test."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench.api import derive_seed
from bench.errors import count_nouns

SPLITS = ("train", "val", "test")
RowsBySplit = dict[str, np.ndarray]  # split -> its rows
ATTEMPTS = 1_000  # divisions tried until every split has what its scores need
MOST_DRAWN = 20_000_000  # rows over all attempts: of large tables fewer are tried, for each takes a second


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


def find_lack(targets: np.ndarray, kinds: Sequence[str], titles: Sequence[str], parts: Mapping[str, np.ndarray]) -> str:
    """One clause on what a division lacks, empty where it is whole: `explain_lack` of a split, or a class of training.

    parts: split -> rows of `targets` (n, T). A class without a row in training cannot be learnt, and would be tested.
    """
    for split, rows in parts.items():
        if lack := explain_lack(targets[rows], kinds, titles):
            return f"{lack} in `{split}`"
    known, every = targets[parts["train"]], targets[np.concatenate(list(parts.values()))]
    for t, (kind, title) in enumerate(zip(kinds, titles, strict=True)):
        if kind == "class":
            seen, there = (np.unique(x[~np.isnan(x)]) for x in (known[:, t], every[:, t]))
            if len(seen) < len(there):
                return f"a class of `{title}` without a row in `train`"
    return ""


def draw_whole(rows: int, draw: Callable[[int], RowsBySplit], find: Callable[[RowsBySplit], str]) -> RowsBySplit:
    """The first of the divisions of `rows` rows, made by `draw(attempt)`, of which `find` says that nothing lacks.

    Raises ValueError with what the last one lacks, after `ATTEMPTS` of them.
    """
    lack = ""
    for attempt in range(max(10, min(ATTEMPTS, MOST_DRAWN // rows))):
        parts = draw(attempt)
        if not (lack := find(parts)):
            return parts
    raise ValueError(lack)


def divide(
    targets: np.ndarray, kinds: Sequence[str], titles: Sequence[str], shares: Sequence[float], *stream: str | int
) -> RowsBySplit:
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
        raise ValueError(f"only {count_nouns(len(targets), 'row')}")
    ends = np.cumsum([counts[split] for split in SPLITS])

    def draw(attempt: int) -> RowsBySplit:
        order = _draw_order(len(targets), "own division", *stream, attempt)
        return {split: np.sort(part) for split, part in zip(SPLITS, np.split(order, ends[:-1]), strict=True)}

    return draw_whole(len(targets), draw, lambda parts: find_lack(targets, kinds, titles, parts))


def divide_by_group(
    groups: np.ndarray, shares: Sequence[float], seed: int, find: Callable[[RowsBySplit], str]
) -> RowsBySplit:
    """split -> rows, ascending, with the rows of each group in one split: shuffled groups fill test, validation, train.

    groups: (n,) whole numbers. find: of a division, what it lacks; the first that lacks nothing is taken.

    Raises ValueError where there are fewer than three groups, or every division lacks something.
    """
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < len(SPLITS):
        raise ValueError(f"only {count_nouns(len(names), 'group')}")

    def draw(attempt: int) -> RowsBySplit:
        order = _draw_order(len(names), "own groups", seed, *([attempt] if attempt else []))
        filled = np.cumsum(sizes[order]) / len(groups)
        # A group belongs where its last row falls; one group at least for each of the two.
        test = max(1, int(np.searchsorted(filled, shares[2] + 1e-9, side="right")))
        val = max(test + 1, int(np.searchsorted(filled, shares[1] + shares[2] + 1e-9, side="right")))
        chosen = {"train": order[min(val, len(names) - 1) :], "val": order[test:val], "test": order[:test]}
        return {split: np.flatnonzero(np.isin(groups, names[members])) for split, members in chosen.items()}

    def find_all(parts: RowsBySplit) -> str:
        if not len(parts["val"]) or not len(parts["train"]):
            return f"groups that are too large: {len(names)} of them"
        return find(parts)

    return draw_whole(len(groups), draw, find_all)


def _draw_order(count: int, *stream: str | int) -> np.ndarray:
    """A random order of `count` things; `stream` names the generator."""
    return np.random.Generator(np.random.PCG64(derive_seed(*stream))).permutation(count)


def divide_by_time(times: np.ndarray, shares: Sequence[float]) -> RowsBySplit:
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


def take_parts(parts: np.ndarray, shares: Sequence[float], seed: int) -> RowsBySplit:
    """split -> rows, ascending, as `parts` (n,) names the split of each row.

    Where none is for validation, some training rows are, by `seed`, in the proportion of the two in `shares`.
    """
    found = {split: np.flatnonzero(parts == split) for split in SPLITS}
    if not len(found["val"]):
        train = np.random.default_rng(seed).permutation(found["train"])
        held = max(1, round(len(train) * shares[1] / (shares[0] + shares[1])))
        found |= {"val": np.sort(train[:held]), "train": np.sort(train[held:])}
    return found
