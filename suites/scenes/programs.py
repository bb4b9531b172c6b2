"""What is where in a bedroom, a living room, an office, a kitchen, a library: main furniture, largest first.

Each of PROGRAMS furnishes a room that has its openings already, with its own chances; what finds no place is
left out. Largest first, since a small thing finds a place beside a large one more easily than the other way
round.
"""

import numpy as np
from numpy.random import Generator

from suites.scenes import furniture, storage
from suites.scenes.placing import Room


def _add_chairs(room: Room, generator: Generator, table: int, ends: bool) -> None:
    """Chairs of one make around a table, pushed under it or pulled out a little.

    table: its row in `room.things`.
    ends: whether the short sides have chairs too.
    """
    make = furniture.chair(generator)
    high = room.things[table].model.bounds[1]
    spots = [(x, side * high[2], np.pi if side > 0 else 0.0) for side in (-1, 1) for x in _spread(high[0] * 2)]
    if ends:
        spots += [(side * high[0], 0.0, -np.pi / 2 if side > 0 else np.pi / 2) for side in (-1, 1)]
    for x, z, turn in spots:
        if generator.random() < 0.8:
            # Pushed under the table by up to 12 cm, or pulled out by up to 30, the way that the chair faces.
            pull = generator.uniform(-0.12, 0.3)
            dx, dz = np.sin(turn), np.cos(turn)
            room.put_beside(make, table, x - pull * dx, z - pull * dz, turn + generator.normal(0, 0.12))


def _spread(width: float) -> list[float]:
    """Places along a side of `width` metres, centred on 0, one for every 62 cm, at least one."""
    count = max(1, int(width / 0.62))
    return [(i - (count - 1) / 2) * width / count for i in range(count)]


def bedroom(room: Room, generator: Generator) -> None:
    """A bed with nightstands, a wardrobe, a dresser with a television, perhaps a desk."""
    model = furniture.bed(generator)
    bed = room.put_against_wall(model, generator)
    if bed is not None:
        low, high = model.bounds
        stand = storage.nightstand(generator) if generator.random() < 0.8 else furniture.table(generator, "side")
        for side in (-1, 1):
            if generator.random() < 0.75:
                reach = high[0] + stand.bounds[1, 0] + generator.uniform(0.03, 0.15)
                room.put_beside(stand, bed, side * reach, low[2] - stand.bounds[0, 2] + 0.02, 0.0)
    for make, chance in ((storage.wardrobe, 0.5), (storage.dresser, 0.7), (storage.shelf, 0.4)):
        if generator.random() < chance:
            room.put_against_wall(make(generator), generator)
    if generator.random() < 0.5:
        _add_desk(room, generator)
    if generator.random() < 0.35:
        room.put_against_wall(furniture.sofa(generator, 1), generator)


def living_room(room: Room, generator: Generator) -> None:
    """Sofas around a low table, a television opposite, shelves."""
    wall = int(generator.integers(4))
    model = furniture.sofa(generator)
    sofa = room.put_against_wall(model, generator, wall, float(generator.uniform(0.2, 0.8)))
    if sofa is None:
        sofa = room.put_against_wall(model, generator)
    if sofa is not None:
        low, high = model.bounds
        table = furniture.table(generator, "coffee")
        room.put_beside(
            table, sofa, generator.uniform(-0.2, 0.2), high[2] + table.bounds[1, 2] + generator.uniform(0.3, 0.5), 0.0
        )
        seat = furniture.sofa(generator, int(generator.integers(1, 3)))
        for side in (-1, 1):
            if generator.random() < 0.55:
                x = side * (high[0] + generator.uniform(0.5, 0.8))
                room.put_beside(seat, sofa, x, high[2] + generator.uniform(0.5, 0.9), -side * np.pi / 2)
        if generator.random() < 0.6:
            side_table = furniture.table(generator, "side")
            x = high[0] + side_table.bounds[1, 0] + 0.05
            room.put_beside(
                side_table, sofa, generator.choice([-1, 1]) * x, low[2] + side_table.bounds[1, 2] + 0.04, 0.0
            )
    room.put_against_wall(storage.tv_stand(generator), generator, (wall + 2) % 4)
    for make, chance in ((storage.shelf, 0.7), (storage.cabinet, 0.5), (storage.shelf, 0.4)):
        if generator.random() < chance:
            room.put_against_wall(make(generator), generator)
    if generator.random() < 0.35:
        table_at = room.put_in_the_open(furniture.table(generator), generator, margin=0.35)
        if table_at is not None:
            _add_chairs(room, generator, table_at, False)


def _add_desk(room: Room, generator: Generator, wall: int | None = None) -> None:
    """A desk at a wall with a chair before it; the chair is tried three times."""
    at = room.put_against_wall(furniture.table(generator, "desk"), generator, wall)
    if at is not None:
        front = room.things[at].model.bounds[1, 2]
        for _ in range(3):
            x, z = generator.uniform(-0.3, 0.15), front + generator.uniform(-0.1, 0.4)
            chair = furniture.chair(generator, bool(generator.random() < 0.6))
            # About to face the desk, as people leave their chairs.
            if room.put_beside(chair, at, x, z, np.pi + generator.normal(0, 0.5)) is not None:
                break


def office(room: Room, generator: Generator) -> None:
    """Desks with screens and chairs, cabinets and shelves."""
    for _ in range(int(generator.integers(2, 5))):
        _add_desk(room, generator)
    for make, chance in ((storage.shelf, 0.8), (storage.cabinet, 0.7), (storage.wardrobe, 0.4), (storage.shelf, 0.4)):
        if generator.random() < chance:
            room.put_against_wall(make(generator), generator)
    if generator.random() < 0.35:
        table = room.put_in_the_open(furniture.table(generator), generator, margin=0.3)
        if table is not None:
            _add_chairs(room, generator, table, True)


def kitchen(room: Room, generator: Generator) -> None:
    """Units along a wall with cabinets above, a refrigerator, a table with chairs."""
    wall = int(generator.integers(4))
    for at in [wall, wall, (wall + 1) % 4]:
        model = storage.counter(generator)
        unit = room.put_against_wall(model, generator, at)
        if unit is not None and generator.random() < 0.75:
            room.hang_above(storage.wall_cabinet(generator), unit, at, float(generator.uniform(1.4, 1.5)))
    if generator.random() < 0.8:
        room.put_against_wall(storage.fridge(generator), generator)
    table = room.put_in_the_open(
        furniture.table(generator), generator, margin=0.3, turn=float(generator.integers(2) * np.pi / 2)
    )
    if table is not None:
        _add_chairs(room, generator, table, bool(generator.random() < 0.5))
    if generator.random() < 0.4:
        room.put_against_wall(storage.tv_stand(generator), generator)


def library(room: Room, generator: Generator) -> None:
    """Many shelves, a table with chairs, an armchair."""
    for _ in range(int(generator.integers(3, 6))):
        room.put_against_wall(storage.shelf(generator), generator)
    table = room.put_in_the_open(furniture.table(generator), generator, margin=0.3)
    if table is not None:
        _add_chairs(room, generator, table, True)
    for seats in (1, 2):
        if generator.random() < 0.6:
            room.put_against_wall(furniture.sofa(generator, seats), generator)


PROGRAMS = (bedroom, living_room, office, kitchen, library)
