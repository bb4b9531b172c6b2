"""The change of error of families of methods on a board: the mean over the methods of a family, seed by seed."""

from collections.abc import Mapping, Sequence

import numpy as np

from leaderboard.analysis.contrasts import Contrast, contrast_pairs
from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import DECIDES, keep_methods
from leaderboard.analysis.statistics import change_matrix, merge_equal_methods


def compare_families(results: Results, families: Mapping[str, Sequence[str]]) -> dict[str, Contrast]:
    """family -> the contrast of its mean with the reference of the board.

        change of a family on a seed = mean over its methods of Δ log against the reference

    Families are one family of tests. One with a single method has the contrast of that method on the board, which is
    corrected over all methods: a page should not say of one row two things.

    Args:
        results: the numbers of a board.
        families: name -> methods of the board that are ranked, at least one each; nothing is filled in for others.
    """
    standings, reference = results.standings.methods, results.board.reference
    single = {
        family: contrast
        for family, methods in families.items()
        if len(methods) == 1 and (contrast := standings[methods[0]].contrasts.get("reference"))
    }
    several = {family: methods for family, methods in families.items() if len(methods) > 1}
    if not several or reference not in results.board.methods:
        return single
    names = [name for name in results.board.methods if name in standings]
    data = merge_equal_methods(keep_methods(results.cells, names))
    changes = dict(zip(names, change_matrix(data, DECIDES), strict=True))
    rows = np.array([changes[reference], *(np.mean([changes[m] for m in own], axis=0) for own in several.values())])
    found = contrast_pairs(rows, [reference, *several], [(family, reference) for family in several], data.overlap)
    return {family: (single | found)[family] for family in families if family in single or family in found}
