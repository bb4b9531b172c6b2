"""Models of what people sit, lie, eat and work on: beds, sofas, chairs, tables.

Every function draws the sizes of one model from the generator, in metres. Models stand on y = 0 with their
back towards -z (see `parts`). Their `surfaces` are where `clutter` puts small things. Slots name what has a
material of its own: `main`, `frame`, `sheet`, `cushions`, `front`.
"""

from numpy.random import Generator

from suites.scenes.parts import Model, Piece, PieceShape, Surface, box, round_part


def _legs(
    w: float, d: float, h: float, thick: float, generator: Generator, slot: str = "frame", inset: float = 0.02
) -> list[Piece]:
    """Four legs under the corners of a w x d top, one style for all: square, tapered or round.

    w, d: the top, metres.
    h: length of a leg.
    thick: its width.
    slot: the surface that its material is of.
    inset: how far the legs stand inside the edge.
    """
    style = generator.integers(3)
    x, z = w / 2 - thick / 2 - inset, d / 2 - thick / 2 - inset
    taper = (0.6, 0.6) if style == 1 else (1.0, 1.0)
    shape: PieceShape = "cylinder" if style == 2 else "box"
    return [
        round_part(shape, sx * x, 0, sz * z, thick, h, thick, slot, bottom=taper) for sx in (-1, 1) for sz in (-1, 1)
    ]


def bed(generator: Generator) -> Model:
    """A single or double bed, its head at the back: base, mattress, blanket, mostly a headboard.

    The blanket covers the mattress from below the pillows to the foot and hangs down at the sides; it is
    the `main` slot, so that a bed is mostly blanket. Surfaces: the head for pillows, the middle for
    clutter.
    """
    w, d = generator.choice([0.95, 1.2, 1.45, 1.65]) + generator.uniform(-0.05, 0.05), generator.uniform(1.9, 2.1)
    base, thick = generator.uniform(0.2, 0.35), generator.uniform(0.18, 0.28)
    top = base + thick
    parts = [box(0, 0.08, 0, w, base - 0.08, d, "frame")]
    parts += [
        box(sx * (w / 2 - 0.06), 0, sz * (d / 2 - 0.06), 0.07, 0.08, 0.07, "frame") for sx in (-1, 1) for sz in (-1, 1)
    ]
    parts.append(box(0, base, 0.02, w - 0.02, thick, d - 0.06, "sheet", top=(0.98, 0.99)))
    head = generator.uniform(0.45, 0.6)
    drop = generator.uniform(0.08, base + thick - 0.1)
    end = d / 2 + 0.012
    z0 = -d / 2 + head
    # 2.5 cm above the mattress and 1.5 cm beyond its sides: the blanket is a shell around it.
    parts.append(box(0, top - drop, (z0 + end) / 2, w + 0.03, drop + 0.025, end - z0, top=(0.97, 0.985)))
    if generator.random() < 0.5:
        fold = generator.uniform(0.15, 0.35)
        parts.append(box(0, top - 0.1, z0 + fold / 2, w + 0.035, 0.145, fold, "sheet", top=(0.97, 0.95)))
    board = generator.random()
    if board < 0.8:
        parts.append(box(0, 0, -d / 2 - 0.03, w + 0.06, generator.uniform(0.8, 1.25), 0.06, "frame"))
    if board < 0.3:
        parts.append(box(0, 0, d / 2 + 0.045, w + 0.06, generator.uniform(0.5, 0.75), 0.05, "frame"))
    half = w / 2 - 0.06
    surfaces = (
        Surface(-half, half, -d / 2 + 0.05, z0 - 0.01, top, 0.6, "pillow"),
        Surface(-half, half, z0 + 0.4, d / 2 - 0.08, top + 0.025, 0.8, "clutter"),
    )
    return Model("bed", "bed", tuple(parts), surfaces)


