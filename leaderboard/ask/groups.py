"""What follows from the pairs: where methods disagree, and whether a cheap score foretold what was measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.statistics import kendall_tau
from leaderboard.ask.grouping import Pair, foretell_gain, search_grouping
from leaderboard.ask.verdicts import RelationVerdict

FEW_CELLS = 12  # of a rank correlation: below, it says little


@dataclass(frozen=True)
class Flip:
    """A relation that helps under one method and hurts under another, both by intervals that are clear of 0."""

    main: str
    extras: tuple[str, ...]
    helps: str
    hurts: str


@dataclass(frozen=True)
class CheapScore:
    """A cheap score of pairs, and how well it orders the measured ones.

    scores: (main, extra) -> score, higher where the extra task should help more.
    tau: Kendall's rank correlation with the measured changes; NaN where there is none.
    cells: how many pairs it is over.
    regret: what the grouping that the score chooses foretells less than the best one, by the measured changes, in mean
        log error; NaN where no grouping can be chosen.
    """

    name: str
    scores: Mapping[Pair, float]
    tau: float
    cells: int
    regret: float = math.nan


def find_flips(judged: Sequence[RelationVerdict]) -> list[Flip]:
    """The relations that two methods answer with opposite signs, by their own 95 % intervals, in order."""
    flips = []
    for one in judged:
        for other in judged:
            same = (one.relation.main, one.relation.extras) == (other.relation.main, other.relation.extras)
            if same and (one.alone.low or 0) > 0 and (other.alone.high or 0) < 0:
                relation = one.relation
                flips.append(Flip(relation.main, relation.extras, relation.method, other.relation.method))
    return flips


def read_gains(judged: Sequence[RelationVerdict], method: str) -> dict[Pair, float]:
    """(main, extra) -> mean change in log error of the pairs under a method, as far as they were run."""
    return {
        (each.relation.main, each.relation.extras[0]): each.alone.mean
        for each in judged
        if each.relation.method == method and len(each.relation.extras) == 1 and math.isfinite(each.alone.mean)
    }


def rate_predictor(
    name: str, scores: Mapping[Pair, float], gains: Mapping[Pair, float], tasks: Sequence[str] = ()
) -> CheapScore:
    """A score with its rank correlation with the measured changes, over the pairs that have both, and its regret.

    tasks: that are grouped, of which every pair has a score and a change; none for no regret.
    """
    pairs = sorted(pair for pair in scores.keys() & gains.keys() if math.isfinite(scores[pair]))
    own, measured = (np.array([values[pair] for pair in pairs]) for values in (scores, gains))
    chosen, best = (search_grouping(tasks, {pair: values[pair] for pair in pairs}, name) for values in (scores, gains))
    regret = best.gain - foretell_gain(chosen.groups, gains) if best and chosen else math.nan
    tau = kendall_tau(own, measured) if len(pairs) > 1 else math.nan
    return CheapScore(name, scores, tau, len(pairs), regret)
