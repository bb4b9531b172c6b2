"""The lights of a room: lamps under the ceiling, windows as areas, table lamps; and what is everywhere.

Light is linear RGB without a physical unit: the camera of `sensor` sets its exposure by what it sees.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.random import Generator

from suites.scenes.placing import Room

# Each costs a ray per sample.
MOST_LIGHTS = 2  # lights with shadows in one room


@dataclass(frozen=True)
class Light:
    """A parallelogram that shines to the side of `normal`; a point where `across` and `up` are zero.

    centre: (3,) room coordinates, metres.
    across, up: (3,) its two sides, metres.
    normal: (3,) unit vector; zero shines all ways.
    power: (3,) linear RGB at one metre, straight before it.
    """

    centre: np.ndarray
    across: np.ndarray
    up: np.ndarray
    normal: np.ndarray
    power: np.ndarray

    def to_float32(self) -> "Light":
        """The same in float32, the precision of shading."""
        return Light(*(getattr(self, each.name).astype(np.float32) for each in fields(self)))


def white_light(warmth: float) -> np.ndarray:
    """Linear RGB (3,) of mean 1: warmth 0 is white, 1 a bulb, below 0 a blue sky."""
    colour = np.array([1.0 + 0.35 * warmth, 1.0, 1.0 - 0.45 * warmth])
    unit: np.ndarray = colour / colour.mean()
    return unit


def make_lights(room: Room, day: float, generator: Generator) -> tuple[list[Light], np.ndarray]:
    """At most MOST_LIGHTS lights, at least one, and the ambient light (3,), float32.

    room: its ceiling lamps, windows and table lamps may shine, each by chance.
    day: brightness of what is outside the windows; a window's power grows with its area.
    generator: of the lamps alone, so that they do not move with materials.

    The strongest are kept. A room that would be dark gets a lamp in its middle.
    """
    lights: list[Light] = []
    zero, warm = np.zeros(3), generator.uniform(0.1, 1.0)
    for thing in room.things:
        low, high = thing.model.bounds
        if thing.model.name == "ceiling lamp" and generator.random() < 0.8:
            # 6 cm below its model, so that the lamp does not shade itself.
            centre = np.array(thing.place) - np.array([0.0, 0.06, 0.0])
            wide = np.array([0.3, 0.0, 0.0]), np.array([0.0, 0.0, 0.3])
            lights.append(Light(centre, *wide, zero, white_light(warm) * generator.uniform(1.2, 2.6)))
        elif thing.model.name == "window":
            # The model's z and x in the room: out of the window into the room, and along the wall.
            out = np.array([np.sin(thing.yaw), 0.0, np.cos(thing.yaw)])
            side = np.array([np.cos(thing.yaw), 0.0, -np.sin(thing.yaw)])
            size = 0.85 * (high - low)
            # 14 cm before the wall, in front of sill and blinds, which would put it in their own shadow.
            centre = np.array(thing.point(0.0, float(high[1]) / 2, 0.14))
            power = white_light(generator.uniform(-0.4, 0.1)) * day * 0.8 * size[0] * size[1]
            lights.append(Light(centre, side * size[0], np.array([0.0, size[1], 0.0]), out, power))
        elif thing.model.name == "lamp" and generator.random() < 0.35:
            centre = np.array(thing.place) + np.array([0.0, high[1] + 0.08, 0.0])
            lights.append(Light(centre, zero, zero, zero, white_light(warm) * generator.uniform(0.2, 0.7)))
    lights = sorted(lights, key=lambda light: -float(light.power.mean()))[:MOST_LIGHTS]
    if not lights or sum(light.power.mean() for light in lights) < 0.5:
        centre = np.array([room.w / 2, room.h - 0.1, room.d / 2])
        lights = [
            *lights[: MOST_LIGHTS - 1],
            Light(centre, zero, zero, zero, white_light(warm) * generator.uniform(1.0, 2.0)),
        ]
    mean = np.sum([light.power for light in lights], axis=0)
    # light that has met the walls once or twice: less of it in a larger room
    ambient = mean * generator.uniform(0.10, 0.2) * 12.0 / (room.w * room.d)
    return [light.to_float32() for light in lights], ambient.astype(np.float32)
