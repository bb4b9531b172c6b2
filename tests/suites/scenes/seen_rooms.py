"""Rooms and views that tests look at, made once."""

from functools import cache

import numpy as np

from suites.scenes.generate import VIEWS_PER_ROOM, scene_and_view
from suites.scenes.placing import Room
from suites.scenes.render import Clean, render_clean
from suites.scenes.rooms import make_room
from suites.scenes.scene import Scene
from suites.scenes.views import View

SIZE, TINY = (72, 96), (24, 32)

ROOMS = 30  # of the tests of layout


@cache
def view(number: int) -> tuple[Scene, View, Clean]:
    """The first view of a room of the training set."""
    scene, seen, _ = scene_and_view(number * VIEWS_PER_ROOM, "train", 0.0)
    return scene, seen, render_clean(scene, seen, SIZE)


@cache
def rooms() -> list[Room]:
    return [make_room(np.random.default_rng([9, number])) for number in range(ROOMS)]
