"""What follows from the pairs: where methods disagree, which tasks to group, and whether a cheap score foretold it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.statistics import kendall_tau
from leaderboard.ask.verdicts import RelationVerdict

Pair = tuple[str, str]  # main, extra
MOST_GROUPED = 9  # tasks: there are 21,147 ways to group nine
FEW_CELLS = 12  # of a rank correlation: below, it says little


@dataclass(frozen=True)
class Flip:
    """A relation that helps under one method and hurts under another, both by intervals that are clear of 0."""

    main: str
    extras: tuple[str, ...]
    helps: str
    hurts: str


@dataclass(frozen=True)
class Grouping:
    """Tasks in groups that are learnt together, each group apart from the others.

    gain: what is foretold of it, the mean change in log error over all tasks; 0 where every task is alone.
    method: whose pairs it is made of.
    """

    groups: tuple[tuple[str, ...], ...]
    gain: float
    method: str


@dataclass(frozen=True)
class CheapScore:
    """A cheap score of pairs, and how well it orders the measured ones.

    scores: (main, extra) -> score, higher where the extra task should help more.
    tau: Kendall's rank correlation with the measured changes; NaN where there is none.
    cells: how many pairs it is over.
    """

    name: str
    scores: Mapping[Pair, float]
    tau: float
    cells: int


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


def search_grouping(tasks: Sequence[str], gains: Mapping[Pair, float], method: str) -> Grouping | None:
    """The grouping of the largest foretold gain; None with more than nine tasks, or where a pair was not run.

        gain = 1/T sum_m mean over e in m's group of gains[m, e],   0 for a task alone

    as if a task gained from a group the mean of what it gains from each in it (Standley et al. 2020, Which Tasks
    Should Be Learned Together in Multi-task Learning?, section 5). No group of three or more was run for it.
    """
    wanted = {(main, extra) for main in tasks for extra in tasks if main != extra}
    if not 2 < len(tasks) <= MOST_GROUPED or wanted - gains.keys():
        return None

    def foretell(groups: Sequence[Sequence[str]]) -> float:
        """The gain of a grouping."""
        means = [
            sum(gains[main, extra] for extra in group if extra != main) / (len(group) - 1)
            for group in groups
            if len(group) > 1
            for main in group
        ]
        return sum(means) / len(tasks)

    best = max(_partition(list(tasks)), key=foretell)
    order = {task: place for place, task in enumerate(tasks)}
    groups = tuple(sorted((tuple(group) for group in best), key=lambda group: order[group[0]]))
    return Grouping(groups, foretell(best), method)


def _partition(tasks: list[str]) -> Iterator[list[list[str]]]:
    """Every way to put tasks into groups; all alone comes first, so that it wins where nothing gains."""
    if not tasks:
        yield []
        return
    first, *others = tasks
    for groups in _partition(others):
        yield [[first], *groups]
        for place, group in enumerate(groups):
            yield [*groups[:place], [first, *group], *groups[place + 1 :]]


def rate_predictor(name: str, scores: Mapping[Pair, float], gains: Mapping[Pair, float]) -> CheapScore:
    """A score with its rank correlation with the measured changes, over the pairs that have both."""
    pairs = sorted(pair for pair in scores.keys() & gains.keys() if math.isfinite(scores[pair]))
    own, measured = (np.array([values[pair] for pair in pairs]) for values in (scores, gains))
    return CheapScore(name, scores, kendall_tau(own, measured) if len(pairs) > 1 else math.nan, len(pairs))
