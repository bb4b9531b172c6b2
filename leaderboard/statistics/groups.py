"""Which methods the data do not order: groups of them, as few and as large as the tests allow."""

import numpy as np

from leaderboard.statistics.intervals import LEVEL
from leaderboard.statistics.ranking import complete, pairwise

LETTERS = 26  # groups that a board of any size may have


def tie_groups(changes: np.ndarray, alpha: float = 1 - LEVEL, overlap: float = 0.0) -> list[list[int]] | None:
    """Groups of methods, as rows of `changes` [method, seed], that the data do not order.

    Two methods share a group exactly where their paired t test, Holm over all pairs, does not reject at
    `alpha`; groups are as large as that allows and may overlap: A may tie with B, and B with C, but A not with C
    (the letters of Piepho 2004, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons).
    In falling order of means, and groups by their first members. A method that lacks a seed which others have
    is in none. There are as many groups as methods at most, or 26, and none of them lies in another: see
    `clique_cover`. None where more would be needed; what stands then is `tied_with_first`.
    """
    order, tied = _tied(changes, alpha, overlap)
    groups = clique_cover(tied, max(LETTERS, len(order)))
    return None if groups is None else [order[group].tolist() for group in groups]


def tied_with_first(changes: np.ndarray, alpha: float = 1 - LEVEL, overlap: float = 0.0) -> list[int]:
    """The method with the largest mean and those that the tests of `tie_groups` do not order against it, in order."""
    order, tied = _tied(changes, alpha, overlap)
    found: list[int] = order[tied[0]].tolist() if len(order) else []
    return found


def clique_cover(tied: np.ndarray, most: int) -> list[list[int]] | None:
    """Cliques of the graph `tied` [row, row] in which every tied pair stands, and no other; sorted.

    All maximal cliques where there are `most` at most. Their number can grow exponentially with the rows; where there
    are more, a cover by some of them, chosen greedily by the pairs that are not covered yet (the fewest are hard to
    find: Kellerman 1973, Determination of Keyword Conflict). None where that has more than `most`, too. Time is
    polynomial: at most rows * most^2 * rows.
    """
    found = _maximal(tied, most)
    if found is None:
        found = _greedy(tied, most)
    return None if found is None else sorted(np.flatnonzero(row).tolist() for row in found)


def _tied(changes: np.ndarray, alpha: float, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Methods with every seed in falling order of means, and [method, method] of them: what is not ordered."""
    kept, seeds = complete(changes)
    methods = np.flatnonzero(kept)
    order = (
        methods[np.argsort(-changes[np.ix_(methods, seeds)].mean(axis=1), kind="stable")] if len(methods) else methods
    )
    return order, ~(pairwise(changes[np.ix_(order, seeds)], overlap) <= alpha)


def _maximal(tied: np.ndarray, most: int) -> np.ndarray | None:
    """[clique, row] of all maximal cliques; None where there are more than `most`.

    Row by row: the cliques of the first rows are no more than those of all rows, so that none is ever made in vain.
    """
    cliques = np.zeros((1, len(tied)), dtype=np.float32)
    for new in range(len(tied)):
        near = np.flatnonzero(tied[new, :new])
        common = cliques[:, near]
        sizes = common.sum(axis=1)
        inside = common @ common.T >= sizes[:, None]  # what is tied with the new row of one clique, and of another
        smaller, equal = sizes[:, None] < sizes, sizes[:, None] == sizes
        covered = (inside & (smaller | np.tril(equal, -1))).any(axis=1)
        grown = np.zeros((int((~covered).sum()), len(tied)), dtype=np.float32)
        grown[:, near] = common[~covered]
        grown[:, new] = 1
        cliques = np.concatenate([cliques[sizes < cliques.sum(axis=1)], grown])
        if len(cliques) > most:
            return None
    return cliques[cliques.any(axis=1)] > 0


def _greedy(tied: np.ndarray, most: int) -> np.ndarray | None:
    """[clique, row] of maximal cliques that cover every tied pair; None where it takes more than `most`."""
    missing = tied & ~np.eye(len(tied), dtype=bool)  # pairs that no clique has yet
    found = list(np.eye(len(tied), dtype=bool)[~missing.any(axis=1)])  # those that tie with nobody
    while missing.any():
        if len(found) >= most:
            return None
        clique = np.zeros(len(tied), dtype=bool)
        allowed, gain = np.ones(len(tied), dtype=bool), missing.any(axis=1).astype(int)
        new = int(gain.argmax())
        gain[:] = 0
        while allowed.any():
            clique[new] = True
            allowed &= tied[new]
            allowed[new] = False
            gain += missing[new]
            new = int(np.where(allowed, gain, -1).argmax())  # of equals the first
        missing[np.ix_(clique, clique)] = False
        found.append(clique)
    return np.array(found)
