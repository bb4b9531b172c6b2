"""Models of books and of screens, in metres (see `parts` for the coordinates)."""

from numpy.random import Generator

from suites.scenes.parts import Model, Piece, box


def books(generator: Generator, width: float = 0.3, height: float = 0.3, depth: float = 0.25) -> Model:
    """A row of standing books, or a lying pile, inside width x height x depth metres.

    Books lie where there is less than 20 cm of height, else in three of ten cases. Neighbours share up to
    six materials.
    """
    parts: list[Piece] = []
    if generator.random() < 0.3 or height < 0.2:
        w, d, y = min(width, generator.uniform(0.2, 0.3)), min(depth, generator.uniform(0.16, 0.24)), 0.0
        for index in range(int(generator.integers(2, 7))):
            thick = generator.uniform(0.015, 0.045)
            if y + thick > height:
                break
            shrink, slot = generator.uniform(0.75, 1.0), f"book{index % 4}"
            parts.append(box(generator.uniform(-0.01, 0.01), y, 0, (w - 0.02) * shrink, thick, d * shrink, slot))
            y += thick
        return Model("books", "pile", tuple(parts))
    top = min(height * 0.92, generator.uniform(0.2, 0.32))
    deep, x, index = min(depth, generator.uniform(0.16, 0.23)), -width / 2, 0
    while x < width / 2:
        thick = generator.uniform(0.018, 0.06)
        if x + thick > width / 2:
            break
        # Backs in one line, against the back of the shelf; the spines differ.
        tall, own = top * generator.uniform(0.72, 1.0), deep * generator.uniform(0.85, 1.0)
        parts.append(box(x + thick / 2, 0, (own - deep) / 2, thick - 0.001, tall, own, f"book{index % 6}"))
        x, index = x + thick, index + 1
    return Model("books", "row", tuple(parts or [box(0, 0, 0, 0.03, top, deep, "book0")]))


def tv(generator: Generator, width: float = 2.0, hung: bool = False) -> Model:
    """A flat screen on a foot (or `hung`: without one), or an old deep set; not wider than `width` metres.

    Its slots are `case` and `screen`: depth cameras see nothing on patches of the latter.
    """
    if not hung and generator.random() < 0.3:
        w = min(width, generator.uniform(0.5, 0.75))
        h, d = w * 0.8, w * 0.75
        parts = [
            box(0, 0, d / 2 - 0.1, w, h, 0.2, "case"),
            Piece(
                "box",
                (0, h * 0.47, -0.1),
                (w * 0.9, h * 0.86, d - 0.2),
                "case",
                bottom=(0.95, 1),
                top=(0.75, 0.9),
                lean=(0, 0.1),
            ),
            Piece("cushion", (0, h * 0.55, d / 2 - 0.005), (w * 0.88, h * 0.76, 0.05), "screen"),
        ]
        return Model("tv", "old tv", tuple(parts))
    w = min(width, generator.uniform(0.75, 1.3))
    h, lift = w * 0.58, 0.0 if hung else generator.uniform(0.05, 0.1)
    parts = [
        box(0, lift, 0, w, h, 0.05, "case"),
        box(0, lift + 0.03, 0.029, w - 0.05, h - 0.055, 0.01, "screen"),
    ]
    if not hung:
        parts += [box(0, 0, 0, w * 0.45, 0.018, 0.2, "case"), box(0, 0.01, 0, 0.12, lift, 0.03, "case")]
    return Model("tv", "tv", tuple(parts))


def monitor(generator: Generator) -> Model:
    """A screen for a desk: a television of 42 to 60 cm."""
    return tv(generator, width=generator.uniform(0.42, 0.6))