def sofa(generator: Generator, seats: int | None = None) -> Model:
    """A sofa of two or three seats, or an armchair with `seats = 1`: base, arms, a leaning back, cushions.

    Its surface is what the cushions leave before the back: things put there lie on the seat.
    """
    seats = int(generator.integers(2, 4)) if seats is None else seats
    arm, seat = generator.uniform(0.12, 0.24), generator.uniform(0.55, 0.68)
    w, d = 2 * arm + seats * seat, generator.uniform(0.78, 0.95)
    feet, base = generator.choice([0.0, 0.06, 0.12]), generator.uniform(0.18, 0.28)
    cushion, back = generator.uniform(0.13, 0.18), generator.uniform(0.16, 0.24)
    level, high = feet + base + cushion, generator.uniform(0.72, 0.95)
    shape: PieceShape = "cushion" if generator.random() < 0.7 else "box"
    parts = [box(0, feet, 0, w, base, d)]
    if feet:
        parts += [
            round_part("cylinder", sx * (w / 2 - 0.08), 0, sz * (d / 2 - 0.08), 0.06, feet, 0.06, "frame")
            for sx in (-1, 1)
            for sz in (-1, 1)
        ]
    parts.append(box(0, feet + base, -d / 2 + back / 2, w, high - feet - base, back, top=(1, 0.7), lean=(0, -0.3)))
    arm_top = generator.uniform(level + 0.06, max(level + 0.1, high - 0.12))
    for side in (-1, 1):
        x = side * (w / 2 - arm / 2)
        parts.append(box(x, feet + base, back / 2, arm, arm_top - feet - base, d - back))
        if shape == "cushion":
            parts.append(round_part("cushion", x, arm_top - 0.05, back / 2, arm, 0.12, d - back))
    slot = "cushions" if generator.random() < 0.4 else "main"
    for index in range(seats):
        x = (index - (seats - 1) / 2) * seat
        parts.append(round_part(shape, x, feet + base, back / 2, seat, cushion, d - back, slot))
        if generator.random() < 0.85:
            rise = high - level + 0.04
            parts.append(round_part("cushion", x, level, -d / 2 + back + 0.05, seat * 0.96, rise, 0.22, slot))
    half = w / 2 - arm - 0.04
    surface = Surface(-half, half, -d / 2 + back + 0.18, d / 2 - 0.06, level, 0.6, "seat")
    return Model("sofa", "sofa" if seats > 1 else "armchair", tuple(parts), (surface,))


def chair(generator: Generator, office: bool | None = None) -> Model:
    """A dining chair or, with `office`, one on a column with a crossed foot; some have arms.

    office: None draws it, in three of ten cases. The back is a panel, slats or bars.
    """
    office = bool(generator.random() < 0.3) if office is None else office
    w, d = generator.uniform(0.4, 0.5), generator.uniform(0.4, 0.48)
    seat, thick, high = generator.uniform(0.42, 0.47), generator.uniform(0.03, 0.09), generator.uniform(0.8, 1.05)
    parts: list[Piece] = []
    if office:
        parts += [box(0, 0, 0, 0.52, 0.05, 0.05, "frame"), box(0, 0, 0, 0.05, 0.05, 0.52, "frame")]
        parts += [round_part("cylinder", 0, 0.05, 0, 0.06, seat - thick - 0.05, 0.06, "frame")]
    else:
        parts += _legs(w, d, seat - thick, generator.uniform(0.03, 0.05), generator, inset=0.0)
    shape: PieceShape = "cushion" if thick > 0.06 else "box"
    parts.append(round_part(shape, 0, seat - thick, 0, w, thick, d))
    style, z, rise = generator.integers(3), -d / 2, high - seat
    if style == 0 or office:  # one panel, leaning back
        gap = 0.12 if office else 0.02
        parts.append(box(0, seat - thick, z + 0.01, 0.06, gap + thick, 0.05, "frame"))
        parts.append(
            round_part(
                "box",
                0,
                seat + gap,
                z - 0.03,
                w * 0.95,
                rise - gap,
                0.1,
                top=(0.9, 0.35),
                bottom=(1, 0.35),
                lean=(0, -0.6),
            )
        )
    else:
        for side in (-1, 1):
            parts.append(box(side * (w / 2 - 0.02), seat, z + 0.02, 0.035, rise, 0.035, "frame"))
        if style == 1:
            parts += [box(0, seat + rise * f, z + 0.02, w - 0.05, rise * 0.17, 0.02) for f in (0.35, 0.78)]
        else:
            parts.append(box(0, high - 0.07, z + 0.02, w, 0.07, 0.03))
            parts += [box(x * w, seat, z + 0.02, 0.02, rise - 0.07, 0.02, "frame") for x in (-0.3, -0.1, 0.1, 0.3)]
    if generator.random() < (0.6 if office else 0.15):
        for side in (-1, 1):
            x = side * (w / 2 + 0.02)
            parts.append(box(x, seat - 0.03, 0.0, 0.035, 0.2, 0.04, "frame"))
            parts.append(box(x, seat + 0.17, -0.02, 0.05, 0.03, d * 0.7, "frame"))
    surface = Surface(-w / 2 + 0.04, w / 2 - 0.04, -d / 2 + 0.06, d / 2 - 0.04, seat, 0.5, "seat")
    return Model("chair", "office chair" if office else "chair", tuple(parts), (surface,))


