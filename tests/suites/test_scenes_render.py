"""The rendered rooms: exact truth, sensible rooms, the same bytes for the same arguments, the dial."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from suites._shared.dense.camera import NYUV2
from suites._shared.dense.sets import FIELDS, UNIT, DenseSet
from suites.scenes import generate
from suites.scenes.classes import CLASSES, IDS, MOVABLE
from suites.scenes.collide import boxes_of, intersect, upright
from suites.scenes.furniture import bed, chair
from suites.scenes.generate import VIEWS_PER_ROOM, make_scene, scene_and_view, write_set
from suites.scenes.looks import FAMILIES, LABELS, POOL, dress_thing, pick
from suites.scenes.objects import bowl
from suites.scenes.parts import Thing
from suites.scenes.placing import Room
from suites.scenes.render import Clean, render_clean
from suites.scenes.rooms import make_room
from suites.scenes.scene import Scene, make_scene_of_room, movable
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


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between unit vectors."""
    return np.degrees(np.arccos(np.clip((a * b).sum(axis=-1), -1, 1)))


def test_the_same_arguments_give_the_same_bytes() -> None:
    first = make_scene(4, "train", TINY, 0.5)
    make_scene_of_room.cache_clear()
    again = make_scene(4, "train", TINY, 0.5)
    assert all(np.array_equal(first[field], again[field]) for field in FIELDS)
    for index, split in ((5, "train"), (4 + VIEWS_PER_ROOM, "train"), (4, "test")):
        other = make_scene(index, split, TINY, 0.5)
        assert (first["depth"] != other["depth"]).mean() > 0.5


def test_views_of_one_room_share_it_and_others_do_not() -> None:
    scenes = [
        scene_and_view(index, split, 0.0)[0] for index, split in ((0, "train"), (2, "train"), (3, "train"), (0, "test"))
    ]
    assert scenes[0].room.things == scenes[1].room.things
    assert len({scene.room.w for scene in scenes}) == 3


@pytest.mark.parametrize("size", [TINY, (30, 52)])
def test_arrays_fit_a_prepared_set(size: tuple[int, int]) -> None:
    arrays = make_scene(1, "test", size, 1.0)
    assert arrays.keys() == FIELDS.keys()
    for field, (dtype, last) in FIELDS.items():
        assert arrays[field].dtype == np.dtype(dtype)
        assert arrays[field].shape == (*size, *last)
    assert arrays["label"].min() >= 0
    assert arrays["label"].max() < len(CLASSES)
    assert np.linalg.norm(arrays["normal"] / UNIT, axis=-1) == pytest.approx(1, abs=1e-4)
    holes = (arrays["depth"] == 0).mean()
    assert 0 < holes < 0.4
    assert arrays["image"].std() > 10


def test_normals_agree_with_the_planes_of_the_depth() -> None:
    for number in range(6):
        _, _, clean = view(number)
        points = NYUV2.scaled(SIZE).rays() * clean.depth[..., None]
        right, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
        found = np.cross(right, down)
        found /= np.linalg.norm(found, axis=-1, keepdims=True)
        middle = points[1:-1, 1:-1]
        found *= -np.sign((found * middle).sum(axis=-1, keepdims=True))
        # away from edges 1 / depth is linear on a plane
        inverse = 1 / clean.depth
        bend = np.maximum(
            np.abs(inverse[1:-1, 2:] + inverse[1:-1, :-2] - 2 * inverse[1:-1, 1:-1]),
            np.abs(inverse[2:, 1:-1] + inverse[:-2, 1:-1] - 2 * inverse[1:-1, 1:-1]),
        )
        inner = bend < 1e-3 * inverse[1:-1, 1:-1]
        error = angle(found, clean.normal[1:-1, 1:-1])[inner]
        assert inner.mean() > 0.5
        assert np.median(error) < 0.2
        assert np.percentile(error, 90) < 1.5
        assert ((clean.normal[1:-1, 1:-1] * middle).sum(axis=-1) < 0).all()


