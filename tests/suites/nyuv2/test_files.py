"""Damaged trees of files are one sentence each."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import DataMissing
from tests.suites.nyuv2.fakes import SIZE, Truth, run, with_value, write_mtan, write_tree


def damage(root: Path, path: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(root / path, change(np.load(root / path)))


def move(archive: Path) -> None:
    archive.replace(archive.with_suffix(""))


MTAN_DEFECTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda root: shutil.rmtree(root / "val" / "depth"), "should hold the folder `val/depth`"),
    "no split": (lambda root: shutil.rmtree(root / "val"), "should hold the folder `val/image`"),
    "counts": (lambda root: (root / "train/label/8.npy").unlink(), "as many files as .*image`, 9. Found 8"),
    "gap": (
        lambda root: [(root / "train" / part / "4.npy").unlink() for part in ("image", "label", "depth")],
        "without gaps. Number 4 is out of line",
    ),
    "shape": (lambda root: damage(root, "train/image/3.npy", lambda a: a[:, :, :2]), r"3.npy` should have the shape"),
    "transposed": (lambda root: damage(root, "val/label/1.npy", lambda a: a.T), r"shape \(36, 48\). Found \(48, 36\)"),
    "nan": (lambda root: damage(root, "train/depth/7.npy", with_value(np.nan)), "7.npy` .*not finite"),
    "below": (lambda root: damage(root, "train/depth/7.npy", with_value(-1)), "should hold metres.* Found -1"),
    "label": (lambda root: damage(root, "val/label/2.npy", with_value(13)), "2.npy` .*-1 .* to 12. Found 13"),
    "half label": (lambda root: damage(root, "val/label/2.npy", with_value(1.5)), "whole numbers .*Found 1.5"),
    "image": (lambda root: damage(root, "train/image/0.npy", with_value(255)), r"numbers in \[0, 1\]. Found 255"),
    "truncated": (lambda root: (root / "train/image/2.npy").write_bytes(b"\x93NUMPY"), "2.npy` cannot be read"),
    "archive": (
        lambda root: np.savez(root / "train/image/2.npy", a=np.zeros(3)) or move(root / "train/image/2.npy.npz"),  # type: ignore[func-returns-value]
        "2.npy` cannot be read as",
    ),
    "zip magic": (
        lambda root: (root / "train/image/2.npy").write_bytes(b"PK\x03\x04" * 20),
        "2.npy` cannot be read as",
    ),
    "header": (
        lambda root: (root / "val/depth/1.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': (1," + b" " * 99),
        "1.npy` cannot be read as an array",
    ),
    "objects": (
        lambda root: np.save(root / "val/image/0.npy", np.array([{}]), allow_pickle=True),
        "0.npy` cannot be read",
    ),
    "one normals": (
        lambda root: shutil.copytree(root / "val" / "depth", root / "val" / "normal"),
        "should hold the folder `train/normal`",
    ),
}


@pytest.mark.parametrize("defect", MTAN_DEFECTS)
def test_defects_of_arrays_are_one_sentence(defect: str, truth: Truth, tmp_path: Path) -> None:
    root = write_mtan(tmp_path / "copy", truth)
    spoil, message = MTAN_DEFECTS[defect]
    spoil(root)
    with pytest.raises(DataMissing, match=message) as caught:
        run(root, tmp_path / "set")
    assert "\n" not in str(caught.value)
    assert "pickle" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def png(array: np.ndarray) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(array).save(path)


def bomb(path: Path) -> None:
    """A few bytes that claim to be an image of 40,000 x 40,000."""
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 40_000, 40_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(bytes(data))


PNG_DEFECTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "label": ("train_seg13/0003.png", png(np.full(SIZE, 14, np.uint8)), "3.png` should hold 0 to 13, .* Found 14"),
    "depth": ("test_depth/0001.png", png(np.full(SIZE, 14, np.uint8)), "1.png` should hold depth in 16 bits"),
    "one bit": ("test_depth/0001.png", png(np.ones(SIZE, bool)), "1.png` should hold depth in 16 bits. Found 1"),
    "bomb": (
        "train_rgb/0001.png",
        lambda path: bomb(path),
        "1.png` cannot be read .* too many pixels",
    ),
    "grey": ("train_rgb/0001.png", png(np.zeros(SIZE, np.uint8)), r"should have the shape \(36, 48, 3\)"),
    "broken": ("train_rgb/0002.png", lambda path: path.write_bytes(path.read_bytes()[:90]), "cannot be read as an im"),
    "missing": ("train_seg13/0009.png", lambda path: path.unlink(), "as many files as"),
}


@pytest.mark.parametrize("defect", PNG_DEFECTS)
def test_defects_of_trees_are_one_sentence(defect: str, truth: Truth, tmp_path: Path) -> None:
    root = write_tree(tmp_path / "copy", truth, "tree-seg13", normals=False)
    name, spoil, message = PNG_DEFECTS[defect]
    spoil(root / name)
    with pytest.raises(DataMissing, match=message):
        run(root, tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]
