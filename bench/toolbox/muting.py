"""Muted sharings: the same layers and parameters, and no path between tasks.

A muted sharing is the control of the sharing itself. What it gains over separate models it gains by its layers, norms
and gains, since each task reads features of its own in every place where it would read those of another task.
"""

from collections.abc import Sequence
from itertools import cycle


def deal_out(experts: int, tasks: int) -> list[int]:
    """[expert] -> the task that owns it: dealt in turn, so that tasks have equally many, or one more."""
    return [number % tasks for number in range(experts)]


def list_reads(owners: Sequence[int], tasks: int, muted: int) -> list[tuple[int, ...]]:
    """[task][place] -> whose features the task reads at that place of a gate or a unit.

    Places are the experts or towers that the unit weighs, (E,). They are read as they stand where `muted` is 0. Where
    it is 1 a task reads its own ones where they stand, and at the places of others its own ones again, in turn: with
    owners [0, 1, 0], task 0 reads [0, 0, 2] and task 1 reads [1, 1, 1]. No expert is then read by two tasks, and the
    shapes and the arithmetic of gates and units stay.

    Args:
        owners: [place] -> number of the task that owns the expert or tower.
        tasks: T.
        muted: 0 or 1.

    Raises:
        ValueError: `muted` is 1 and a task owns none, which would leave it nothing to read.
    """
    if not muted:
        return [tuple(range(len(owners)))] * tasks
    own = [[place for place, owner in enumerate(owners) if owner == task] for task in range(tasks)]
    if not all(own):
        raise ValueError(
            f"`muted` should be 0 where tasks outnumber experts. Found {len(owners)} experts for {tasks} tasks; "
            "take as many experts as tasks, or more."
        )
    reads = []
    for task, mine in enumerate(own):
        again = cycle(mine)
        reads.append(tuple(place if owner == task else next(again) for place, owner in enumerate(owners)))
    return reads
