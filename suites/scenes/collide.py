"""Upright boxes turned about the vertical, and which of them intersect.

Every piece of a thing lies inside one such box, so things whose boxes are apart are apart. A box is a rectangle
in plan (x and z) times an interval in y, and two rectangles are apart if and only if one of their four edge
directions separates them (the separating axis theorem).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suites.scenes.parts import Thing

CONTACT = 1e-3  # metres by which neighbours may share space: rounding of things that touch


@dataclass(frozen=True)
class Boxes:
    """n boxes in room coordinates, float64, metres and radians.

    centre: (n, 3).
    half: half sizes (n, 3) along the box's own axes.
    yaw: (n,), which turns the box's z towards x, as `parts.Thing`.
    reach: (n, 3), half sizes of the axis-aligned boxes around them: the first, cheap test.
    """

    centre: np.ndarray
    half: np.ndarray
    yaw: np.ndarray
    reach: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "Boxes":
        return Boxes(self.centre[rows], self.half[rows], self.yaw[rows], self.reach[rows])


def make_boxes(centre: np.ndarray, half: np.ndarray, yaw: np.ndarray) -> Boxes:
    """Boxes from centres (n, 3), half sizes (n, 3) and yaws (n,), with their reach.

    A rectangle of half sides a, b turned by t reaches |cos t| a + |sin t| b along x, and the same with sine
    and cosine exchanged along z.
    """
    c, s = np.abs(np.cos(yaw)), np.abs(np.sin(yaw))
    reach = half.copy()
    reach[:, 0] = c * half[:, 0] + s * half[:, 2]
    reach[:, 2] = s * half[:, 0] + c * half[:, 2]
    return Boxes(centre, half, yaw, reach)


def part_boxes(thing: Thing) -> Boxes:
    """One box per part of a thing, in room coordinates, in the order of `thing.model.parts`."""
    local, c, s = thing.model.centres, np.cos(thing.yaw), np.sin(thing.yaw)
    centre = local + np.array(thing.place)
    # local + place is there already: only what the turn adds to it.
    centre[:, 0] += (c - 1) * local[:, 0] + s * local[:, 2]
    centre[:, 2] += (c - 1) * local[:, 2] - s * local[:, 0]
    return make_boxes(centre, thing.model.halves, np.full(len(local), thing.yaw))


def join_boxes(several: Sequence[Boxes]) -> Boxes:
    """All of them in one, in order; no boxes from an empty sequence."""
    none = Boxes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros((0, 3)))
    return Boxes(
        *(
            np.concatenate([getattr(each, key) for each in [none, *several]])
            for key in ("centre", "half", "yaw", "reach")
        )
    )


def intersect(a: Boxes, b: Boxes, slack: float = CONTACT) -> np.ndarray:
    """(n, m) bool: boxes of `a` and of `b` that share more than `slack` metres in every direction.

    In y the intervals decide. In plan the gap between the centres is projected on the two axes of either
    rectangle, and compared with the sum of the half widths there.

    Things that stand on one another touch exactly, and rounding makes that an overlap: `slack` lets it
    pass.
    """
    gap = b.centre[None] - a.centre[:, None]
    hit: np.ndarray = (np.abs(gap) < a.reach[:, None] + b.reach[None] - slack).all(axis=2)
    rows, columns = np.nonzero(hit)  # only these may intersect: the boxes around them do
    if not len(rows):
        return hit
    gap = gap[rows, columns]
    turn = b.yaw[columns] - a.yaw[rows]
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    both = np.ones(len(rows), dtype=bool)
    for half, other, yaw in (
        (a.half[rows], b.half[columns], a.yaw[rows]),
        (b.half[columns], a.half[rows], b.yaw[columns]),
    ):
        # The gap along the two axes of this rectangle; the other's half width there follows from the turn
        # between them.
        c, s = np.cos(yaw), np.sin(yaw)
        both &= np.abs(c * gap[:, 0] - s * gap[:, 2]) < half[:, 0] + cos * other[:, 0] + sin * other[:, 2] - slack
        both &= np.abs(s * gap[:, 0] + c * gap[:, 2]) < half[:, 2] + sin * other[:, 0] + cos * other[:, 2] - slack
    hit[rows, columns] = both
    return hit
