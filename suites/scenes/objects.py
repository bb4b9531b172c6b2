"""Models of small things: lamps, boxes, bottles, plants, pillows and the like. All are `objects`.

Sizes are drawn from the generator, in metres, within the ranges that are written; coordinates are those of
`parts`. Slots other than `main` name what has a material of its own, as a lid.
"""

from collections.abc import Callable

from numpy.random import Generator

from suites.scenes.parts import Model, PieceShape, Surface, box, round_part


def lamp(generator: Generator, floor: bool = False) -> Model:
    """A lamp with a shade, 35 to 60 cm for a table, or with `floor` 1.4 to 1.75 m."""
    h = generator.uniform(1.4, 1.75) if floor else generator.uniform(0.35, 0.6)
    wide = generator.uniform(0.3, 0.45) if floor else generator.uniform(0.2, 0.34)
    shade, foot = wide * generator.uniform(0.6, 0.9), wide * 0.65
    parts = [round_part("cylinder", 0, 0, 0, foot, 0.03, foot, "frame")]
    if floor or generator.random() < 0.4:
        parts.append(round_part("cylinder", 0, 0.02, 0, 0.03, h - shade, 0.03, "frame"))
    else:
        body = generator.uniform(0.1, 0.16)
        parts.append(round_part("ball", 0, 0.02, 0, body, h - shade - 0.02, body, "frame"))
    narrow = generator.uniform(0.5, 0.95)
    parts.append(round_part("cylinder", 0, h - shade, 0, wide, shade, wide, "shade", top=(narrow, narrow)))
    return Model("objects", "lamp", tuple(parts))


def carton(generator: Generator, large: bool = False) -> Model:
    """A plain box of 8 to 30 cm (25 to 55 with `large`), sometimes with a lid that overlaps it by 6 mm."""
    low, high = (0.25, 0.55) if large else (0.08, 0.3)
    w, h, d = (float(x) for x in generator.uniform(low, high, 3))
    parts = [box(0, 0, 0, w, h, d)]
    if generator.random() < 0.4:
        parts.append(box(0, h - 0.04, 0, w + 0.012, 0.05, d + 0.012, "lid"))
    return Model("objects", "box", tuple(parts))


def bottle(generator: Generator) -> Model:
    """A bottle of 20 to 34 cm with a shoulder and a neck."""
    w, h = generator.uniform(0.06, 0.1), generator.uniform(0.2, 0.34)
    neck = generator.uniform(0.3, 0.45)
    parts = [
        round_part("cylinder", 0, 0, 0, w, h * 0.62, w),
        round_part("cylinder", 0, h * 0.62, 0, w, h * 0.14, w, top=(neck, neck)),
        round_part("cylinder", 0, h * 0.7, 0, w * neck, h * 0.3, w * neck, "lid"),
    ]
    return Model("objects", "bottle", tuple(parts))


def bowl(generator: Generator) -> Model:
    """A bowl, a cup or a pot: a body wider at the top, 7 to 15 cm high."""
    w, h = generator.uniform(0.08, 0.3), generator.uniform(0.07, 0.15)
    return Model("objects", "bowl", (round_part("cylinder", 0, 0, 0, w, h, w, bottom=(0.6, 0.6)),))


def plant(generator: Generator, large: bool = False) -> Model:
    """A pot with three to six balls of leaves; with `large`, on a stem, for the floor."""
    pot = generator.uniform(0.25, 0.36) if large else generator.uniform(0.1, 0.18)
    rise = generator.uniform(0.5, 0.9) if large else generator.uniform(0.15, 0.3)
    parts = [round_part("cylinder", 0, 0, 0, pot, pot * 0.9, pot, "pot", bottom=(0.7, 0.7))]
    if large:
        parts.append(round_part("cylinder", 0, pot * 0.85, 0, 0.03, rise * 0.6, 0.03, "pot"))
    for _ in range(int(generator.integers(3, 7))):
        size = pot * generator.uniform(0.5, 0.9)
        x, z = generator.uniform(-0.35, 0.35, 2) * pot
        y = pot * 0.7 + generator.uniform(0.0, 1.0) * rise * 0.6 + (rise * 0.2 if large else 0.0)
        parts.append(round_part("ball", x, y, z, size, size * generator.uniform(0.8, 1.5), size, "leaves"))
    return Model("objects", "plant", tuple(parts))