def table(generator: Generator, use: str = "dining") -> Model:
    """A table: `dining`, `coffee`, `side` or `desk` (drawers at one side, never round).

    The top is one surface; of a round top the square that fits inside it.
    """
    w, d, h = {
        "dining": (generator.uniform(0.9, 1.7), generator.uniform(0.75, 0.95), generator.uniform(0.71, 0.77)),
        "coffee": (generator.uniform(0.7, 1.2), generator.uniform(0.5, 0.7), generator.uniform(0.32, 0.48)),
        "side": (generator.uniform(0.4, 0.55), generator.uniform(0.4, 0.55), generator.uniform(0.45, 0.65)),
        "desk": (generator.uniform(1.0, 1.6), generator.uniform(0.55, 0.75), generator.uniform(0.7, 0.76)),
    }[use]
    thick = generator.uniform(0.025, 0.05)
    under, rounded = h - thick, use != "desk" and generator.random() < 0.25
    if rounded:
        w = d = min(max(d, w * 0.75), 1.1)
    shape: PieceShape = "cylinder" if rounded else "box"
    parts = [round_part(shape, 0, under, 0, w, thick, d)]
    style = generator.random()
    if rounded and style < 0.6:
        parts.append(round_part("cylinder", 0, 0.03, 0, 0.09, under - 0.03, 0.09, "frame"))
        parts.append(round_part("cylinder", 0, 0, 0, 0.5 * w, 0.03, 0.5 * d, "frame"))
    elif style < 0.75 or rounded:
        inset = 0.16 * w if rounded else 0.03
        parts += _legs(w, d, under, generator.uniform(0.035, 0.07), generator, inset=inset)
        if not rounded:
            parts.append(box(0, under - 0.08, 0, w - 0.12, 0.08, d - 0.12, "frame"))
    else:
        parts += [box(sx * (w / 2 - 0.05), 0, 0, 0.04, under, d - 0.06, "frame") for sx in (-1, 1)]
        parts.append(box(0, under * 0.5, -d / 2 + 0.06, w - 0.12, under * 0.45, 0.02, "frame"))
    if use == "desk" and generator.random() < 0.6:
        x, deep, unit = w / 2 - 0.27, d - 0.08, under - 0.09
        parts.append(box(x, 0.02, 0, 0.38, unit, deep, "frame"))
        parts += [
            box(x, 0.05 + i * unit / 3, deep / 2 + 0.008, 0.34, unit / 3 - 0.04, 0.016, "front") for i in range(3)
        ]
    if use in ("coffee", "side") and not rounded and generator.random() < 0.4:
        parts.append(box(0, 0.12, 0, w - 0.1, 0.02, d - 0.1))
    # A square inside a circle has 0.354 of its diameter to either side; its corners may hang over by a hair.
    reach = 0.36 if rounded else 0.48
    surface = Surface(-w * reach, w * reach, -d * reach, d * reach, h, 1.2, use)
    return Model("table", use, tuple(parts), (surface,))
