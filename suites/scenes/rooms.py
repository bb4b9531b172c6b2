"""Rooms from a generator: openings, the furniture of a kind of room, pictures, clutter, a lamp, a rug.

Order matters twice. What is placed first finds room: openings before furniture, furniture before pictures and
clutter. And every draw moves those after it, so a change anywhere here changes all rooms, and RELEASE with
them.
"""

import numpy as np
from numpy.random import Generator

from suites.scenes import fixtures, furniture, media, storage
from suites.scenes.clutter import dress
from suites.scenes.placing import Room, Rug
from suites.scenes.programs import PROGRAMS

# what stands along the walls of any room
SPARE = (
    storage.cabinet,
    storage.shelf,
    storage.dresser,
    storage.wardrobe,
    storage.tv_stand,
    storage.shelf,
    storage.cabinet,
)


def make_room(generator: Generator) -> Room:
    """One furnished room, 3 to 6 metres wide and 2.35 to 2.85 high; a function of the generator alone.

    A third each are bedrooms and living rooms, a seventh each offices and kitchens, the others libraries.
    """
    kind = generator.choice(5, p=[0.32, 0.32, 0.14, 0.14, 0.08])
    small = kind in (0, 3)  # bedrooms and kitchens
    w, d = generator.uniform(2.9, 4.2 if small else 5.0), generator.uniform(3.1, 4.6 if small else 6.0)
    room = Room(float(w), float(generator.uniform(2.35, 2.85)), float(d))
    _add_openings(room, generator)
    PROGRAMS[kind](room, generator)
    _add_extras(room, generator)
    _hang_pictures(room, generator)
    dress(room, generator)
    if generator.random() < 0.75:
        room.put_under_ceiling(
            fixtures.ceiling_lamp(generator), room.w / 2, room.d / 2, float(generator.integers(2) * np.pi / 2)
        )
    if generator.random() < 0.55:
        half = generator.uniform(0.6, 1.3, 2)
        x, z = generator.uniform(0.35, 0.65, 2) * (room.w, room.d)
        room.rugs.append(Rug(float(x), float(z), float(half[0]), float(half[1]), float(generator.normal(0, 0.1))))
    return room


def _add_extras(room: Room, generator: Generator) -> None:
    """More along the walls, and chairs that stand about: rooms are never as tidy as their program."""
    for _ in range(int(generator.integers(1, 5))):
        model = SPARE[generator.integers(len(SPARE))](generator)
        room.put_against_wall(model, generator, tries=8)
    for _ in range(int(generator.integers(0, 4))):
        model = furniture.chair(generator)
        if generator.random() < 0.5:
            room.put_against_wall(model, generator)
        else:
            room.put_in_the_open(model, generator, margin=0.05)


def _add_openings(room: Room, generator: Generator) -> None:
    """A pier, one door, one to three windows with or without curtains: before the furniture."""
    if generator.random() < 0.3:
        model = fixtures.pillar(generator, room.h)
        room.hang_on_wall(model, generator, 0.0, along=float(generator.choice([0.0, 1.0, generator.uniform(0.3, 0.7)])))
    if generator.random() < 0.8:
        room.hang_on_wall(fixtures.door(generator), generator, 0.0)
    for _ in range(int(generator.integers(1, 4))):
        low = generator.uniform(0.75, 1.05)
        height, width = generator.uniform(1.0, max(1.05, room.h - low - 0.3)), generator.uniform(0.8, 2.0)
        wall, along = int(generator.integers(4)), float(generator.random())
        # Low furniture still fits below the sill.
        made = room.hang_on_wall(fixtures.window(generator, width, height), generator, low, wall, along)
        if made is None or generator.random() < 0.45:
            continue
        thing, rod = room.things[made], low + height + 0.12
        bottom = generator.choice([0.08, low - 0.15])
        for side in (-1, 1):
            wide = generator.uniform(0.25, 0.5)
            cloth = fixtures.curtain(generator, wide, min(rod, room.h - 0.02) - bottom)
            # beyond the sill: a curtain in front of it would pass through
            x, _, z = thing.point(side * (width / 2 + 0.06 + wide / 2), 0.0, 0.0)
            room.put(cloth, (x, bottom, z), thing.yaw, "wall")


def _hang_pictures(room: Room, generator: Generator) -> None:
    """Pictures, mirrors and sometimes a hung television; pictures about eye height, 1.45 to 1.75 m."""
    if generator.random() < 0.3:
        room.hang_on_wall(media.tv(generator, hung=True), generator, float(generator.uniform(0.95, 1.3)))
    for _ in range(int(generator.integers(2, 7))):
        model = fixtures.picture(generator) if generator.random() < 0.78 else fixtures.board(generator)
        middle = generator.uniform(1.45, 1.75)
        room.hang_on_wall(model, generator, float(middle - model.bounds[1, 1] / 2), margin=0.06)
