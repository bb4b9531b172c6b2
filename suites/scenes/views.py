"""Where a person with a camera would stand in a room, and which of those pictures are worth keeping.

Camera coordinates: x right, y up, z forward, metres, left-handed as the room's. At yaw 0 the two agree but for
the place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from suites._shared.dense.camera import NYUV2
from suites.scenes.classes import MOVABLE
from suites.scenes.scene import Scene
from suites.scenes.vectors import combine

# 192 rays tell what a picture is mostly of.
COARSE = NYUV2.resize((12, 16))
TRIES = 40
CLEAR = 0.25  # metres between the camera and anything


@dataclass(frozen=True)
class View:
    """A camera in the room.

    place: (3,) room coordinates, metres.
    axes: (3, 3), rows are its right, up and forward, unit vectors.
    """

    place: np.ndarray
    axes: np.ndarray

    def directions(self, rays: np.ndarray) -> np.ndarray:
        """Rays (..., 3) of the camera in room coordinates, flat (n, 3); a length of 1 is a depth of 1 m.

        Their precision stays: float64 for the truth, float32 for light.
        """
        return combine(rays.reshape(-1, 3), self.axes.astype(rays.dtype))

    def to_camera(self, vectors: np.ndarray) -> np.ndarray:
        """Directions (n, 3) of the room in the coordinates of the camera."""
        return combine(vectors, self.axes.T)


def camera_axes(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rows right, up and forward of a camera that looks along z at yaw 0.

    yaw: turns forward towards x, radians.
    pitch: is upwards, radians.
    roll: turns right towards up, radians.
    """
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    right, up = np.array([cy, 0.0, -sy]), np.array([-sy * sp, cp, -cy * sp])
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * up, c * up - s * right, np.array([sy * cp, sp, cy * cp])])


def is_free(scene: Scene, place: np.ndarray) -> bool:
    """Whether a point (3,) is CLEAR of every box: outside each, grown by that many metres."""
    boxes = scene.room.boxes()
    gap = place - boxes.centre
    c, s = np.cos(boxes.yaw), np.sin(boxes.yaw)
    local = np.stack([c * gap[:, 0] - s * gap[:, 2], gap[:, 1], s * gap[:, 0] + c * gap[:, 2]], axis=1)
    return not (np.abs(local) < boxes.half + CLEAR).all(axis=1).any()


def choose_view(scene: Scene, generator: Generator) -> View:
    """A view from near a wall into the room: the first that passes `merit`, or the best of TRIES.

    Where no place was free it looks from under the ceiling's middle.
    """
    best: tuple[float, View] | None = None
    for _ in range(TRIES):
        view = _propose(scene, generator)
        if view is None:
            continue
        score = merit(scene, view)
        if score >= 1:
            return view
        if best is None or score > best[0]:
            best = (score, view)
    if best is None:
        middle = np.array([scene.room.w / 2, scene.room.h - 0.4, scene.room.d / 2])
        return View(middle, camera_axes(float(generator.uniform(-np.pi, np.pi)), -0.4, 0.0))
    return best[1]


def _propose(scene: Scene, generator: Generator) -> View | None:
    """A view that a person could take, or None where something is in the way.

    At 1.0 to 1.75 m, towards about the middle of the room, mostly a little downwards, almost level.
    """
    room = scene.room
    size = np.array([room.w, room.d])
    # towards the walls: a room looks larger from there
    # Beta(0.55, 0.55) is densest at both ends; 35 cm stay to the wall.
    spot = generator.beta(0.55, 0.55, 2) * (size - 0.7) + 0.35
    place = np.array([spot[0], np.clip(generator.normal(1.4, 0.15), 1.0, 1.75), spot[1]])
    if not is_free(scene, place):
        return None
    goal = (0.5 + generator.uniform(-0.32, 0.32, 2)) * size
    yaw = np.arctan2(goal[0] - spot[0], goal[1] - spot[1]) + generator.normal(0, 0.15)
    pitch = float(np.clip(generator.normal(-0.14, 0.15), -0.65, 0.2))
    return View(place, camera_axes(float(yaw), pitch, float(np.clip(generator.normal(0, 0.03), -0.1, 0.1))))


def merit(scene: Scene, view: View) -> float:
    """1 for a picture with some depth and at least five classes, not mostly one thing; less otherwise.

    The share of seven checks that hold, on a coarse grid of rays: nearest and median depth, the largest
    thing, walls, movable things, what is near, and the number of classes. NYUv2's pictures were taken of
    something; a random view is mostly of a wall.
    """
    directions = view.directions(COARSE.rays())
    depth, face = scene.mesh.first_hits(np.broadcast_to(view.place, directions.shape), directions)
    if (face < 0).any():
        return 0.0
    thing = scene.mesh.thing[scene.mesh.part[face]]
    wall = np.array([other.model.kind == "wall" for other in scene.room.things])
    movable = np.array([other.model.kind in MOVABLE for other in scene.room.things])
    kinds = {scene.room.things[index].model.kind for index in np.unique(thing)}
    most = np.bincount(thing).max() / len(thing)
    checks = (
        depth.min() > 0.6,
        1.7 < np.median(depth) < 4.5,
        most < 0.4,
        wall[thing].mean() < 0.42,
        movable[thing].mean() > 0.32,
        (depth < 1.1).mean() < 0.25,
        len(kinds) >= 5,
    )
    return float(np.mean(checks))
