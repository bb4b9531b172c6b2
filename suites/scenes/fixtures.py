"""Models fixed to the shell of a room: windows and curtains, doors, pictures, mirrors, lamps; and the shell itself.

Coordinates are those of `parts`: metres, x along the wall, y up, z into the room. What hangs on a wall has its
back at z = 0 and y counted from its own underside.
"""

import numpy as np
from numpy.random import Generator

from suites.scenes.parts import Model, Piece, box, round_part

SHELL = 0.2  # metres: thickness of walls, floor and ceiling, outside the room


def shell(w: float, h: float, d: float) -> list[tuple[Model, tuple[float, float, float], float]]:
    """Floor, ceiling and four walls around 0..w, 0..h, 0..d metres: (model, place, yaw) of each.

    They lie outside the room, SHELL thick, so that a ray from inside always meets their inner faces. The
    floor is the first, which `shade.surface` relies on for rugs.
    """
    made = [
        (Model("floor", "floor", (box(0, 0, 0, w + 2 * SHELL, SHELL, d + 2 * SHELL),)), (w / 2, -SHELL, d / 2), 0.0),
        (Model("ceiling", "ceiling", (box(0, 0, 0, w + 2 * SHELL, SHELL, d + 2 * SHELL),)), (w / 2, h, d / 2), 0.0),
    ]
    places = ((w / 2, 0.0), (0.0, d / 2), (w / 2, d), (w, d / 2))
    for index, (x, z) in enumerate(places):
        long = (w, d)[index % 2]
        # walls 0 and 2 go round the corner, so that no two boxes of the shell share space
        part = box(0, 0, -SHELL / 2, long + (2 * SHELL if index % 2 == 0 else 0.0), h, SHELL)
        made.append((Model("wall", "wall", (part,)), (x, 0.0, z), wall_yaw(index)))
    return made


def wall_yaw(index: int) -> float:
    """The yaw of things that stand against wall 0 (z = 0), 1 (x = 0), 2 (z = d) or 3 (x = w)."""
    return (0.0, np.pi / 2, np.pi, -np.pi / 2)[index]


def pillar(generator: Generator, h: float) -> Model:
    """A pier or a chimney breast from floor to ceiling, `h` metres high; its class is wall."""
    return Model("wall", "pillar", (box(0, 0, 0, generator.uniform(0.3, 1.3), h, generator.uniform(0.15, 0.4)),))


def window(generator: Generator, width: float, height: float) -> Model:
    """Panes in a frame with bars and a sill, `width` x `height` metres; perhaps blinds, partly down."""
    f, deep = generator.uniform(0.05, 0.09), 0.045
    parts = [box(0, f / 2, 0.008, width - f, height - f, 0.016, "pane")]
    parts += [box(sx * (width - f) / 2, 0, deep / 2, f, height, deep, "frame") for sx in (-1, 1)]
    parts += [box(0, y, deep / 2, width - 2 * f, f, deep, "frame") for y in (0, height - f)]
    across = max(1, round(width / generator.uniform(0.5, 1.0)))
    parts += [
        box((i / across - 0.5) * (width - f), f, 0.018, 0.04, height - 2 * f, 0.03, "frame") for i in range(1, across)
    ]
    if generator.random() < 0.5:
        parts.append(box(0, height * generator.choice([0.5, 0.65]), 0.018, width - 2 * f, 0.04, 0.03, "frame"))
    if generator.random() < 0.6:
        parts.append(box(0, -0.02, 0.05, width + 0.08, 0.03, 0.1, "frame"))
    # Slats about 7 cm apart, 5 cm before the wall.
    if generator.random() < 0.25:  # blinds, partly down
        drop = height * generator.uniform(0.2, 0.7)
        slats = max(3, round(drop / 0.07))
        parts += [
            box(0, height - f - (i + 0.8) * drop / slats, 0.05, width - 2 * f, 0.035, 0.03, "blind", lean=(0, 0.0))
            for i in range(slats)
        ]
    return Model("window", "window", tuple(parts))


