"""A room that is being furnished: things are tried at sensible places and kept where they fit.

Every `put_...` and `hang_...` returns the row of the thing in `things`, or None where no try fitted: a full
room stays as it is. All lengths are metres; walls are numbered as in `fixtures.wall_yaw`.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from suites.scenes.collide import Boxes, intersect, join_boxes, make_boxes, part_boxes
from suites.scenes.fixtures import shell, wall_yaw
from suites.scenes.parts import Model, Surface, Thing, Vector


@dataclass
class Rug:
    """A patch of the floor with another material: no thickness, labelled floor.

    x, z: its middle, room coordinates.
    half_x, half_z: half its sides.
    yaw: radians.
    """

    x: float
    z: float
    half_x: float
    half_z: float
    yaw: float


@dataclass
class Room:
    """Things inside 0..w, 0..h, 0..d metres. `put` refuses what would intersect; everything else proposes places.

    w, h, d: width, height and depth.
    things: what is in it, the six of the shell first.
    rugs: patches of the floor.
    """

    w: float
    h: float
    d: float
    things: list[Thing] = field(default_factory=list)
    rugs: list[Rug] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._boxes: list[Boxes] = []
        self._all = join_boxes([])
        for model, place, yaw in shell(self.w, self.h, self.d):
            thing = Thing(model, place, yaw, "room")
            self._keep(thing, part_boxes(thing))

    def _keep(self, thing: Thing, own: Boxes) -> int:
        """Add a thing without asking; its row in `things`."""
        self.things.append(thing)
        self._boxes.append(own)
        self._all = join_boxes([self._all, own])
        reach = self._all.reach
        # The corners of the axis-aligned boxes, kept: each of many tries compares with all of them.
        self._low, self._high = self._all.centre - reach, self._all.centre + reach
        return len(self.things) - 1

    def boxes(self) -> Boxes:
        """The boxes of everything in the room, of the shell too."""
        return self._all

    def fits(self, own: Boxes, margin: float = 0.0) -> bool:
        """Whether a thing of these boxes is in the room and intersects nothing.

        own: its boxes, room coordinates.
        margin: metres to spare around it, to the sides.
        """
        reach = own.reach
        low, high = (own.centre - reach).min(axis=0), (own.centre + reach).max(axis=0)
        # 1 cm of grace: what stands against a wall touches it.
        if (low < -0.01).any() or (high > np.array([self.w, self.h, self.d]) + 0.01).any():
            return False
        near = np.flatnonzero(((self._low < high + margin) & (self._high > low - margin)).all(axis=1))
        if not len(near):
            return True
        if margin:
            # Not upwards: what stands on the floor touches it.
            own = make_boxes(own.centre, own.half + margin * np.array([1.0, 0.0, 1.0]), own.yaw)
        return not intersect(own, self._all[near]).any()

    def put(self, model: Model, place: Vector, yaw: float, support: str | int, margin: float = 0.0) -> int | None:
        """Keep the model at `place`, turned by `yaw`, if it fits; its row in `things`, or None.

        support: as in `Thing`; it is noted, not checked.
        margin: as in `fits`.
        """
        thing = Thing(model, place, yaw, support)
        own = part_boxes(thing)
        return self._keep(thing, own) if self.fits(own, margin) else None

    def _place_at_wall(self, model: Model, wall: int, along: float, gap: float, y: float) -> tuple[Vector, float]:
        """Place and yaw of a model whose back is at a wall.

        wall: 0 to 3.
        along: in 0..1 of what is free, from one end of the wall to the other.
        gap: from the wall to its back.
        y: height of its underside.
        """
        half = (model.bounds[1, 0] - model.bounds[0, 0]) / 2 + 0.02
        # A model may reach further to one side than to the other.
        middle = -(model.bounds[0, 0] + model.bounds[1, 0]) / 2
        long = (self.w, self.d)[wall % 2]
        s = half + along * (long - 2 * half) if long > 2 * half else long / 2
        out = gap - model.bounds[0, 2]
        yaw = wall_yaw(wall)
        x, z = ((s, out), (out, s), (s, self.d - out), (self.w - out, s))[wall]
        return (float(x + np.cos(yaw) * middle), y, float(z - np.sin(yaw) * middle)), yaw

    def put_against_wall(
        self, model: Model, generator: Generator, wall: int | None = None, along: float | None = None, tries: int = 20
    ) -> int | None:
        """Stand it on the floor with its back to a wall, up to 4 cm away.

        wall, along: drawn at each try where they are None.
        tries: how often before it is left out.
        """
        for _ in range(tries):
            at = int(generator.integers(4)) if wall is None else wall
            where = float(generator.random()) if along is None else along
            place, yaw = self._place_at_wall(model, at, where, generator.uniform(0.0, 0.04), 0.0)
            if (kept := self.put(model, place, yaw, "floor")) is not None:
                return kept
        return None

    def hang_on_wall(
        self,
        model: Model,
        generator: Generator,
        y: float,
        wall: int | None = None,
        along: float | None = None,
        tries: int = 8,
        margin: float = 0.02,
    ) -> int | None:
        """Hang it with its underside at height y.

        wall, along: drawn at each try where they are None.
        tries: how often before it is left out.
        margin: metres between it and what hangs there already; 0 lets them touch.
        """
        for _ in range(tries):
            at = int(generator.integers(4)) if wall is None else wall
            where = float(generator.random()) if along is None else along
            place, yaw = self._place_at_wall(model, at, where, 0.0, y)
            thing = Thing(model, place, yaw, "wall")
            own = part_boxes(thing)
            if self.fits(own) and (not margin or self._is_clear_of_hung(own, margin)):
                return self._keep(thing, own)
        return None

    def hang_above(self, model: Model, other: int, wall: int, y: float) -> int | None:
        """Hang it on the wall at height y, as nearly over another thing that stands against that wall as
        the wall is long.
        """
        x, _, z = self.things[other].place
        half = (model.bounds[1, 0] - model.bounds[0, 0]) / 2 + 0.02
        middle, long = ((x, self.w), (z, self.d))[wall % 2]
        if long <= 2 * half:
            return None
        place, yaw = self._place_at_wall(model, wall, float(np.clip((middle - half) / (long - 2 * half), 0, 1)), 0.0, y)
        return self.put(model, place, yaw, "wall")

    def _is_clear_of_hung(self, own: Boxes, margin: float) -> bool:
        """Whether what hangs on walls is further away than `margin`, along the wall and upwards."""
        inside = make_boxes(own.centre, own.half + np.array([margin, margin, 0.0]), own.yaw)
        hung = [boxes for other, boxes in zip(self.things, self._boxes, strict=True) if other.support == "wall"]
        return not hung or not intersect(inside, join_boxes(hung)).any()

    def put_in_the_open(
        self, model: Model, generator: Generator, margin: float = 0.1, turn: float | None = None, tries: int = 12
    ) -> int | None:
        """Stand it anywhere on the floor, aligned with the walls or turned.

        margin: metres that stay free around it, for people.
        turn: its yaw; None draws one at each try.
        tries: how often before it is left out.
        """
        for _ in range(tries):
            yaw = draw_yaw(generator) if turn is None else turn
            x, z = generator.uniform(0.3, self.w - 0.3), generator.uniform(0.3, self.d - 0.3)
            if (kept := self.put(model, (float(x), 0.0, float(z)), yaw, "floor", margin)) is not None:
                return kept
        return None

    def put_beside(self, model: Model, other: int, x: float, z: float, turn: float) -> int | None:
        """Stand it on the floor at (x, z) of another thing's coordinates, turned against it by `turn`."""
        base = self.things[other]
        px, _, pz = base.point(x, 0.0, z)
        return self.put(model, (px, 0.0, pz), base.yaw + turn, "floor")

    def put_on_surface(
        self, model: Model, other: int, surface: Surface, generator: Generator, turn: float = 0.0, tries: int = 5
    ) -> int | None:
        """Stand it on a surface of another thing, wholly inside the rectangle.

        other: the row of the bearing thing.
        surface: one of its model's.
        turn: yaw against the bearing thing.
        tries: how often before it is left out.
        """
        if model.bounds[1, 1] > surface.clear - 0.005:
            return None
        c, s = abs(np.cos(turn)), abs(np.sin(turn))
        # The smallest rectangle about the model's origin that holds it: turned, it holds the turned model.
        half = np.abs(model.bounds[:, [0, 2]]).max(axis=0)
        rx, rz = c * half[0] + s * half[1], s * half[0] + c * half[1]
        if 2 * rx > surface.x1 - surface.x0 or 2 * rz > surface.z1 - surface.z0:
            return None
        base = self.things[other]
        for _ in range(tries):
            x, z = (
                generator.uniform(surface.x0 + rx, surface.x1 - rx),
                generator.uniform(surface.z0 + rz, surface.z1 - rz),
            )
            if (kept := self.put(model, base.point(x, surface.y, z), base.yaw + turn, other)) is not None:
                return kept
        return None

    def put_under_ceiling(self, model: Model, x: float, z: float, yaw: float = 0.0) -> int | None:
        """Fix it under the ceiling, its top where it meets it."""
        return self.put(model, (x, float(self.h - model.bounds[1, 1]), z), yaw, "ceiling")


def draw_yaw(generator: Generator) -> float:
    """A yaw in radians: one of the four directions, or in three of ten cases any."""
    if generator.random() < 0.3:
        return float(generator.uniform(-np.pi, np.pi))
    return float(generator.integers(4) * np.pi / 2)
