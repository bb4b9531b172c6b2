"""A room as triangles, and what a ray meets first: trimesh's shapes, Embree's rays.

trimesh and embreex are imported when the first room is built, so that the package loads without them.

Embree (Wald et al., SIGGRAPH 2014) traces in float32: a point that follows from a hit may lie a hair behind its
surface, which is why shadow rays start a little off it (`shade.OFFSET`).
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
    """Vertices (v, 3) float64 in the cube -0.5..0.5 and faces (f, 3) int32 of a shape, touching all its sides.

    A cushion is the superellipsoid |x|^p + |y|^p + |z|^p = 1 with p = ROUND, a ball drawn out towards its
    box.
    """
    import trimesh

    if shape == "box":
        mesh = trimesh.creation.box((1, 1, 1))
    elif shape == "cylinder":
        mesh = trimesh.creation.cylinder(radius=0.5, height=1.0, sections=SIDES)
    else:
        mesh = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    vertices = np.array(mesh.vertices, dtype=float)
    if shape == "cylinder":
        # trimesh's cylinders stand along z; here y is up.
        vertices = vertices[:, [0, 2, 1]]
    if shape == "cushion":
        length = (np.abs(2 * vertices) ** ROUND).sum(axis=1, keepdims=True) ** (1 / ROUND)
        vertices = vertices / length
    return vertices / (2 * np.abs(vertices).max(axis=0)), np.array(mesh.faces, dtype=np.int32)


def _place_parts(parts: Sequence[Piece], template: np.ndarray) -> np.ndarray:
    """Vertices (n, v, 3) of n parts of one shape, in the coordinates of their models, metres.

    The height within the part mixes the scales `bottom` and `top` of x and z and moves them by `lean`, half
    of it backwards at the bottom; then everything is stretched to `size` and moved to `centre`.
    """
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
    """Triangles of all things of a room, in room coordinates, metres.

    vertices: (v, 3) float64.
    faces: (f, 3) rows of `vertices`.
    part: (f,) the part of a face, a row of `thing` and of `slots`.
    thing: (p,) the thing of a part, a row of the room's `things`.
    slots: of p parts, the name of the surface that tells its material.
    normal: (f, 3) unit normal of a face, of either sign: who looks turns it.
    place, cos, sin: float32, of every thing; they turn room coordinates into those of its model.
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
        """Embree's tree over the triangles, built once, when the first ray asks."""
        if self._scene is None:
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene

            # Robust: fewer rays slip through the edge that two triangles share.
            self._scene = EmbreeScene(robust=True)
            TriangleMesh(self._scene, self.vertices.astype(np.float32), self.faces.astype(np.int32))
        return self._scene

    def first_hits(self, start: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What rays meet first.

        start: (n, 3) room coordinates.
        direction: (n, 3), of any length.

        Returns distances (n,) float32 in units of `direction`'s length, and faces (n,); face -1 is
        none.
        """
        hits = self._build_tree().run(_to_float32(start), _to_float32(direction), output=1)
        return hits["tfar"], np.where(hits["geomID"] < 0, -1, hits["primID"])

    def is_blocked(self, start: np.ndarray, direction: np.ndarray, reach: float = 1.0) -> np.ndarray:
        """(n,) bool: something is met before `reach` times `direction`.

        Cheaper than `first_hits`: any hit ends a ray.
        """
        dists = np.full(len(start), reach, dtype=np.float32)
        hit: np.ndarray = (
            self._build_tree().run(_to_float32(start), _to_float32(direction), query="OCCLUDED", dists=dists) >= 0
        )
        return hit

    def to_local(self, points: np.ndarray, thing: np.ndarray) -> np.ndarray:
        """Points (n, 3) of the room in the coordinates of the models of `thing` (n,).

        Patterns are drawn there, so that they stick to their things.
        """
        return self.turn_to_local(points - self.place[thing], thing)

    def turn_to_local(self, vectors: np.ndarray, thing: np.ndarray) -> np.ndarray:
        """Directions (n, 3) of the room in the coordinates of the model of `thing` (n,)."""
        c, s = self.cos[thing], self.sin[thing]
        x, z = vectors[:, 0], vectors[:, 2]
        return np.stack([c * x - s * z, vectors[:, 1], s * x + c * z], axis=1)


def _to_float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.float32)


def build_mesh(things: Sequence[Thing]) -> Mesh:
    """The triangles of things in their order, with the parts that they are of."""
    owner = np.array([index for index, thing in enumerate(things) for _ in thing.model.parts])
    parts = [part for thing in things for part in thing.model.parts]
    place = np.array([thing.place for thing in things])
    yaw = np.array([thing.yaw for thing in things])
    cos, sin = np.cos(yaw), np.sin(yaw)
    vertices, faces, part_of, base = [], [], [], 0
    # Shape by shape, not part by part: a room has some hundreds of parts, and four shapes.
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
    # A triangle without area gets a zero normal; no ray meets it.
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-30
    turns = (each.astype(np.float32) for each in (place, cos, sin))
    return Mesh(points, corners, np.concatenate(part_of), owner, [part.slot for part in parts], normal, *turns)
