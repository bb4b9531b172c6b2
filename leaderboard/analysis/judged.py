"""What a row of a board says of its method: one change, one verdict, and whether it could be the best.

Colours, stars, sentences and the band of methods that could be the best are all made from this, so that a row cannot
say two things.
"""

import math
from dataclasses import dataclass
from typing import Literal

from leaderboard.analysis.contrasts import ContrastVerdict
from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import DECIDES
from leaderboard.analysis.statistics import Interval

Side = Literal["better", "worse", "unclear"]


@dataclass(frozen=True)
class JudgedRow:
    """A method against the reference of its board, and among all of them.

    Attributes:
        change: in Δ log, positive where there is less error. Of a method that is tested the interval is that of its
            test (`Contrast.corrected`): it leaves out 0 exactly where the verdict is `better` or `worse`. Of a control
            it is the 95 % interval by itself; the reference has none.
        verdict: against the reference; None of the reference, and of rows that are not tested, as controls.
        leads: whether its mean is the best of those that are ranked.
        could_be_best: whether it leads, or no test has shown another method to be better.
    """

    change: Interval
    verdict: ContrastVerdict | None
    leads: bool
    could_be_best: bool

    @property
    def side(self) -> Side:
        """The colour of the row: that of its verdict, and none where it is neither better nor worse."""
        return self.verdict if self.verdict in ("better", "worse") else "unclear"


def tell_apart(results: Results) -> frozenset[tuple[str, str]]:
    """(better, worse) of every pair of methods that a test of the board orders: of all pairs, or a planned contrast.

    Ranked methods that no pair of ranked ones has as worse are those that could be the best.
    """
    found = set(results.standings.apart)
    for method, standing in results.standings.methods.items():
        for kind in ("reference", "best"):
            contrast = standing.contrasts.get(kind)
            if contrast and contrast.verdict in ("better", "worse"):
                pair = method, contrast.other
                found.add(pair if contrast.verdict == "better" else pair[::-1])
    return frozenset(found)


def judge_rows(results: Results) -> dict[str, JudgedRow]:
    """method -> what its row says, of every row of the board."""
    standings = results.standings.methods
    judged = {}
    for method in results.board.methods:
        row, standing = results.change_rows[method].get(DECIDES), standings.get(method)
        change = Interval(math.nan, None, None, 0)
        if row is not None and row.mean is not None:
            known = row.role != "reference"
            change = Interval(row.mean, row.ci_low if known else None, row.ci_high if known else None, row.seeds)
        contrast = standing.contrasts.get("reference") if standing else None
        if contrast and contrast.corrected:
            change = Interval(change.mean, contrast.corrected.low, contrast.corrected.high, change.n)
        ranked = standing is not None and standing.ranked
        judged[method] = JudgedRow(
            change,
            contrast.verdict if contrast else None,
            ranked and standing is not None and "best" not in standing.contrasts,
            standing is not None and standing.could_be_best,
        )
    return judged
