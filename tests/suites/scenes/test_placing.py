"""Things in a room touch what bears them and nothing else."""

import numpy as np
import pytest

from suites.scenes.collide import intersect, make_boxes, part_boxes
from tests.suites.scenes.seen_rooms import rooms


def test_boxes_intersect_by_their_corners_and_their_sides() -> None:
    unit = make_boxes(np.zeros((1, 3)), np.full((1, 3), 0.5), np.zeros(1))

    def meets(x: float, y: float, yaw: float) -> bool:
        return bool(intersect(unit, make_boxes(np.array([[x, y, 0.0]]), np.full((1, 3), 0.5), np.array([yaw])))[0, 0])

    reach = 0.5 + np.sqrt(0.5)  # a square standing on its corner
    assert meets(0.99, 0.0, 0.0)
    assert not meets(1.0, 0.0, 0.0)
    assert meets(reach - 0.01, 0.0, np.pi / 4)
    assert not meets(reach + 0.01, 0.0, np.pi / 4)
    assert not meets(0.0, 1.0, 0.3)


def test_nothing_intersects() -> None:
    for room in rooms():
        boxes = room.boxes()
        owner = np.repeat(np.arange(len(room.things)), [len(thing.model.parts) for thing in room.things])
        hits = intersect(boxes, boxes, slack=2e-3) & (owner[:, None] != owner[None])
        assert not hits.any()


def test_nothing_floats() -> None:
    supports: set[str] = set()
    for room in rooms():
        for thing in room.things:
            own, support = part_boxes(thing), thing.support
            low = (own.centre - own.half)[:, 1].min()
            supports.add(support if isinstance(support, str) else "thing")
            if support == "floor":
                assert low == pytest.approx(0, abs=1e-9)
            elif support == "ceiling":
                assert (own.centre + own.half)[:, 1].max() == pytest.approx(room.h)
            elif support == "wall":
                reach = np.array([own.centre - own.reach, own.centre + own.reach])
                near, far = reach[0].min(axis=0), np.array([room.w, 0, room.d]) - reach[1].max(axis=0)
                assert min(near[0], near[2], far[0], far[2]) < 0.055  # a curtain hangs from a rod before it
            elif support != "room":
                assert isinstance(support, int)
                bearer = part_boxes(room.things[support])
                level = np.abs((bearer.centre + bearer.half)[:, 1] - low) < 1e-6
                gap = np.array(thing.place) - bearer.centre
                c, s = np.cos(bearer.yaw), np.sin(bearer.yaw)
                above = (np.abs(c * gap[:, 0] - s * gap[:, 2]) < bearer.half[:, 0]) & (
                    np.abs(s * gap[:, 0] + c * gap[:, 2]) < bearer.half[:, 2]
                )
                assert (level & above).any(), (thing.model.name, room.things[support].model.name)
    assert supports == {"room", "floor", "ceiling", "wall", "thing"}
