"""Upright boxes turned about the vertical, and which of them intersect."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suites.scenes.parts import Thing

CONTACT = 1e-3  # metres by which neighbours may share space: rounding of things that touch


@dataclass(frozen=True)
class Boxes:
    """Centres (n, 3), half sizes (n, 3) and yaws (n,) in room coordinates; `reach` (n, 3) are the half sizes
    of the axis-aligned boxes around them."""

    centre: np.ndarray
    half: np.ndarray
    yaw: np.ndarray
    reach: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "Boxes":
        return Boxes(self.centre[rows], self.half[rows], self.yaw[rows], self.reach[rows])


def make_boxes(centre: np.ndarray, half: np.ndarray, yaw: np.ndarray) -> Boxes:
    """Boxes with their reach."""
    c, s = np.abs(np.cos(yaw)), np.abs(np.sin(yaw))
    reach = half.copy()
    reach[:, 0] = c * half[:, 0] + s * half[:, 2]
    reach[:, 2] = s * half[:, 0] + c * half[:, 2]
    return Boxes(centre, half, yaw, reach)


def part_boxes(thing: Thing) -> Boxes:
    """One box per part of a thing."""
    local, c, s = thing.model.centres, np.cos(thing.yaw), np.sin(thing.yaw)
    centre = local + np.array(thing.place)
    centre[:, 0] += (c - 1) * local[:, 0] + s * local[:, 2]
    centre[:, 2] += (c - 1) * local[:, 2] - s * local[:, 0]
    return make_boxes(centre, thing.model.halves, np.full(len(local), thing.yaw))


def join_boxes(several: Sequence[Boxes]) -> Boxes:
    """All of them in one."""
    none = Boxes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros((0, 3)))
    return Boxes(
        *(
            np.concatenate([getattr(each, key) for each in [none, *several]])
            for key in ("centre", "half", "yaw", "reach")
        )
    )


def intersect(a: Boxes, b: Boxes, slack: float = CONTACT) -> np.ndarray:
    """(n, m) bool: boxes that share more than `slack` in every direction (separating axes of the rectangles)."""
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
        c, s = np.cos(yaw), np.sin(yaw)
        both &= np.abs(c * gap[:, 0] - s * gap[:, 2]) < half[:, 0] + cos * other[:, 0] + sin * other[:, 2] - slack
        both &= np.abs(s * gap[:, 0] + c * gap[:, 2]) < half[:, 2] + sin * other[:, 0] + cos * other[:, 2] - slack
    hit[rows, columns] = both
    return hit
