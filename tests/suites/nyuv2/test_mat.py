"""The official file, read image by image, and damaged in many ways."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from bench.errors import DataMissing
from suites.nyuv2.mat import MatFile
from suites.nyuv2.recognise import recognise
from suites.nyuv2.splits import official_images
from tests.suites.nyuv2.fakes import ROWS, TO_40, Truth, run, with_value, write_mat


def test_the_official_file_by_name_and_by_folder(truth: Truth, tmp_path: Path) -> None:
    path = write_mat(tmp_path, truth)
    assert recognise(path).fingerprint == recognise(tmp_path).fingerprint
    source = recognise(path)
    assert source.scenes("test") == ["office_0000", "office_0000", "office_0002"]
    train = source.scenes("train")
    assert train is not None
    assert train[0] == "kitchen_0000"


def test_the_split_beside_the_file_is_compared(truth: Truth, tmp_path: Path) -> None:
    path = write_mat(tmp_path, truth)
    indices = {f"{split}Ndxs": official_images(split)[:, None] + 1 for split in ("train", "test")}
    scipy.io.savemat(tmp_path / "splits.mat", indices)
    assert recognise(path).rows == ROWS
    indices["testNdxs"] = indices["testNdxs"][1:]
    scipy.io.savemat(tmp_path / "splits.mat", indices)
    with pytest.raises(DataMissing, match=r"`testNdxs` of .*official 654 images"):
        recognise(path)


def rewrite(key: str, change: Callable[[np.ndarray], np.ndarray] | None) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            values = np.asarray(file[key])
            del file[key]
            if change is not None:
                file[key] = change(values)

    return spoil


MAT_DEFECTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:40_000]), "cannot be read as MATLAB 7.3.* whole"),
    "not hdf5": (lambda path: path.write_bytes(b"MATLAB 5.0 MAT-file" * 50), "cannot be read as MATLAB 7.3"),
    "no depths": (rewrite("depths", None), "should hold the array `depths`"),
    "shape": (rewrite("labels", lambda a: a[:, :, :-1]), "`labels` of .* should have the shape"),
    "axes": (rewrite("images", lambda a: a.transpose(0, 3, 2, 1)), "`images` of .* should have the shape"),
    "nan": (rewrite("depths", with_value(np.nan)), "`depths`, image 0 of .*not finite"),
    "label": (rewrite("labels", with_value(900)), r"`labels`, image 0 of .*in 0..894. Found 900"),
    "negative label": (rewrite("labels", lambda a: a.astype(np.int16) - 900), r"`labels`, .*in 0..894. Found -"),
    "millimetres": (rewrite("depths", lambda a: 1000 * a), "`depths`, image .*metres up to 100, .*Found"),
    "type": (rewrite("images", lambda a: a / 255), "`images` of .* should hold whole numbers"),
    "float labels": (rewrite("labels", lambda a: a / 2), "`labels` of .* should hold whole numbers"),
    "text": (rewrite("depths", lambda a: np.full(a.shape, b"far")), "`depths` of .* should hold floating-point"),
    "names": (rewrite("scenes", lambda a: np.zeros(a.shape)), "`scenes` of .* should hold references"),
    "mapping of text": (
        lambda path: scipy.io.savemat(path.with_name("classMapping40.mat"), {"mapClass": ["wall"] * 894}),
        "`mapClass` of .* should hold numbers. Found text",
    ),
    "no mapping": (lambda path: path.with_name("classMapping40.mat").unlink(), "`mapClass` .*rcnn-depth"),
    "bad mapping": (
        lambda path: path.with_name("classMapping40.mat").write_bytes(b"x" * 200),
        "file of .* `mapClass`",
    ),
    "few scenes": (rewrite("scenes", lambda a: a[:, :3]), "`scenes` of .* should name every image"),
}


@pytest.mark.parametrize("defect", MAT_DEFECTS)
def test_defects_of_the_official_file_are_one_sentence(defect: str, truth: Truth, tmp_path: Path) -> None:
    path = write_mat(tmp_path / "copy", truth)
    spoil, message = MAT_DEFECTS[defect]
    spoil(path)
    with pytest.raises(DataMissing, match=message) as caught:
        run(path, tmp_path / "set")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_the_official_file_is_read_image_by_image(tmp_path: Path) -> None:
    """Forty images at full size, 98 MB of arrays, in a small part of that."""
    path, count = tmp_path / "nyu_depth_v2_labeled.mat", 40
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (count, 3, 640, 480), "u1", chunks=(1, 3, 640, 480))
        file.create_dataset("labels", (count, 640, 480), "u2", chunks=(1, 640, 480))
        file.create_dataset("depths", (count, 640, 480), "f4", chunks=(1, 640, 480), fillvalue=2.0)
    scipy.io.savemat(tmp_path / "classMapping40.mat", {"mapClass": TO_40[None]})
    source = MatFile(path)
    tracemalloc.start()
    for split, rows in source.rows.items():
        for row in range(rows):
            assert source.read(split, row).depth[0, 0] == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
