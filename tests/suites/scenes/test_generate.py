"""The same arguments give the same bytes; sets go on where they stopped."""

from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataMissing
from suites._shared.dense.sets import FIELDS, UNIT, DenseSet
from suites.scenes import generate
from suites.scenes.classes import CLASSES
from suites.scenes.generate import VIEWS_PER_ROOM, make_scene, scene_and_view, write_set
from suites.scenes.scene import make_scene_of_room
from suites.scenes.suite import Scenes
from tests.suites.scenes.seen_rooms import TINY


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


def test_every_set_has_rooms_of_its_own() -> None:
    """Neither those of another set nor, of another split, those of the same."""
    rooms = {
        (split, number): scene_and_view(0, split, 0.0, number)[0].room.w
        for split in ("train", "test")
        for number in (0, 1, 2)
    }
    assert len(set(rooms.values())) == 6
    assert rooms["test", 0] == scene_and_view(0, "test", 0.0)[0].room.w


def test_the_first_set_is_what_it_was_and_others_say_their_number(tmp_path: Path) -> None:
    for number in (0, 3):
        list(write_set(tmp_path / f"{number}", TINY, {"train": 1, "test": 1}, 0.0, jobs=1, number=number))
    first, other = DenseSet(tmp_path / "0"), DenseSet(tmp_path / "3")
    assert "split" not in first.header
    assert other.header["split"] == 3
    assert not set(first.checksums.values()) & set(other.checksums.values())
    assert Scenes(tmp_path, split=3).folder.name == f"{Scenes(tmp_path).folder.name}-split-3"
    with pytest.raises(DataMissing, match="`mtlbench data prepare scenes:split=3`"):
        Scenes(tmp_path, split=3).checksums()


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


def test_an_interrupted_set_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"train": 5, "test": 3}
    said = list(write_set(tmp_path / "whole", TINY, rows, 0.5, jobs=1))
    assert "8 images" in said[-1]
    asked: list[tuple[int, str]] = []

    def watched(index: int, split: str, size: tuple[int, int], classes: float, number: int) -> dict[str, np.ndarray]:
        asked.append((index, split))
        if len(asked) == 5:
            raise KeyboardInterrupt
        return make_scene(index, split, size, classes, number)

    monkeypatch.setattr(generate, "make_scene", watched)
    with pytest.raises(KeyboardInterrupt):
        list(write_set(tmp_path / "halved", TINY, rows, 0.5, jobs=1))
    assert not (tmp_path / "halved").exists()
    asked = asked[5:] + [(-1, "")] * 10  # no more interruptions
    said = list(write_set(tmp_path / "halved", TINY, rows, 0.5, jobs=1))
    assert said[0].startswith("3 of 8 images are there already")
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
    assert not whole.damaged_arrays()


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