def curtain(generator: Generator, width: float, height: float) -> Model:
    """A pleated curtain of `width` x `height` metres: a row of narrow rolls of cloth, one every 9 cm, hanging
    from a rod.
    """
    folds = max(3, round(width / 0.09))
    step = width / folds
    parts = [
        Piece(
            "cylinder",
            ((i - (folds - 1) / 2) * step, height / 2, 0.055),
            (step * 1.02, height, generator.uniform(0.06, 0.09)),
            "cloth",
        )
        for i in range(folds)
    ]
    parts.append(box(0, height - 0.03, 0.055, width + 0.06, 0.03, 0.03, "rod"))
    return Model("window", "curtain", tuple(parts))


def picture(generator: Generator) -> Model:
    """A framed picture, or in one case of four a poster without a frame; at most 1.1 x 1 m."""
    w = generator.uniform(0.3, 1.1)
    h = min(w * generator.choice([0.7, 0.75, 1.0, 1.35]), 1.0)
    if generator.random() < 0.25:
        return Model("picture", "poster", (box(0, 0, 0.006, w, h, 0.012, "canvas"),))
    f, deep = generator.uniform(0.02, 0.06), generator.uniform(0.02, 0.04)
    parts = [box(0, f, deep * 0.3, w - 2 * f, h - 2 * f, deep * 0.6, "canvas")]
    parts += [box(sx * (w - f) / 2, 0, deep / 2, f, h, deep, "frame") for sx in (-1, 1)]
    parts += [box(0, y, deep / 2, w - 2 * f, f, deep, "frame") for y in (0, h - f)]
    return Model("picture", "picture", tuple(parts))


def board(generator: Generator) -> Model:
    """A mirror, a white board or a clock: what NYUv2 labels `objects` on a wall."""
    if generator.random() < 0.25:
        w = generator.uniform(0.25, 0.36)
        return Model("objects", "clock", (Piece("ball", (0, w / 2, 0.02), (w, w, 0.04)),))
    w, h = generator.uniform(0.5, 1.5), generator.uniform(0.6, 1.0)
    parts = (box(0, 0, 0.01, w, h, 0.02, "frame"), box(0, 0.03, 0.013, w - 0.06, h - 0.06, 0.022))
    return Model("objects", "board", parts)


def door(generator: Generator) -> Model:
    """A closed door with its frame, mostly with two panels; NYUv2 counts doors as wall."""
    w, h, f = generator.uniform(0.8, 0.95), generator.uniform(2.0, 2.1), 0.07
    parts = [box(0, 0.005, 0.012, w, h, 0.024, "leaf")]
    parts += [box(sx * (w + f) / 2, 0, 0.02, f, h + f, 0.04, "trim") for sx in (-1, 1)]
    parts.append(box(0, h + 0.005, 0.02, w, f, 0.04, "trim"))
    for low, high in ((0.15, 0.48), (0.54, 0.92)) if generator.random() < 0.6 else ():
        parts.append(box(0, low * h, 0.02, w * 0.7, (high - low) * h, 0.02, "leaf"))
    parts.append(round_part("ball", w * 0.4, 0.98, 0.055, 0.06, 0.06, 0.06, "knob"))
    return Model("wall", "door", tuple(parts))


def ceiling_lamp(generator: Generator) -> Model:
    """A flat lamp, a bowl or a panel of 1.2 m; its top is where it meets the ceiling."""
    style, w = generator.integers(3), generator.uniform(0.3, 0.55)
    if style == 0:
        part = round_part("cylinder", 0, 0, 0, w, 0.09, w, "glow", bottom=(0.7, 0.7))
    elif style == 1:
        part = box(0, 0, 0, 1.2, 0.05, 0.3, "glow")
    else:
        part = round_part("cushion", 0, 0, 0, w, 0.16, w, "glow")
    return Model("objects", "ceiling lamp", (part,))
