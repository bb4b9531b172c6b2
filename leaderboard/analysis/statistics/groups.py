"""Groups in which every tied pair stands and no other: cliques of a graph, in polynomial time."""

import numpy as np


def clique_cover(tied: np.ndarray, most: int) -> list[list[int]] | None:
    """Cliques of the graph `tied` [row, row] in which every tied pair stands, and no other; sorted.

    All maximal cliques where there are `most` at most. Their number can grow exponentially with the rows; where there
    are more, a cover by some of them, chosen greedily by the pairs that are not covered yet: the fewest are NP-hard to
    find (Kou, Stockmeyer and Wong 1978, Covering Edges by Cliques with Regard to Keyword Conflicts and Intersection
    Graphs). None where that has more than `most`, too. The time is at most of order rows^2 * most^2.
    """
    found = _maximal(tied, most)
    if found is None:
        found = _greedy(tied, most)
    return None if found is None else sorted(np.flatnonzero(row).tolist() for row in found)


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
