"""A room ready to be seen: triangles, labels, materials, lamps, from a seed and the dial.

Streams of random numbers are kept apart, so that the dial moves nothing but labels and looks: shapes and places
(0), looks of what is fixed (1), lights (2), and one for each movable thing (3, row).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from suites.scenes.classes import IDS, MOVABLE
from suites.scenes.lights import Light, make_lights
from suites.scenes.looks import Look, dress_thing
from suites.scenes.mesh import Mesh, build_mesh
from suites.scenes.placing import Room
from suites.scenes.rooms import make_room
from suites.scenes.structure import fixed_looks, flooring
from suites.scenes.textures import CODES


@dataclass(frozen=True)
class Materials:
    """Looks as arrays, one row each (see `looks.Look`).

    pattern: (m,) codes of `textures.CODES`.
    colours: (m, 3, 3) float32, linear RGB.
    scale, glow, gloss, band: (m,) float32.
    shift: (m, 3) float32.
    turn: (m,) bool.
    """

    pattern: np.ndarray
    colours: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    turn: np.ndarray
    glow: np.ndarray
    gloss: np.ndarray
    band: np.ndarray


@dataclass(frozen=True)
class Scene:
    """All that rendering needs of a room.

    room: its things and rugs.
    mesh: their triangles.
    label: (things,) int8, 0..12.
    material: (parts,) rows of `materials`.
    materials: the looks, packed.
    rug_material: (rugs,) rows of `materials`.
    shiny: (parts,) bool, glass and screens, where a Kinect sees nothing on patches.
    lights: with shadows, `lights.MOST_LIGHTS` or fewer.
    ambient: (3,) linear RGB of light from everywhere.
    """

    room: Room
    mesh: Mesh
    label: np.ndarray
    material: np.ndarray
    materials: Materials
    rug_material: np.ndarray
    shiny: np.ndarray
    lights: list[Light]
    ambient: np.ndarray


def pack_looks(looks: list[Look]) -> Materials:
    """Looks to arrays, in their order."""
    numbers = {
        key: np.array([getattr(look, key) for look in looks]) for key in ("scale", "glow", "gloss", "band", "turn")
    }
    return Materials(
        pattern=np.array([CODES[look.pattern] for look in looks]),
        colours=np.stack([look.colours for look in looks]).astype(np.float32),
        shift=np.stack([look.shift for look in looks]).astype(np.float32),
        **{key: value.astype(bool if key == "turn" else np.float32) for key, value in numbers.items()},
    )


def is_movable(kind: str, support: str | int) -> bool:
    """Whether the dial concerns a thing: of a movable class and not fixed under the ceiling.

    kind: its class.
    support: what bears it, as `parts.Thing` has it.
    """
    return kind in MOVABLE and support != "ceiling"


@lru_cache(maxsize=2)
def make_scene_of_room(seed: tuple[int, ...], classes: float) -> Scene:
    """The scene of a seed; what the dial does not concern has generators of its own.

    seed: whole numbers that name the room (see `generate`).
    classes: the dial, in [0, 1].

    The last two scenes are kept: the views of a room follow each other.
    """
    shapes, looks, lamps = (np.random.default_rng([*seed, stream]) for stream in range(3))
    room = make_room(shapes)
    # Brightness outside, over more than a factor of two to either side: from dusk to sun.
    day = float(np.exp(lamps.normal(0.3, 0.9)))
    label = np.zeros(len(room.things), dtype=np.int8)
    material: list[int] = []
    rows: list[Look] = []
    shared: dict[str, Look] = {}
    for index, thing in enumerate(room.things):
        if is_movable(thing.model.kind, thing.support):
            # one generator a thing: what one of them draws does not move the draws of the others
            label[index], own = dress_thing(thing, classes, np.random.default_rng([*seed, 3, index]))
        else:
            label[index], own = IDS[thing.model.kind], fixed_looks(thing, shared, day, looks)
        slots = {slot: len(rows) + k for k, slot in enumerate(thing.model.slots)}
        rows += own
        material += [slots[part.slot] for part in thing.model.parts]
    rugs = np.arange(len(rows), len(rows) + len(room.rugs))
    rows += [flooring(looks) for _ in room.rugs]
    mesh = build_mesh(room.things)
    lights, ambient = make_lights(room, day, lamps)
    shiny = np.array([slot in ("pane", "screen") for slot in mesh.slots])
    return Scene(room, mesh, label, np.array(material), pack_looks(rows), rugs, shiny, lights, ambient)
