"""One model under several names: differences that a solver's tolerance explains order nothing."""

from dataclasses import replace

import numpy as np

from leaderboard.analysis.statistics.cells import Cells

# Scores are less sure than the objective that they are solved for. At 1e-8, errors of one model under two names differ
# by 3e-9 at most, and those of different models by more than 1e-5 in some seed (`school` and `linear_synthetic`).
OVER_TOLERANCE = 100.0
ROUNDING = 1e-12  # of the same counts, added in another order


def tolerance_of(data: Cells) -> float:
    """The relative difference of two errors that says nothing: 100 times that of the solver, or rounding."""
    if data.protocol is None or data.protocol.fit != "solver":
        return ROUNDING
    return OVER_TOLERANCE * data.protocol.tolerance


def group_equal_methods(data: Cells) -> list[int]:
    """Of each method the first on the board whose errors are its own up to `tolerance_of`: in every task and seed."""
    errors, tolerance = data.errors, tolerance_of(data)
    known = np.isfinite(errors)
    filled = np.where(known, errors, 0.0)
    firsts: list[int] = []
    found: list[int] = []
    for at in range(len(errors)):
        others = filled[firsts]
        close = np.abs(others - filled[at]) <= tolerance * np.maximum(np.abs(others), np.abs(filled[at]))
        same = (close & (known[firsts] == known[at])).all(axis=(1, 2)) & known[at].any()
        found.append(firsts[int(same.argmax())] if same.any() else at)
        if found[-1] == at:
            firsts.append(at)
    return found


def merge_equal_methods(data: Cells) -> Cells:
    """The same cells, with the numbers of the first of each group of `group_equal_methods` for all of them."""
    first = group_equal_methods(data)
    close = np.isclose(data.values, data.values[first], rtol=tolerance_of(data), atol=0.0)
    return replace(data, errors=data.errors[first], values=np.where(close, data.values[first], data.values))
