"""Which tasks to learn together, foretold from the gains of pairs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

Pair = tuple[str, str]  # main, extra
MOST_LISTED = 9  # tasks: there are 21,147 ways to group nine
MOST_COLUMNS = 12_000  # groups that a solver chooses from: seconds, not minutes


@dataclass(frozen=True)
class Grouping:
    """Tasks in groups that are learnt together, each group apart from the others.

    gain: what is foretold of it, the mean change in log error over all tasks; 0 where every task is alone.
    method: whose pairs it is made of.
    largest: the largest group that was considered.
    """

    groups: tuple[tuple[str, ...], ...]
    gain: float
    method: str
    largest: int


def search_grouping(tasks: Sequence[str], gains: Mapping[Pair, float], method: str) -> Grouping | None:
    """The grouping of the largest foretold gain; None below three tasks, or where a pair was not run.

    Up to nine tasks every grouping is looked at. Above, a solver chooses among all groups of up to so many tasks that
    there are not more than 12,000 (all groups up to 13 tasks, up to three together at 40).
    """
    wanted = {(main, extra) for main in tasks for extra in tasks if main != extra}
    if len(tasks) < 3 or wanted - gains.keys():
        return None
    if len(tasks) <= MOST_LISTED:
        best, largest = max(_partition(list(tasks)), key=lambda groups: foretell_gain(groups, gains)), len(tasks)
    else:
        largest = _limit_size(len(tasks))
        best = solve_grouping(tasks, gains, largest)
    order = {task: place for place, task in enumerate(tasks)}
    groups = tuple(sorted((tuple(group) for group in best), key=lambda group: order[group[0]]))
    return Grouping(groups, foretell_gain(groups, gains), method, largest)


def foretell_gain(groups: Sequence[Sequence[str]], gains: Mapping[Pair, float]) -> float:
    """What a grouping of T tasks gains, by its pairs.

        gain = 1/T sum_m mean over e in m's group of gains[m, e],   0 for a task alone

    as if a task gained from a group the mean of what it gains from each in it (Standley et al. 2020, Which Tasks
    Should Be Learned Together in Multi-task Learning?, section 5). No group of three or more was run for it.
    """
    return sum(_sum_of_group(group, gains) for group in groups) / sum(map(len, groups))


def solve_grouping(tasks: Sequence[str], gains: Mapping[Pair, float], largest: int) -> list[list[str]]:
    """The best grouping into groups of at most `largest` tasks, as a set partition of the tasks (HiGHS, by scipy).

    max sum_g x_g gain_g   over x_g in {0, 1}   with sum over g that hold t of x_g = 1 for every task t
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    groups = [list(group) for size in range(1, largest + 1) for group in combinations(tasks, size)]
    place = {task: number for number, task in enumerate(tasks)}
    held = [(place[task], column) for column, group in enumerate(groups) for task in group]
    rows, columns = np.array(held).T
    holds = coo_array((np.ones(len(held)), (rows, columns)), shape=(len(tasks), len(groups)))
    values = np.array([_sum_of_group(group, gains) for group in groups])
    one = np.ones(len(tasks))
    found = milp(
        -values,
        integrality=np.ones(len(groups)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(holds.tocsr(), one, one),
    )
    return [groups[column] for column in np.flatnonzero(found.x > 0.5)]


def _sum_of_group(group: Sequence[str], gains: Mapping[Pair, float]) -> float:
    """The sum over its tasks of what each gains in it."""
    if len(group) == 1:
        return 0.0
    return sum(gains[main, extra] for main in group for extra in group if extra != main) / (len(group) - 1)


def _limit_size(tasks: int) -> int:
    """The largest size of which all groups, with those that are smaller, are at most MOST_COLUMNS; 2 or more."""
    size, columns = 1, tasks
    while size < tasks and (columns := columns + math.comb(tasks, size + 1)) <= MOST_COLUMNS:
        size += 1
    return max(size, 2)


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
