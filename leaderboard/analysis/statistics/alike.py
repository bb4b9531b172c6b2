"""Methods that a solver cannot tell apart: differences that its certificate allows order nothing.

A certificate says that F(W) - F* <= eps F(W), with F = |y - X W|^2 / 2 + R(W) and eps the protocol's `tolerance`. As R
is convex and the loss quadratic in the predictions, F(W) - F* >= |X W - X W*|^2 / 2 with W* at the minimum. Each of two
solutions of one problem may therefore lie sqrt(2 eps F) away from it, and their predictions as far from each other as

    |X W - X V| <= 2 sqrt(2 eps F),   so that   | |y - X W| - |y - X V| | <= 2 sqrt(eps F / f) |y - X W|,

f the loss of F. Relative errors of one model under two names may differ by 2 sqrt(eps) and nothing is wrong with either
(F is taken as f: a penalty of as much as the loss would add 41 %). That holds on the training rows; rows of the test
split are taken to be like them.
"""

import math
from dataclasses import replace

import numpy as np

from leaderboard.analysis.statistics.cells import Cells

ROUNDING = 1e-12  # of the same counts, added in another order


def tolerance_of(data: Cells) -> float:
    """The relative difference of two errors that says nothing: 2 sqrt(tolerance) of a solver, else rounding."""
    if data.protocol is None or data.protocol.fit != "solver":
        return ROUNDING
    return 2 * math.sqrt(data.protocol.tolerance)


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
