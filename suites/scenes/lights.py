"""The lights of a room: lamps under the ceiling, windows as areas, table lamps; and what is everywhere."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.random import Generator

from suites.scenes.placing import Room

MOST = 2  # lights with shadows in one room


@dataclass(frozen=True)
class Light:
    """A parallelogram (`across`, `up`: (3,) metres, zero for a point) that shines to the side of `normal`.

    `power` (3,) is linear RGB at one metre, straight before it; a zero `normal` shines all ways.
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
    """Linear RGB of about unit mean: 0 daylight, 1 a bulb."""
    colour = np.array([1.0 + 0.35 * warmth, 1.0, 1.0 - 0.45 * warmth])
    unit: np.ndarray = colour / colour.mean()
    return unit


def make_lights(room: Room, day: float, generator: Generator) -> tuple[list[Light], np.ndarray]:
    """At most MOST lights, at least one, and the ambient light (3,)."""
    lights: list[Light] = []
    zero, warm = np.zeros(3), generator.uniform(0.1, 1.0)
    for thing in room.things:
        low, high = thing.model.bounds
        if thing.model.name == "ceiling lamp" and generator.random() < 0.8:
            centre = np.array(thing.place) - np.array([0.0, 0.06, 0.0])
            wide = np.array([0.3, 0.0, 0.0]), np.array([0.0, 0.0, 0.3])
            lights.append(Light(centre, *wide, zero, white_light(warm) * generator.uniform(1.2, 2.6)))
        elif thing.model.name == "window":
            out = np.array([np.sin(thing.yaw), 0.0, np.cos(thing.yaw)])
            side = np.array([np.cos(thing.yaw), 0.0, -np.sin(thing.yaw)])
            size = 0.85 * (high - low)
            centre = np.array(thing.point(0.0, float(high[1]) / 2, 0.14))
            power = white_light(generator.uniform(-0.4, 0.1)) * day * 0.8 * size[0] * size[1]
            lights.append(Light(centre, side * size[0], np.array([0.0, size[1], 0.0]), out, power))
        elif thing.model.name == "lamp" and generator.random() < 0.35:
            centre = np.array(thing.place) + np.array([0.0, high[1] + 0.08, 0.0])
            lights.append(Light(centre, zero, zero, zero, white_light(warm) * generator.uniform(0.2, 0.7)))
    lights = sorted(lights, key=lambda light: -float(light.power.mean()))[:MOST]
    if not lights or sum(light.power.mean() for light in lights) < 0.5:
        centre = np.array([room.w / 2, room.h - 0.1, room.d / 2])
        lights = [*lights[: MOST - 1], Light(centre, zero, zero, zero, white_light(warm) * generator.uniform(1.0, 2.0))]
    mean = np.sum([light.power for light in lights], axis=0)
    # light that has met the walls once or twice: less of it in a larger room
    ambient = mean * generator.uniform(0.10, 0.2) * 12.0 / (room.w * room.d)
    return [light.to_float32() for light in lights], ambient.astype(np.float32)
