"""Models of what keeps things: cabinets, dressers, shelves, wardrobes, kitchen units. All are `furniture`.

Sizes in metres, drawn within the ranges that are written; coordinates are those of `parts`. Doors, drawers and
handles stand out in front of the body, so that depth and normals show them: a cabinet is told by its front.
"""

from numpy.random import Generator

from suites.scenes.parts import Model, Piece, Surface, box, round_part

FRONT = 0.018  # metres: thickness of a door or of a drawer's front


def _fronts(
    x: float, y: float, w: float, h: float, z: float, across: int, down: int, generator: Generator
) -> list[Piece]:
    """Doors or drawer fronts with their handles, spread over w x h on a face at depth z.

    x, y: the middle and the lower edge of the face.
    w, h: its sides.
    z: where it is, in the model.
    across, down: how many fronts there are in each direction.
    """
    parts: list[Piece] = []
    gap, knob = 0.012, generator.random() < 0.5
    cell_w, cell_h = w / across, h / down
    for i in range(across):
        for j in range(down):
            cx, low = x - w / 2 + (i + 0.5) * cell_w, y + j * cell_h
            parts.append(box(cx, low + gap, z + FRONT / 2, cell_w - gap, cell_h - 2 * gap, FRONT, "front"))
            tall = cell_h > cell_w
            # Of two doors side by side, the handles are next to each other.
            hx = cx + (cell_w * 0.36 * (1 if i % 2 == 0 else -1) if tall else 0.0)
            hy = low + cell_h * 0.5
            if knob:
                parts.append(round_part("ball", hx, hy - 0.015, z + FRONT + 0.014, 0.03, 0.03, 0.028, "metal"))
            else:
                size = (0.015, min(0.16, cell_h * 0.5)) if tall else (min(0.14, cell_w * 0.4), 0.015)
                parts.append(box(hx, hy - size[1] / 2, z + FRONT + 0.01, size[0], size[1], 0.02, "metal"))
    return parts


def cabinet(
    generator: Generator,
    w: tuple[float, float] = (0.7, 1.4),
    d: tuple[float, float] = (0.4, 0.5),
    h: tuple[float, float] = (0.5, 0.95),
    name: str = "cabinet",
    drawers: bool | None = None,
) -> Model:
    """A body on feet or a plinth with doors or drawers in front and a top to put things on.

    w, d, h: ranges of width, depth and height, metres.
    name: of the model, and the use of its top (see `clutter.USES`).
    drawers: or doors; None draws it.

    The other cabinets of this module are this one in other sizes.
    """
    width, deep, high = generator.uniform(*w), generator.uniform(*d), generator.uniform(*h)
    foot, top = generator.choice([0.03, 0.06, 0.12]), generator.uniform(0.02, 0.035)
    # 3 cm for handles: the model stays within its depth.
    body = deep - FRONT - 0.03
    z = -deep / 2 + body / 2
    if foot > 0.1:
        x, fz = width / 2 - 0.05, body / 2 - 0.05
        parts = [
            round_part("cylinder", sx * x, 0, z + sz * fz, 0.045, foot, 0.045, "metal")
            for sx in (-1, 1)
            for sz in (-1, 1)
        ]
    else:
        parts = [box(0, 0, z - 0.01, width - 0.04, foot, body - 0.04)]
    parts.append(box(0, foot, z, width, high - foot - top, body))
    parts.append(box(0, high - top, z + 0.012, width + 0.02, top, body + 0.024, "top"))
    drawers = bool(generator.random() < 0.5) if drawers is None else drawers
    across = max(1, round(width / (0.8 if drawers else 0.42)))
    down = max(1, round((high - foot) / 0.22)) if drawers else 1
    parts += _fronts(0, foot, width - 0.02, high - foot - top, z + body / 2, across, down, generator)
    half = width / 2 - 0.02
    surface = Surface(-half, half, -deep / 2 + 0.02, -deep / 2 + body, high, 1.0, name)
    return Model("furniture", name, tuple(parts), (surface,))


def nightstand(generator: Generator) -> Model:
    """A small cabinet for beside the bed, 42 to 62 cm high."""
    return cabinet(generator, (0.38, 0.52), (0.36, 0.45), (0.42, 0.62), "nightstand")