def pillow(generator: Generator, large: bool = True) -> Model:
    """A lying pillow, 11 to 17 cm thick; `large` is one for a bed."""
    w, d = (generator.uniform(0.45, 0.65), generator.uniform(0.32, 0.4)) if large else generator.uniform(0.3, 0.42, 2)
    return Model("objects", "pillow", (round_part("cushion", 0, 0, 0, w, generator.uniform(0.11, 0.17), d),))


def bag(generator: Generator) -> Model:
    """A bag or a rucksack standing on the floor, with a pocket in front."""
    w, h, d = generator.uniform(0.28, 0.45), generator.uniform(0.3, 0.5), generator.uniform(0.16, 0.28)
    parts = [
        round_part("cushion", 0, 0, -0.03, w, h, d - 0.06),
        round_part("cushion", 0, 0.02, d / 2 - 0.06, w * 0.7, h * 0.5, 0.12, "lid"),
    ]
    return Model("objects", "bag", tuple(parts))


def bin_(generator: Generator) -> Model:
    """A waste bin or a basket, round or square, narrower at the bottom."""
    w, h = generator.uniform(0.24, 0.38), generator.uniform(0.28, 0.5)
    shape: PieceShape = "cylinder" if generator.random() < 0.5 else "box"
    return Model("objects", "bin", (round_part(shape, 0, 0, 0, w, h, w, bottom=(0.8, 0.8)),))


def laptop(generator: Generator) -> Model:
    """An open laptop, its screen leaning back, away from its front (+z)."""
    w, d, rise = generator.uniform(0.3, 0.38), generator.uniform(0.21, 0.25), generator.uniform(0.18, 0.23)
    parts = [
        box(0, 0, 0.03, w, 0.02, d),
        box(0, 0.02, -d / 2 + 0.0, w, rise, 0.08, "lid", bottom=(1, 0.12), top=(1, 0.12), lean=(0, -0.85)),
    ]
    return Model("objects", "laptop", tuple(parts))


def pad(generator: Generator) -> Model:
    """A folded cloth, a tray or a keyboard: something flat, 2 to 9 cm."""
    w, d, h = generator.uniform(0.25, 0.5), generator.uniform(0.15, 0.35), generator.uniform(0.02, 0.09)
    shape: PieceShape = "cushion" if h > 0.05 else "box"
    return Model("objects", "pad", (round_part(shape, 0, 0, 0, w, h, d),))


def ball(generator: Generator) -> Model:
    """A ball, or a vase made of one with a neck."""
    w = generator.uniform(0.08, 0.22)
    if generator.random() < 0.5:
        return Model("objects", "ball", (round_part("ball", 0, 0, 0, w, w, w),))
    h = w * generator.uniform(1.2, 2.2)
    return Model(
        "objects",
        "vase",
        (round_part("ball", 0, 0, 0, w, h * 0.8, w), round_part("cylinder", 0, h * 0.7, 0, w * 0.5, h * 0.3, w * 0.5)),
    )


def stool(generator: Generator) -> Model:
    """A pouffe, or a heap of two boxes on which nothing else is put."""
    w, h = generator.uniform(0.35, 0.5), generator.uniform(0.3, 0.42)
    if generator.random() < 0.5:
        return Model("objects", "pouffe", (round_part("cushion", 0, 0, 0, w, h, w),))
    low = h * generator.uniform(0.5, 0.9)
    second = generator.uniform(0.6, 0.9) * w
    parts = (
        box(0, 0, 0, w, low, w * 0.8),
        box(0.02, low, 0, second, generator.uniform(0.15, 0.3), second * 0.8, "lid"),
    )
    return Model("objects", "boxes", parts, (Surface(-0.1, 0.1, -0.1, 0.1, low, 0.0, "none"),))


# What is twice in the list is twice as frequent.
ON_TABLES: tuple[Callable[[Generator], Model], ...] = (
    lamp,
    carton,
    bottle,
    bowl,
    bowl,
    plant,
    laptop,
    pad,
    ball,
    carton,
)
IN_SHELVES: tuple[Callable[[Generator], Model], ...] = (carton, bottle, bowl, plant, pad, ball)


def floor_object(generator: Generator) -> Model:
    """Something that stands on a floor by itself: a large box in two of seven cases, else one of five others."""
    kind = generator.integers(7)
    if kind < 2:
        return carton(generator, large=True)
    return (bag, bin_, stool, lambda g: plant(g, large=True), lambda g: lamp(g, floor=True))[kind - 2](generator)
