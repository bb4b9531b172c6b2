"""Copies stored in other units, and other kinds of files under the names of images."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import DataMissing
from suites._shared.dense.sets import DenseSet
from suites.nyuv2.prepare import convert_copy
from suites.nyuv2.recognise import recognise
from suites.nyuv2.source import as_units

SIZE = (24, 32)


def write_mtan(root: Path, **changes: Callable[[np.ndarray], np.ndarray]) -> Path:
    """A corner of three walls, with normals: a few images, each part changed as is said."""
    generator = np.random.default_rng(0)
    unit = np.zeros((*SIZE, 3))
    unit[:, :16], unit[:, 16:], unit[18:] = (0.6, 0, -0.8), (-0.6, 0, -0.8), (0, 0.8, -0.6)
    for split, count in (("train", 40), ("val", 3)):
        for row in range(count):
            arrays = {
                "image": generator.random((*SIZE, 3)).astype(np.float32),
                "label": generator.integers(-1, 13, SIZE).astype(np.float32),
                "depth": (np.linspace(2, 3, SIZE[1]) + np.zeros((*SIZE, 1))[..., 0] + row / 99)[..., None],
                "normal": unit.astype(np.float32),
            }
            for part, array in arrays.items():
                if part == "normal" and "normal" not in changes:
                    continue
                (root / split / part).mkdir(parents=True, exist_ok=True)
                np.save(root / split / part / f"{row}.npy", changes.get(part, lambda a: a)(array))
    return root


def channels_first(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, -1, 0)


def test_depth_of_one_channel_first_is_depth(tmp_path: Path) -> None:
    last = recognise(write_mtan(tmp_path / "last"))
    first = recognise(write_mtan(tmp_path / "first", depth=channels_first, label=lambda a: a[None]))
    assert first.size == last.size == SIZE
    for split in ("train", "test"):
        np.testing.assert_array_equal(first.read(split, 1).depth, last.read(split, 1).depth)
        np.testing.assert_array_equal(first.read(split, 1).label, last.read(split, 1).label)


@pytest.mark.parametrize(
    "stored", [lambda a: (a + 1) / 2, lambda a: np.rint((a + 1) * 127.5).astype(np.uint8)], ids=["unit", "bytes"]
)
def test_normals_between_0_and_1_are_normals(stored: Callable[[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    plain = recognise(write_mtan(tmp_path / "plain", normal=lambda a: a)).read("train", 0).normal
    found = recognise(write_mtan(tmp_path / "moved", normal=stored)).read("train", 0).normal
    assert plain is not None
    assert found is not None
    np.testing.assert_allclose(found, plain, atol=0.01)


def test_unit_vectors_without_a_negative_part_stay_what_they_are() -> None:
    vectors = np.array([[[0.6, 0.8, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]])
    np.testing.assert_allclose(as_units(vectors, "it"), vectors, atol=1e-6)


@pytest.mark.parametrize("scale", [0.2, 0.001])
def test_depth_in_another_unit_is_refused(scale: float, tmp_path: Path) -> None:
    copy = write_mtan(tmp_path / "copy", depth=lambda a: a * np.float32(scale))
    with pytest.raises(DataMissing, match=r"should be in metres, .* none beyond .* in 8 images; were they scaled"):
        list(convert_copy(tmp_path / "set", copy, (12, 16), open_copy=recognise))
    assert not list(tmp_path.glob("*set*"))


def write_tree(root: Path) -> Path:
    generator = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 3)):
        for row in range(count):
            arrays = {
                "rgb": generator.integers(0, 256, (*SIZE, 3)).astype(np.uint8),
                "seg13": generator.integers(0, 14, SIZE).astype(np.uint8),
                "depth": generator.integers(10_000, 50_000, SIZE).astype(np.uint16),
            }
            for part, array in arrays.items():
                (root / f"{split}_{part}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(root / f"{split}_{part}" / f"{row:04d}.png")
    return root


def save_tiff(path: Path) -> None:
    Image.open(path).save(path, format="TIFF")


def save_large(path: Path) -> None:
    Image.new("1", (6000, 6000)).save(path)


OTHER_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "tiff": (save_tiff, r"0002\.png` cannot be read as an image: it is damaged, or of another kind\."),
    "large": (save_large, r"0002\.png` should have 16,777,216 pixels or fewer\. Found 6000x6000\."),
    "pipe": (lambda path: (path.unlink(), os.mkfifo(path)), r"`0002\.png` should be a file\. Found a named pipe\."),
    "device": (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), r"should be a file\. Found a device\."),
    "folder": (lambda path: (path.unlink(), path.mkdir()), r"should be a file\. Found a folder\."),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
@pytest.mark.parametrize("part", ["rgb", "depth"])
def test_what_is_no_image_is_named(kind: str, part: str, tmp_path: Path) -> None:
    copy = write_tree(tmp_path / "copy")
    spoil, words = OTHER_FILES[kind]
    spoil(copy / f"train_{part}" / "0002.png")
    with pytest.raises(DataMissing, match=words):
        list(convert_copy(tmp_path / "set", copy, (12, 16), open_copy=recognise))


def test_a_pipe_among_arrays_is_named(tmp_path: Path) -> None:
    copy = write_mtan(tmp_path / "copy")
    (copy / "train" / "label" / "5.npy").unlink()
    os.mkfifo(copy / "train" / "label" / "5.npy")
    with pytest.raises(DataMissing, match=r"`5\.npy` should be a file\. Found a named pipe\."):
        list(convert_copy(tmp_path / "set", copy, (12, 16), open_copy=recognise))


def test_pipes_in_a_prepared_set_are_damage(tmp_path: Path) -> None:
    list(convert_copy(tmp_path / "set", write_mtan(tmp_path / "copy"), (12, 16), open_copy=recognise))
    path = tmp_path / "set" / "train" / "depth.npy"
    path.unlink()
    os.mkfifo(path)
    assert DenseSet(tmp_path / "set").damaged_arrays() == ["train.depth"]
    path.unlink()
    shutil.copyfile(tmp_path / "set" / "set.json", path)
    assert DenseSet(tmp_path / "set").damaged_arrays() == ["train.depth"]
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert DenseSet(tmp_path / "set").damaged_arrays() == ["train.depth"]
    (tmp_path / "set" / "set.json").unlink()
    os.mkfifo(tmp_path / "set" / "set.json")
    with pytest.raises(DataMissing, match=r"damaged \(`set\.json` should be a file\. Found a named pipe"):
        DenseSet(tmp_path / "set")
