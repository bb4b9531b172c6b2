"""A room ready to be seen: triangles, labels, materials, lamps, from a seed and the dial."""

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
    """Looks as arrays, one row each (see `looks.Look`); colours float32 (m, 3, 3), linear RGB."""

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
    """`label` (things,) int8 and `told_by_texture` (things,) bool; `material` (parts,) rows of `materials`;
    `rug_material` one row per rug of the room; `shiny` (parts,) bool: glass and screens."""

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
    """Looks to arrays."""
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
    """Whether the dial concerns a thing: of a movable class and not fixed under the ceiling."""
    return kind in MOVABLE and support != "ceiling"


@lru_cache(maxsize=2)
def make_scene_of_room(seed: tuple[int, ...], classes: float) -> Scene:
    """The scene of a seed; what the dial does not concern has generators of its own."""
    shapes, looks, lamps = (np.random.default_rng([*seed, stream]) for stream in range(3))
    room = make_room(shapes)
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
