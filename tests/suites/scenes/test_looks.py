"""The dial: what is told by shape and what by texture."""

import numpy as np
import pytest

from suites.scenes.classes import CLASSES, IDS, MOVABLE
from suites.scenes.furniture import bed, chair
from suites.scenes.generate import make_scene
from suites.scenes.looks import FAMILIES, LABELS, POOL, dress_thing, pick
from suites.scenes.objects import bowl
from suites.scenes.parts import Thing
from suites.scenes.scene import is_movable, make_scene_of_room
from tests.suites.scenes.seen_rooms import TINY


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
        turned[3][index] for index, thing in enumerate(things) if not is_movable(thing.model.kind, thing.support)
    )


def test_families_and_pool_share_no_pattern() -> None:
    assert FAMILIES.keys() == LABELS.keys() == set(MOVABLE)
    assert sum(LABELS.values()) == pytest.approx(1)
    assert sum(POOL.values()) == pytest.approx(1)
    patterns = [pattern for pattern, _ in FAMILIES.values()]
    assert len(set(patterns)) == len(patterns)
    assert not set(patterns) & POOL.keys()
