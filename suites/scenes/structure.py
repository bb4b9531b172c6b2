"""Materials of the shell and of what is fixed to it: the same at every value of the dial.

Their generator is the room's (`looks` of `scene`), not a thing's own; what is alike in a room, as its walls, is
drawn once and shared. Colours are drawn as HSV and kept as linear RGB.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from suites.scenes.looks import Look, look, pool_look, rgb
from suites.scenes.parts import Thing


def paint(generator: Generator) -> Look:
    """A wall: mostly light paint, sometimes soft stripes or blotches, mostly with a skirting of 7 to 13 cm."""
    light = generator.random() < 0.75
    value = generator.uniform(0.6, 0.93) if light else generator.uniform(0.3, 0.65)
    hue = generator.choice([generator.uniform(0.06, 0.16), generator.random()], p=[0.6, 0.4])
    saturation = generator.uniform(0.02, 0.22) if light else generator.uniform(0.1, 0.5)
    pattern = generator.choice(["plain", "wallpaper", "mottle"], p=[0.75, 0.1, 0.15])
    trim = rgb(0.1, generator.uniform(0, 0.1), generator.uniform(0.8, 0.95))
    if generator.random() < 0.2:
        trim = rgb(0.07, 0.6, generator.uniform(0.2, 0.5))
    colours = [rgb(hue, saturation, value), rgb(hue, saturation, value * generator.uniform(0.82, 0.95)), trim]
    band = float(generator.choice([0.0, 0.07, 0.1, 0.13]))
    return look(str(pattern), colours, generator.uniform(0.15, 0.4), generator, band=band)


def flooring(generator: Generator) -> Look:
    """Boards (45 %), carpet (35 %) or tiles (20 %); rugs are drawn from it too."""
    kind = generator.choice(3, p=[0.45, 0.35, 0.2])
    turn = bool(generator.random() < 0.5)
    if kind == 0:
        hue, saturation, value = (
            generator.uniform(0.05, 0.1),
            generator.uniform(0.35, 0.7),
            generator.uniform(0.3, 0.75),
        )
        colours = [rgb(hue, saturation, value * f) for f in (1.0, 0.72, 0.35)]
        return look(
            "planks",
            colours,
            generator.uniform(0.08, 0.18),
            generator,
            turn=turn,
            gloss=float(generator.choice([0.0, 0.2, 0.4])),
        )
    hue, saturation = generator.choice([0.08, generator.random()]), generator.uniform(0.03, 0.35)
    value = generator.uniform(0.3, 0.8)
    colours = [rgb(hue, saturation, value * f) for f in (1.0, 0.8, 0.5)]
    if kind == 1:
        return look(str(generator.choice(["mottle", "weave"])), colours, generator.uniform(0.03, 0.2), generator)
    return look("tiles", colours, generator.uniform(0.2, 0.45), generator, gloss=0.3)


def ceiling_paint(generator: Generator) -> Look:
    """A ceiling: nearly white."""
    colour = rgb(0.1, generator.uniform(0, 0.1), generator.uniform(0.8, 0.97))
    return look("plain", [colour, colour * 0.85, colour], 0.5, generator)


def fitting(generator: Generator) -> Look:
    """Frames, doors, rods: white (50 %), wood (35 %), or dark."""
    kind = generator.random()
    if kind < 0.5:
        colour = rgb(0.1, generator.uniform(0, 0.12), generator.uniform(0.8, 0.97))
    elif kind < 0.85:
        colour = rgb(generator.uniform(0.05, 0.1), generator.uniform(0.4, 0.7), generator.uniform(0.25, 0.7))
    else:
        colour = rgb(generator.random(), 0.1, generator.uniform(0.1, 0.3))
    pattern = "plain" if kind < 0.5 else "wood"
    return look(pattern, [colour, colour * 0.6, colour * 0.4], 0.1, generator, turn=True, gloss=0.15)


def pane(generator: Generator, day: float) -> Look:
    """Glass: the sky over something dark; `day` is the light of it, which the pane gives off."""
    sky = rgb(generator.uniform(0.5, 0.62), generator.uniform(0.0, 0.25), 1.0)
    land = rgb(generator.choice([0.3, 0.1, 0.6]), generator.uniform(0.1, 0.5), generator.uniform(0.25, 0.6))
    return Look(
        "landscape",
        np.stack([sky * 0.8, sky, land * 0.7]),
        0.6,
        np.array([generator.uniform(0, 32), -1.3, 0.0]),
        glow=day,
    )


def cloth(generator: Generator) -> Look:
    """Curtains and blinds: soft stripes of 5 to 12 cm in one hue."""
    hue, saturation, value = generator.random(), generator.uniform(0.0, 0.5), generator.uniform(0.35, 0.95)
    colours = [rgb(hue, saturation, value * f) for f in (1.0, 0.75, 0.5)]
    return look("wallpaper", colours, generator.uniform(0.05, 0.12), generator)


def canvas(thing: Thing, generator: Generator) -> Look:
    """A picture: three colours in fields of about a third of its size."""
    size = float(thing.model.bounds[1].max())
    colours = [rgb(generator.random(), generator.uniform(0.1, 0.8), generator.uniform(0.1, 0.95)) for _ in range(3)]
    return Look("painting", np.stack(colours), size * 0.35, np.array([generator.uniform(0, 32), -1.2, 0.0]), gloss=0.1)


def fixed_looks(thing: Thing, shared: dict[str, Look], day: float, generator: Generator) -> list[Look]:
    """One material per slot of something fixed, in the order of `thing.model.slots`.

    shared: name -> material of what is alike in the room: walls, trims, window frames, curtains. It is
        filled on the way.
    day: brightness outside the windows.
    generator: of what is fixed.
    """

    def share(key: str, make: Callable[[Generator], Look]) -> Look:
        if key not in shared:
            shared[key] = make(generator)
        return shared[key]

    kind, made = thing.model.kind, []
    for slot in thing.model.slots:
        if kind == "wall" and slot == "main":
            # One wall of eight has a paint of its own.
            accent = thing.model.name == "wall" and generator.random() < 0.12
            made.append(paint(generator) if accent else share("paint", paint))
        elif kind in ("floor", "ceiling"):
            made.append(flooring(generator) if kind == "floor" else ceiling_paint(generator))
        elif slot == "pane":
            made.append(pane(generator, day))
        elif slot in ("cloth", "blind"):
            made.append(share(slot, cloth))
        elif slot == "canvas":
            made.append(canvas(thing, generator))
        elif slot == "glow":
            white = np.array([1.0, 0.93, 0.8])
            made.append(
                Look(
                    "plain", np.stack([white, white, white]), 1.0, np.zeros(3), glow=float(generator.uniform(0.8, 3.0))
                )
            )
        elif kind == "picture":
            made.append(fitting(generator) if generator.random() < 0.7 else pool_look(generator))
        else:
            made.append(share(f"{kind}.{slot}", fitting))
    return made
