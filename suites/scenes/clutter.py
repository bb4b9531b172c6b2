"""Small things for a furnished room: pillows, books, screens and whatever lies about.

Furniture says where things may stand (`parts.Surface`) and what for (`Surface.use`); `USES` maps that word to
the function that fills such a surface. All of them share one signature: the room, the row of the bearing thing
in `room.things`, its surface, the room's `mess`, and the generator.

`mess` in [0.35, 1] scales how many things lie about. A thing that finds no free place after its tries is left
out, so that full shelves end by themselves.
"""

from collections.abc import Callable

from numpy.random import Generator

from suites.scenes import media, objects
from suites.scenes.parts import Model, Surface
from suites.scenes.placing import Room, draw_yaw


def dress(room: Room, generator: Generator) -> None:
    """Put small things on every surface, then some on the floor; `mess` is drawn first.

    A room is changed in place. Only surfaces of the furniture that is there now are filled: what is put on
    them here has surfaces of its own that stay free.
    """
    mess = float(generator.uniform(0.35, 1.0))
    # By number, not over the list: it grows meanwhile, and things on things would be filled too.
    for index in range(len(room.things)):
        thing = room.things[index]
        for surface in thing.model.surfaces:
            USES.get(surface.use, _fill_top)(room, index, surface, mess, generator)
    for _ in range(int(generator.integers(1, 3 + round(6 * mess)))):
        if generator.random() < 0.5:
            room.put_against_wall(objects.floor_object(generator), generator, tries=4)
        else:
            room.put_in_the_open(objects.floor_object(generator), generator, margin=0.02, tries=4)


def _scatter(
    room: Room,
    index: int,
    surface: Surface,
    count: int,
    makers: tuple[Callable[[Generator], Model], ...],
    generator: Generator,
) -> None:
    """Try to put `count` things on a surface, each made by one of `makers`, turned at random."""
    for _ in range(count):
        model = makers[generator.integers(len(makers))](generator)
        room.put_on_surface(model, index, surface, generator, draw_yaw(generator), tries=3)


def _put_books(room: Room, index: int, surface: Surface, generator: Generator) -> None:
    """A row or a pile of books that fits the bay: up to `surface.clear` high, at most 35 cm."""
    wide, deep = surface.x1 - surface.x0, surface.z1 - surface.z0
    # 1 cm below the next board: `put_on_surface` refuses what comes nearer to it than 5 mm.
    model = media.books(generator, wide * generator.uniform(0.3, 0.95), min(surface.clear - 0.01, 0.35), deep)
    room.put_on_surface(model, index, surface, generator)


def _fill_shelf(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """A bay of a bookcase: mostly books, and up to three small things that are no books."""
    for _ in range(2):
        if generator.random() < 0.72:
            _put_books(room, index, surface, generator)
    _scatter(room, index, surface, int(generator.binomial(3, 0.5 * mess)), objects.IN_SHELVES, generator)


def _put_pillows(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """One pillow for a narrow bed, two for a wide one, now and then one more."""
    count = 1 if surface.x1 - surface.x0 < 1.1 else 2
    for _ in range(count + int(generator.random() < 0.3)):
        room.put_on_surface(
            objects.pillow(generator), index, surface, generator, float(generator.normal(0, 0.08)), tries=8
        )


def _fill_seat(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """A chair or a sofa: small pillows where it is wider than half a metre, else something flat."""
    wide = surface.x1 - surface.x0 > 0.5
    for _ in range(int(generator.binomial(3 if wide else 1, 0.4 * mess))):
        model = objects.pillow(generator, large=False) if wide else objects.pad(generator)
        room.put_on_surface(model, index, surface, generator, draw_yaw(generator))


def _put_clutter(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """What lies on the foot of a bed: flat things, boxes, books, a bag or a laptop."""
    makers = (objects.pad, objects.carton, media.books, objects.bag, objects.laptop)
    _scatter(room, index, surface, int(generator.binomial(5, 0.5 * mess)), makers, generator)


def _put_tv(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """A television on its stand, in eleven of twelve cases, and small things beside it."""
    if generator.random() < 0.92:
        model = media.tv(generator, width=(surface.x1 - surface.x0) * 0.9)
        room.put_on_surface(model, index, surface, generator, float(generator.normal(0, 0.05)))
    _fill_top(room, index, surface, mess, generator)


def _fill_desk(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """A monitor, in seven of ten cases, turned a little towards the chair, and small things."""
    if generator.random() < 0.7:
        room.put_on_surface(media.monitor(generator), index, surface, generator, float(generator.normal(0, 0.2)))
    _fill_top(room, index, surface, mess, generator)


def _fill_dresser(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """A television or the usual small things: bedrooms have theirs on the chest of drawers."""
    (_put_tv if generator.random() < 0.45 else _fill_top)(room, index, surface, mess, generator)


def _fill_top(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """The top of a table or a cabinet: more things on larger ones, one in four of them books."""
    area = (surface.x1 - surface.x0) * (surface.z1 - surface.z0)
    for _ in range(int(generator.poisson(min(9.0, 2.0 + 7.0 * area) * mess))):
        if generator.random() < 0.25:
            model = media.books(generator, 0.3, min(0.32, surface.clear), 0.26)
        else:
            model = objects.ON_TABLES[generator.integers(len(objects.ON_TABLES))](generator)
        room.put_on_surface(model, index, surface, generator, draw_yaw(generator), tries=3)


def _leave_free(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    """A surface that stays free."""


# A use that is not listed is a table top: `dining`, `coffee`, `cabinet`, `fridge` and the like.
USES: dict[str, Callable[[Room, int, Surface, float, Generator], None]] = {
    "shelf": _fill_shelf,
    "pillow": _put_pillows,
    "seat": _fill_seat,
    "clutter": _put_clutter,
    "tv stand": _put_tv,
    "desk": _fill_desk,
    "dresser": _fill_dresser,
    "none": _leave_free,
}
