"""Small things for a furnished room: pillows, books, screens and whatever lies about."""

from collections.abc import Callable

from numpy.random import Generator

from suites.scenes import media, objects
from suites.scenes.parts import Model, Surface
from suites.scenes.placing import Room, draw_yaw


def dress(room: Room, generator: Generator) -> None:
    """Put small things on every surface, then some on the floor. `mess` of the room says how many."""
    mess = float(generator.uniform(0.35, 1.0))
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
    for _ in range(count):
        model = makers[generator.integers(len(makers))](generator)
        room.put_on_surface(model, index, surface, generator, draw_yaw(generator), tries=3)


def _put_books(room: Room, index: int, surface: Surface, generator: Generator) -> None:
    wide, deep = surface.x1 - surface.x0, surface.z1 - surface.z0
    model = media.books(generator, wide * generator.uniform(0.3, 0.95), min(surface.clear - 0.01, 0.35), deep)
    room.put_on_surface(model, index, surface, generator)


def _fill_shelf(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    for _ in range(2):
        if generator.random() < 0.72:
            _put_books(room, index, surface, generator)
    _scatter(room, index, surface, int(generator.binomial(3, 0.5 * mess)), objects.IN_SHELVES, generator)


def _put_pillows(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    count = 1 if surface.x1 - surface.x0 < 1.1 else 2
    for _ in range(count + int(generator.random() < 0.3)):
        room.put_on_surface(
            objects.pillow(generator), index, surface, generator, float(generator.normal(0, 0.08)), tries=8
        )


def _fill_seat(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    wide = surface.x1 - surface.x0 > 0.5
    for _ in range(int(generator.binomial(3 if wide else 1, 0.4 * mess))):
        model = objects.pillow(generator, large=False) if wide else objects.pad(generator)
        room.put_on_surface(model, index, surface, generator, draw_yaw(generator))


def _put_clutter(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    makers = (objects.pad, objects.carton, media.books, objects.bag, objects.laptop)
    _scatter(room, index, surface, int(generator.binomial(5, 0.5 * mess)), makers, generator)


def _put_tv(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    if generator.random() < 0.92:
        model = media.tv(generator, width=(surface.x1 - surface.x0) * 0.9)
        room.put_on_surface(model, index, surface, generator, float(generator.normal(0, 0.05)))
    _fill_top(room, index, surface, mess, generator)


def _fill_desk(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
    if generator.random() < 0.7:
        room.put_on_surface(media.monitor(generator), index, surface, generator, float(generator.normal(0, 0.2)))
    _fill_top(room, index, surface, mess, generator)


def _fill_dresser(room: Room, index: int, surface: Surface, mess: float, generator: Generator) -> None:
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
