"""Every two methods of a board against each other, as `compare_two` answers for one pair, at the cost of a few."""

from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.contrasts import ContrastKind, ContrastVerdict, contrast_every_pair
from leaderboard.analysis.method_pair import MIRRORED, find_planned_contrast, mirror_interval
from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import keep_methods
from leaderboard.analysis.statistics import Interval, log_gains, merge_equal_methods


@dataclass(frozen=True)
class PairAnswer:
    """What a board says of a method against another one.

    Attributes:
        change: in Δ log with the interval of its test, positive where the method has less error than the other.
        verdict: at 5 % after adjustment.
        seeds: on how many both were run.
        kind: of the planned contrast; None for a pair that nobody planned, which is adjusted over all pairs.
    """

    change: Interval
    verdict: ContrastVerdict
    seeds: int
    kind: ContrastKind | None

    @property
    def mirror(self) -> "PairAnswer":
        """The answer the other way round."""
        verdict = MIRRORED.get(self.verdict, self.verdict)
        return PairAnswer(mirror_interval(self.change), verdict, self.seeds, self.kind)


def compare_every_pair(results: Results) -> dict[tuple[str, str], PairAnswer]:
    """(method, other) -> their comparison, both ways round, of all methods that take part in the ranking.

    The numbers are those of `compare_two`. Controls are left out, as they join the family only where somebody asks for
    them, and so are pairs without a seed in common.
    """
    names = [name for name in results.board.methods if name in results.standings.methods]
    kept = keep_methods(results.cells, names)
    cells = merge_equal_methods(kept)
    known = np.isfinite(log_gains(kept))
    found: dict[tuple[str, str], PairAnswer] = {}
    for (one, two), contrast in contrast_every_pair(log_gains(cells), names, cells.overlap).items():
        planned = find_planned_contrast(results, one, two)
        decides, kind, mirrored = planned or (contrast, None, False)
        seeds = int((known[names.index(one)] & known[names.index(two)]).sum())
        answer = PairAnswer(decides.corrected or decides.estimate, decides.verdict, seeds, kind)
        found[one, two], found[two, one] = (answer.mirror, answer) if mirrored else (answer, answer.mirror)
    return found