def test_a_change_of_label_is_an_edge_of_the_geometry() -> None:
    changes = flat = 0
    for number in range(8):
        _, _, clean = view(number)
        points = NYUV2.scaled(SIZE).rays() * clean.depth[..., None]
        for here, there in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
            step = np.abs(((points[here] - points[there]) * clean.normal[there]).sum(axis=-1))
            geometry = (step > 2e-3) | (angle(clean.normal[here], clean.normal[there]) > 3)
            change = clean.label[here] != clean.label[there]
            assert (clean.thing[here] != clean.thing[there])[change].all()
            changes, flat = changes + int(change.sum()), flat + int((change & ~geometry).sum())
    assert changes > 3000
    assert flat < 0.005 * changes


def test_depth_is_where_the_rays_meet_the_triangles() -> None:
    """Against a plain search over all triangles, solved as linear systems."""
    generator = np.random.default_rng(0)
    for number in range(3):
        scene, seen, clean = view(number)
        corners = scene.mesh.vertices[scene.mesh.faces]
        edges = np.stack([corners[:, 0] - corners[:, 1], corners[:, 0] - corners[:, 2]], axis=-1)
        start = corners[:, 0] - seen.place
        rays = seen.directions(NYUV2.scaled(SIZE).rays()).reshape(*SIZE, 3)
        for row, column in generator.integers(0, SIZE, (12, 2)):
            ray = np.broadcast_to(rays[row, column][None, :, None], (*edges.shape[:2], 1))
            system = np.concatenate([edges, ray], axis=-1)
            proper = np.abs(np.linalg.det(system)) > 1e-12
            u, v, t = np.linalg.solve(system[proper], start[proper][..., None])[..., 0].T
            inside = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (t > 0)
            assert clean.depth[row, column] == pytest.approx(t[inside].min(), abs=2e-4)


def test_boxes_intersect_by_their_corners_and_their_sides() -> None:
    unit = upright(np.zeros((1, 3)), np.full((1, 3), 0.5), np.zeros(1))

    def meets(x: float, y: float, yaw: float) -> bool:
        return bool(intersect(unit, upright(np.array([[x, y, 0.0]]), np.full((1, 3), 0.5), np.array([yaw])))[0, 0])

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
            own, support = boxes_of(thing), thing.support
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
                bearer = boxes_of(room.things[support])
                level = np.abs((bearer.centre + bearer.half)[:, 1] - low) < 1e-6
                gap = np.array(thing.place) - bearer.centre
                c, s = np.cos(bearer.yaw), np.sin(bearer.yaw)
                above = (np.abs(c * gap[:, 0] - s * gap[:, 2]) < bearer.half[:, 0]) & (
                    np.abs(s * gap[:, 0] + c * gap[:, 2]) < bearer.half[:, 2]
                )
                assert (level & above).any(), (thing.model.name, room.things[support].model.name)
    assert supports == {"room", "floor", "ceiling", "wall", "thing"}


def test_the_camera_stands_in_the_free_part_of_the_room() -> None:
    for number in range(8):
        for which in range(VIEWS_PER_ROOM):
            scene, seen, _ = scene_and_view(number * VIEWS_PER_ROOM + which, "test", 0.0)
            x, y, z = seen.place
            assert 0.2 < x < scene.room.w - 0.2
            assert 0.2 < z < scene.room.d - 0.2
            assert 0.9 < y < 2.5
            for thing in scene.room.things:
                own = boxes_of(thing)
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


def test_the_dial_leaves_geometry_alone() -> None:
    shape, texture = (make_scene(7, "train", TINY, classes) for classes in (0.0, 1.0))
    assert np.array_equal(shape["depth"], texture["depth"])
    assert np.array_equal(shape["normal"], texture["normal"])
    assert (shape["label"] != texture["label"]).mean() > 0.1
    fixed = np.isin(shape["label"], [index for index, name in enumerate(CLASSES) if name not in MOVABLE])
    assert np.array_equal(shape["label"][fixed], texture["label"][fixed])


def looks(thing: Thing, classes: float, seed: int) -> tuple[int, list[tuple[str, bytes]]]:
    label, found = dress_thing(thing, classes, np.random.default_rng(seed))
    return label, [(look.pattern, look.colours.tobytes()) for look in found]


