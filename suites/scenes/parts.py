"""Models are lists of simple parts; a thing is a model with a place in the room.

Room coordinates, in metres: x in 0..w, y up in 0..h, z in 0..d; seen along z, x is to the right, so they are
left-handed, as the camera's.

A model has its own coordinates: x to its right along the wall it stands against, y up from its underside, z
towards its front; (0, 0, 0) is the centre of the underside. `yaw`, in radians, turns z towards x:

    x_room = x cos(yaw) + z sin(yaw),  z_room = z cos(yaw) - x sin(yaw).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

Vector = tuple[float, float, float]
Vector2 = tuple[float, float]
PieceShape = Literal["box", "cylinder", "ball", "cushion"]


@dataclass(frozen=True)
class Piece:
    """One convex piece inside the axis-aligned box `centre`, `size` of the model.

    shape: `box`, `cylinder` (upright), `ball` or `cushion` (a rounded box).
    centre, size: metres, (x, y, z).
    slot: names the surface: one material per slot of a thing.
    bottom, top: factors of x and z at the two ends.
    lean: moves the top against the bottom, as a fraction of the size in x and z; scale + |lean| should not
        exceed 1, so that the piece stays in its box, which stands for it where collisions are looked for.
    """

    shape: PieceShape
    centre: Vector
    size: Vector
    slot: str = "main"
    bottom: Vector2 = (1.0, 1.0)
    top: Vector2 = (1.0, 1.0)
    lean: Vector2 = (0.0, 0.0)


@dataclass(frozen=True)
class Surface:
    """A level rectangle where things may stand, in the model's coordinates, metres.

    x0, x1, z0, z1: its sides; things stay wholly inside.
    y: its height.
    clear: how much is free above it.
    use: what it is for, a key of `clutter.USES`; another word is a table top.
    """

    x0: float
    x1: float
    z0: float
    z1: float
    y: float
    clear: float = 2.0
    use: str = "any"


@dataclass(frozen=True)
class Model:
    """Parts of one object.

    kind: its class, one of the 13.
    name: which object it is, as `nightstand`; some have lights or uses by it.
    parts: what it is made of; never none.
    surfaces: where things may stand on it.
    """

    kind: str
    name: str
    parts: tuple[Piece, ...]
    surfaces: tuple[Surface, ...] = ()

    @cached_property
    def centres(self) -> np.ndarray:
        """Centres of the parts' boxes, (n, 3) metres."""
        return np.array([part.centre for part in self.parts], dtype=float)

    @cached_property
    def halves(self) -> np.ndarray:
        """Half sizes of the parts' boxes, (n, 3) metres."""
        return np.array([part.size for part in self.parts], dtype=float) / 2

    @cached_property
    def bounds(self) -> np.ndarray:
        """Lowest and highest x, y, z: (2, 3) metres."""
        return np.stack([(self.centres - self.halves).min(axis=0), (self.centres + self.halves).max(axis=0)])

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of its surfaces, each once."""
        return tuple(dict.fromkeys(part.slot for part in self.parts))


@dataclass(frozen=True)
class Thing:
    """A model at a place in the room.

    place: where the centre of its underside is, metres, room coordinates.
    yaw: radians.
    support: what bears it: "room" for the shell itself, "floor", "wall", "ceiling", or the row of another
        thing.
    """

    model: Model
    place: Vector
    yaw: float
    support: str | int

    def point(self, x: float, y: float, z: float) -> Vector:
        """A point of the model in room coordinates, metres."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return float(self.place[0] + c * x + s * z), self.place[1] + y, float(self.place[2] + c * z - s * x)


def box(x: float, y: float, z: float, w: float, h: float, d: float, slot: str = "main", **shape: Vector2) -> Piece:
    """A box whose underside is at height `y`, centred on x and z.

    x, z: the middle; y: the underside.
    w, h, d: sizes along x, y and z.
    shape: `bottom`, `top` and `lean` of `Piece`.
    """
    return Piece("box", (x, y + h / 2, z), (w, h, d), slot, **shape)


def round_part(
    shape: PieceShape, x: float, y: float, z: float, w: float, h: float, d: float, slot: str = "main", **more: Vector2
) -> Piece:
    """As `box`, of any shape, mostly a rounded one."""
    return Piece(shape, (x, y + h / 2, z), (w, h, d), slot, **more)
