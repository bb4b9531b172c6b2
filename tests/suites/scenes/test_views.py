"""Where the camera stands and what it sees."""

import numpy as np
import pytest

from suites.scenes.classes import CLASSES
from suites.scenes.collide import part_boxes
from suites.scenes.generate import VIEWS_PER_ROOM, scene_and_view
from suites.scenes.render import render_clean


def test_the_camera_stands_in_the_free_part_of_the_room() -> None:
    for number in range(8):
        for which in range(VIEWS_PER_ROOM):
            scene, seen, _ = scene_and_view(number * VIEWS_PER_ROOM + which, "test", 0.0)
            x, y, z = seen.place
            assert 0.2 < x < scene.room.w - 0.2
            assert 0.2 < z < scene.room.d - 0.2
            assert 0.9 < y < 2.5
            for thing in scene.room.things:
                own = part_boxes(thing)
                gap = seen.place - own.centre
                c, s = np.cos(thing.yaw), np.sin(thing.yaw)
                local = np.stack([c * gap[:, 0] - s * gap[:, 2], gap[:, 1], s * gap[:, 0] + c * gap[:, 2]], axis=1)
                assert not (np.abs(local) < own.half + 0.2).all(axis=1).any()
            assert seen.axes @ seen.axes.T == pytest.approx(np.eye(3))
            assert seen.axes[1, 1] > 0.7


def test_all_classes_occur_and_depths_are_those_of_rooms() -> None:
    images = np.zeros(len(CLASSES))
    medians = []
    for index in range(2, 62):
        scene, seen, _ = scene_and_view(index, "train", 0.0)
        clean = render_clean(scene, seen, (36, 48))
        images += np.bincount(clean.label.ravel(), minlength=len(CLASSES)) > 4
        medians.append(np.median(clean.depth))
    assert (images >= 3).all(), dict(zip(CLASSES, images, strict=True))
    assert 2.0 < np.median(medians) < 3.4