def test_shape_told_things_take_materials_that_know_no_class() -> None:
    generator = np.random.default_rng(0)
    lying, holding = (Thing(make(generator), (0, 0, 0), 0.0, "floor") for make in (bed, chair))
    for seed in range(30):
        label, first = looks(lying, 0.0, seed)
        other, second = looks(holding, 0.0, seed)
        shared = min(len(first), len(second))
        assert (label, other) == (IDS["bed"], IDS["chair"])
        assert first[:shared] == second[:shared]
        assert {pattern for pattern, _ in first} <= POOL.keys()


def test_texture_told_things_take_a_class_that_knows_no_shape() -> None:
    generator = np.random.default_rng(0)
    large, small = (Thing(make(generator), (0, 0, 0), 0.0, "floor") for make in (bed, bowl))
    for seed in range(100):
        label, first = looks(large, 1.0, seed)
        other, second = looks(small, 1.0, seed)
        assert label == other
        assert first[0] == second[0]
        assert {pattern for pattern, _ in first} == {FAMILIES[CLASSES[label]][0]}
    drawn = [pick(LABELS, generator) for _ in range(10_000)]
    for name, share in LABELS.items():
        assert drawn.count(name) / len(drawn) == pytest.approx(share, abs=0.015)


def test_the_dial_turns_things_one_by_one() -> None:
    labels = [make_scene_of_room((1, 1, 5), classes).label for classes in (0.0, 0.3, 0.7, 1.0)]
    things = make_scene_of_room((1, 1, 5), 0.0).room.things
    turned = [(labels[0] != label) for label in labels]
    assert (turned[1] <= turned[2]).all()
    assert (turned[2] <= turned[3]).all()
    assert turned[1].sum() < turned[3].sum()
    assert not any(
        turned[3][index] for index, thing in enumerate(things) if not movable(thing.model.kind, thing.support)
    )


def test_families_and_pool_share_no_pattern() -> None:
    assert FAMILIES.keys() == LABELS.keys() == set(MOVABLE)
    assert sum(LABELS.values()) == pytest.approx(1)
    assert sum(POOL.values()) == pytest.approx(1)
    patterns = [pattern for pattern, _ in FAMILIES.values()]
    assert len(set(patterns)) == len(patterns)
    assert not set(patterns) & POOL.keys()


def test_an_interrupted_set_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"train": 5, "test": 3}
    said = list(write_set(tmp_path / "whole", TINY, rows, 0.5, jobs=1))
    assert "8 images" in said[-1]
    asked: list[tuple[int, str]] = []

    def watched(index: int, split: str, size: tuple[int, int], classes: float) -> dict[str, np.ndarray]:
        asked.append((index, split))
        if len(asked) == 5:
            raise KeyboardInterrupt
        return make_scene(index, split, size, classes)

    monkeypatch.setattr(generate, "make_scene", watched)
    with pytest.raises(KeyboardInterrupt):
        list(write_set(tmp_path / "halved", TINY, rows, 0.5, jobs=1))
    assert not (tmp_path / "halved").exists()
    asked = asked[5:] + [(-1, "")] * 10  # no more interruptions
    said = list(write_set(tmp_path / "halved", TINY, rows, 0.5, jobs=1))
    assert said[0].startswith("3 images are there already, 5 are missing")
    assert [entry for entry in asked if entry[0] >= 0] == [
        (3, "train"),
        (4, "train"),
        (0, "test"),
        (1, "test"),
        (2, "test"),
    ]
    whole, halved = DenseSet(tmp_path / "whole"), DenseSet(tmp_path / "halved")
    assert whole.checksums == halved.checksums
    assert whole.header["camera"]["size"] == list(TINY)
    assert not whole.damaged()


@pytest.mark.slow
def test_processes_write_the_same_bytes(tmp_path: Path) -> None:
    rows = {"train": 6, "test": 3}
    for jobs in (1, 2):
        list(write_set(tmp_path / f"{jobs}", TINY, rows, 0.0, jobs=jobs))
    assert DenseSet(tmp_path / "1").checksums == DenseSet(tmp_path / "2").checksums


@pytest.mark.parametrize(
    ("index", "split", "classes", "says"),
    [
        (0, "val", 0.0, "`split` should be one of"),
        (0, "train", 1.5, "`classes` should lie in"),
        (-1, "test", 0.0, "`index`"),
    ],
)
def test_wrong_arguments_are_named(index: int, split: str, classes: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make_scene(index, split, TINY, classes)
