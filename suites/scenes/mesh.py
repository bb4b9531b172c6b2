"""A room as triangles, and what a ray meets first: trimesh's shapes, Embree's rays.

trimesh and embreex are imported when the first room is built, so that the package loads without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from suites.scenes.parts import Piece, PieceShape, Thing

SIDES = 20  # of a cylinder
ROUND = 6.0  # exponent of a cushion's superellipsoid: 2 a ball, more a box


@cache
def _template(shape: PieceShape) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) in the cube -0.5..0.5 and faces (f, 3) of a shape."""
    import trimesh

    if shape == "box":
        mesh = trimesh.creation.box((1, 1, 1))
    elif shape == "cylinder":
        mesh = trimesh.creation.cylinder(radius=0.5, height=1.0, sections=SIDES)
    else:
        mesh = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    vertices = np.array(mesh.vertices, dtype=float)
    if shape == "cylinder":
        vertices = vertices[:, [0, 2, 1]]
    if shape == "cushion":
        length = (np.abs(2 * vertices) ** ROUND).sum(axis=1, keepdims=True) ** (1 / ROUND)
        vertices = vertices / length
    return vertices / (2 * np.abs(vertices).max(axis=0)), np.array(mesh.faces, dtype=np.int32)


def _place_parts(parts: Sequence[Piece], template: np.ndarray) -> np.ndarray:
    """Vertices (n, v, 3) of parts of one shape, in the coordinates of their models."""
    rise = template[None, :, 1:2] + 0.5
    bottom, top, lean = (np.array([getattr(part, key) for part in parts])[:, None] for key in ("bottom", "top", "lean"))
    level = template[None][..., [0, 2]] * (bottom + (top - bottom) * rise) + lean * (rise - 0.5)
    shaped = np.stack(
        np.broadcast_arrays(level[..., 0], template[None, :, 1], level[..., 1]),
        axis=-1,
    )
    centre, size = (np.array([getattr(part, key) for part in parts])[:, None] for key in ("centre", "size"))
    placed: np.ndarray = shaped * size + centre
    return placed


@dataclass
class Mesh:
    """Triangles of all things.

    vertices (v, 3) and faces (f, 3); `part` (f,) is the row of a face's part in the arrays `thing` (p,)
    and in the list `slots`; `normal` (f, 3) is the unit normal of a face, of either sign; `place`, `cos`
    and `sin` (float32) of every thing turn room coordinates into those of its model.
    """

    vertices: np.ndarray
    faces: np.ndarray
    part: np.ndarray
    thing: np.ndarray
    slots: list[str]
    normal: np.ndarray
    place: np.ndarray
    cos: np.ndarray
    sin: np.ndarray
    _scene: Any = field(default=None, repr=False)

    def _build_tree(self) -> Any:
        if self._scene is None:
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene

            self._scene = EmbreeScene(robust=True)
            TriangleMesh(self._scene, self.vertices.astype(np.float32), self.faces.astype(np.int32))
        return self._scene

    def first_hits(self, start: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances (n,) in units of `direction` and faces (n,) that rays (n, 3) meet first; face -1 is none."""
        hits = self._build_tree().run(_to_float32(start), _to_float32(direction), output=1)
        return hits["tfar"], np.where(hits["geomID"] < 0, -1, hits["primID"])

    def is_blocked(self, start: np.ndarray, direction: np.ndarray, reach: float = 1.0) -> np.ndarray:
        """(n,) bool: something is met before `reach` times `direction`."""
        dists = np.full(len(start), reach, dtype=np.float32)
        hit: np.ndarray = (
            self._build_tree().run(_to_float32(start), _to_float32(direction), query="OCCLUDED", dists=dists) >= 0
        )
        return hit

    def to_local(self, points: np.ndarray, thing: np.ndarray) -> np.ndarray:
        """Room coordinates (n, 3) in those of the model of `thing` (n,)."""
        return self.turn_to_local(points - self.place[thing], thing)

    def turn_to_local(self, vectors: np.ndarray, thing: np.ndarray) -> np.ndarray:
        """Directions (n, 3) of the room in the coordinates of the model of `thing` (n,)."""
        c, s = self.cos[thing], self.sin[thing]
        x, z = vectors[:, 0], vectors[:, 2]
        return np.stack([c * x - s * z, vectors[:, 1], s * x + c * z], axis=1)


def _to_float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.float32)


def build_mesh(things: Sequence[Thing]) -> Mesh:
    """The triangles of things in their order."""
    owner = np.array([index for index, thing in enumerate(things) for _ in thing.model.parts])
    parts = [part for thing in things for part in thing.model.parts]
    place = np.array([thing.place for thing in things])
    yaw = np.array([thing.yaw for thing in things])
    cos, sin = np.cos(yaw), np.sin(yaw)
    vertices, faces, part_of, base = [], [], [], 0
    for shape in dict.fromkeys(part.shape for part in parts):
        rows = np.array([row for row, part in enumerate(parts) if part.shape == shape])
        template, triangles = _template(shape)
        local = _place_parts([parts[row] for row in rows], template)
        c, s = cos[owner[rows]][:, None], sin[owner[rows]][:, None]
        room = local + place[owner[rows]][:, None]
        room[..., 0] += (c - 1) * local[..., 0] + s * local[..., 2]
        room[..., 2] += (c - 1) * local[..., 2] - s * local[..., 0]
        vertices.append(room.reshape(-1, 3))
        shift = base + np.arange(len(rows)) * len(template)
        faces.append((triangles[None] + shift[:, None, None]).reshape(-1, 3))
        part_of.append(np.repeat(rows, len(triangles)))
        base += room.shape[0] * room.shape[1]
    points, corners = np.concatenate(vertices), np.concatenate(faces)
    a, b, c = (points[corners[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-30
    turns = (each.astype(np.float32) for each in (place, cos, sin))
    return Mesh(points, corners, np.concatenate(part_of), owner, [part.slot for part in parts], normal, *turns)