def wardrobe(generator: Generator) -> Model:
    """A tall cabinet with doors, 1.75 to 2.15 m."""
    return cabinet(generator, (0.8, 1.6), (0.5, 0.62), (1.75, 2.15), "wardrobe", drawers=False)


def dresser(generator: Generator) -> Model:
    """A chest of drawers, 70 to 110 cm high; a television may stand on it."""
    return cabinet(generator, (0.8, 1.4), (0.42, 0.52), (0.7, 1.1), "dresser", drawers=True)


def tv_stand(generator: Generator) -> Model:
    """A low, wide cabinet, 40 to 62 cm high."""
    return cabinet(generator, (1.1, 1.8), (0.38, 0.48), (0.4, 0.62), "tv stand")


def counter(generator: Generator) -> Model:
    """A kitchen unit at working height, 86 to 93 cm."""
    return cabinet(generator, (1.2, 2.4), (0.58, 0.64), (0.86, 0.93), "counter", drawers=False)


def wall_cabinet(generator: Generator) -> Model:
    """A kitchen cabinet for the wall: its back is at its own z = -d/2."""
    w, d, h = generator.uniform(0.8, 1.8), generator.uniform(0.3, 0.36), generator.uniform(0.55, 0.75)
    parts = [box(0, 0, -0.025, w, h, d - 0.05)]
    parts += _fronts(0, 0, w, h, d / 2 - 0.05, max(1, round(w / 0.42)), 1, generator)
    return Model("furniture", "upper", tuple(parts))


def fridge(generator: Generator) -> Model:
    """A refrigerator with two doors, 1.5 to 1.85 m, one above the other."""
    w, d, h = generator.uniform(0.58, 0.75), generator.uniform(0.6, 0.7), generator.uniform(1.5, 1.85)
    split = generator.uniform(0.3, 0.7) * h
    z, deep = -0.04, d - 0.08
    parts = [box(0, 0, z, w, h, deep)]
    for low, high in ((0.05, split), (split, h)):
        parts.append(box(0, low + 0.005, z + deep / 2 + 0.025, w, high - low - 0.01, 0.05))
        parts.append(box(-w * 0.4, (low + high) / 2 - 0.15, z + deep / 2 + 0.06, 0.025, 0.3, 0.02, "metal"))
    return Model("furniture", "fridge", tuple(parts), (Surface(-w / 2, w / 2, -d / 2, d / 2 - 0.1, h, 0.5, "fridge"),))


def shelf(generator: Generator) -> Model:
    """A bookcase: sides, boards, mostly a back; its bays are surfaces with limited height.

    Wide ones have two columns. A bay is open to the front up to the next board; the top has half a metre.
    """
    w, d, h = generator.uniform(0.6, 1.3), generator.uniform(0.26, 0.36), generator.uniform(0.9, 2.1)
    board, low = 0.022, 0.06
    rows = max(2, round(h / generator.uniform(0.32, 0.42)))
    columns = 2 if w > 1.0 else 1
    bay = (h - low - board) / rows
    xs = [-w / 2 + board / 2, w / 2 - board / 2] + ([0.0] if columns == 2 else [])
    parts = [box(x, 0, 0, board, h, d) for x in xs]
    if generator.random() < 0.75:
        parts.append(box(0, 0, -d / 2 + 0.005, w - 2 * board, h, 0.01, "back"))
    surfaces: list[Surface] = []
    inner = (w - board) / columns - board
    for row in range(rows + 1):
        y = low + row * bay
        parts.append(box(0, y, 0.0, w - 2 * board if columns == 1 else w - board, board, d - 0.004))
        clear = bay - board if row < rows else 0.5
        for column in range(columns):
            x = (column - (columns - 1) / 2) * (inner + board)
            surfaces.append(
                Surface(
                    x - inner / 2,
                    x + inner / 2,
                    -d / 2 + 0.015,
                    d / 2 - 0.01,
                    y + board,
                    clear,
                    "shelf" if row < rows else "top",
                )
            )
    return Model("furniture", "shelf", tuple(parts), tuple(surfaces))
