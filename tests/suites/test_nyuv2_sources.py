"""Every form of NYUv2 as a small fake, read back to equal truth, and what is said of damaged ones."""

import shutil
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from bench.cli.main import main
from bench.errors import DataMissing
from suites._shared.dense.camera import NYUV2
from suites._shared.dense.classes import CLASSES
from suites._shared.dense.sets import DenseSet
from suites.nyuv2 import orientation
from suites.nyuv2.mat import TO_13, MatFile
from suites.nyuv2.prepare import convert_copy
from suites.nyuv2.recognise import recognise
from suites.nyuv2.splits import IMAGES, check_scenes, official, training_runs, validation_rows

SIZE = (36, 48)
COUNT = 12  # images 0..11 of the official file: 9 train, 3 test
ROWS = {"train": 9, "test": 3}
NORMALS = np.array([[0, 1, 0], [0.6, 0, -0.8], [-0.6, 0, -0.8], [0, 0, -1.0], [0, -0.6, -0.8], [0.48, 0.36, -0.8]])
TO_40 = np.arange(894) % 40 + 1  # a made-up mapClass


@dataclass
class Truth:
    """What the fakes hold, in the official order of images: labels of 894 classes and what they mean."""

    image: np.ndarray
    raw: np.ndarray
    label: np.ndarray
    depth: np.ndarray
    normal: np.ndarray

    def rows(self, split: str) -> list[int]:
        return [int(index) for index in official(split)[: ROWS[split]]]


@pytest.fixture(scope="module")
def truth() -> Truth:
    generator = np.random.default_rng(0)
    raw = generator.integers(0, 895, (COUNT, *SIZE)).astype(np.uint16)
    label = np.concatenate([[-1], np.array(TO_13)[TO_40] - 1])[raw].astype(np.int8)
    rays = NYUV2.scaled(SIZE).rays()
    depth, normal = np.zeros((COUNT, *SIZE), np.float32), np.zeros((COUNT, *SIZE, 3), np.float32)
    for image in range(COUNT):
        unit = NORMALS[image % len(NORMALS)]
        distance = -1.2 if image % len(NORMALS) == 0 else -2.5
        with np.errstate(divide="ignore"):
            metres = distance / (rays @ unit)
        seen = (metres > 0) & (metres < 6.5)
        depth[image], normal[image] = np.where(seen, metres, 0), np.where(seen[..., None], unit, 0)
    depth[:, :2, :2] = 0
    return Truth(generator.integers(0, 256, (COUNT, *SIZE, 3)).astype(np.uint8), raw, label, depth, normal)


def write_mat(folder: Path, truth: Truth, scenes: bool = True) -> Path:
    """MATLAB 7.3 as h5py sees it: axes reversed, cells of references to arrays of characters."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = truth.image.transpose(0, 3, 2, 1)
        file["labels"] = truth.raw.transpose(0, 2, 1)
        file["depths"] = truth.depth.transpose(0, 2, 1)
        if scenes:
            train = set(official("train").tolist())
            names = [f"{'kitchen' if image in train else 'office'}_{image // 3:04d}" for image in range(COUNT)]
            cells = file.create_dataset("scenes", (1, COUNT), dtype=h5py.ref_dtype)
            for image, name in enumerate(names):
                text = file.create_dataset(f"#refs#/{image}", data=np.array([[ord(c)] for c in name], np.uint16))
                cells[0, image] = text.ref
    scipy.io.savemat(folder / "classMapping40.mat", {"mapClass": TO_40[None].astype(np.uint8)})
    return path


def write_mtan(root: Path, truth: Truth, normals: bool = False, dtype: str = "float32") -> Path:
    for split, name in (("train", "train"), ("test", "val")):
        for part in ("image", "label", "depth", *(["normal"] if normals else [])):
            (root / name / part).mkdir(parents=True)
        for row, image in enumerate(truth.rows(split)):
            np.save(root / name / "image" / f"{row}.npy", (truth.image[image] / 255).astype(dtype))
            np.save(root / name / "label" / f"{row}.npy", truth.label[image].astype(dtype))
            np.save(root / name / "depth" / f"{row}.npy", truth.depth[image][..., None].astype("float32"))
            if normals:
                np.save(root / name / "normal" / f"{row}.npy", truth.normal[image].astype("float64"))
    return root


def write_tree(root: Path, truth: Truth, layout: str, numbers: str = "counted", normals: bool = True) -> Path:
    """`tree-seg13`, numbered by the official images from 1 as in the wild or by position; or `tree-parts`."""
    for split in ("train", "test"):
        for row, image in enumerate(truth.rows(split)):
            label = np.where(truth.label[image] < 0, 0, truth.label[image] + 1).astype(np.uint8)
            units = 1e4 if layout == "tree-seg13" else 1e3
            depth = np.rint(truth.depth[image] * units).astype(np.uint16)
            normal = np.rint((truth.normal[image] + 1) / 2 * 255).astype(np.uint8)
            arrays = {"rgb": truth.image[image], "seg13": label, "depth": depth, "sn": normal}
            if layout == "tree-parts":
                arrays["seg13"] = np.where(label == 0, 255, label).astype(np.uint8)
            for part, array in arrays.items():
                if part == "sn" and not normals:
                    continue
                if layout == "tree-seg13":
                    path = root / f"{split}_{part}" / f"{(image if numbers == 'official' else row) + 1:04d}.png"
                else:
                    path = root / {"rgb": "image", "sn": "normal"}.get(part, part) / split / f"{row:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


WRITERS: dict[str, tuple[str, Callable[[Path, Truth], Path], float]] = {  # layout, writer, error of depth in metres
    "official": ("official", lambda root, truth: write_mat(root, truth), 0),
    "mtan": ("mtan", lambda root, truth: write_mtan(root, truth), 0),
    "mtan-half": ("mtan", lambda root, truth: write_mtan(root, truth, dtype="float16"), 0),
    "mtan-normals": ("mtan", lambda root, truth: write_mtan(root, truth, normals=True, dtype="float64"), 0),
    "seg13": ("tree-seg13", lambda root, truth: write_tree(root, truth, "tree-seg13"), 5.1e-5),
    "seg13-official": ("tree-seg13", lambda root, truth: write_tree(root, truth, "tree-seg13", "official"), 5.1e-5),
    "seg13-no-normals": (
        "tree-seg13",
        lambda root, truth: write_tree(root, truth, "tree-seg13", normals=False),
        5.1e-5,
    ),
    "parts": ("tree-parts", lambda root, truth: write_tree(root, truth, "tree-parts"), 5.1e-4),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_layout_reads_back(kind: str, truth: Truth, tmp_path: Path) -> None:
    name, write, tolerance = WRITERS[kind]
    source = recognise(write(tmp_path / "copy", truth))
    assert (source.name, source.rows, source.size) == (name, ROWS, SIZE)
    assert len(source.fingerprint) == 64
    assert source.has_normals == (kind in ("mtan-normals", "seg13", "seg13-official", "parts"))
    for split in ROWS:
        for row, image in enumerate(truth.rows(split)):
            item = source.read(split, row)
            np.testing.assert_array_equal(item.image, truth.image[image])
            np.testing.assert_array_equal(item.label, truth.label[image])
            np.testing.assert_allclose(item.depth, truth.depth[image], rtol=0, atol=tolerance)
            assert (item.image.dtype, item.label.dtype, item.depth.dtype) == (np.uint8, np.int8, np.float32)
            if item.normal is not None:
                np.testing.assert_allclose(item.normal, truth.normal[image], atol=0.01)


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
    indices = {f"{split}Ndxs": official(split)[:, None] + 1 for split in ("train", "test")}
    scipy.io.savemat(tmp_path / "splits.mat", indices)
    assert recognise(path).rows == ROWS
    indices["testNdxs"] = indices["testNdxs"][1:]
    scipy.io.savemat(tmp_path / "splits.mat", indices)
    with pytest.raises(DataMissing, match=r"`testNdxs` of .*official 654 images"):
        recognise(path)


def run(source: Path, folder: Path, size: tuple[int, int] = (18, 24)) -> list[str]:
    return list(convert_copy(folder, source, size, opened=recognise))


@pytest.mark.parametrize("kind", WRITERS)
def test_preparing_writes_the_set(kind: str, truth: Truth, tmp_path: Path) -> None:
    name, write, tolerance = WRITERS[kind]
    said = run(write(tmp_path / "copy", truth), tmp_path / "set", SIZE)
    made = DenseSet(tmp_path / "set")
    assert (made.size, made.rows, made.header["source"]) == (SIZE, ROWS, name)
    measured = kind in ("mtan-normals", "seg13", "seg13-official", "parts")
    assert made.header["normals"] == ("measured" if measured else "pseudo")
    assert made.header["camera"]["fx"] == NYUV2.scaled(SIZE).fx
    assert f"{name} layout, 9 of 795 train and 3 of 654 test images of 36x48" in said[0]
    assert "9 train and 3 test images of 36x48, a partial copy" in said[-1]
    assert not made.damaged()
    for split in ROWS:
        images = truth.rows(split)
        np.testing.assert_array_equal(made.array(split, "image"), truth.image[images])
        np.testing.assert_array_equal(made.array(split, "label"), truth.label[images])
        np.testing.assert_allclose(made.array(split, "depth"), truth.depth[images], rtol=0, atol=tolerance)
        normals = made.array(split, "normal") / 32767
        valid = normals.any(-1)
        assert valid.mean() > 0.7
        assert ((normals * truth.normal[images]).sum(-1)[valid] > 0.999).mean() > 0.9
    assert run(tmp_path / "copy", tmp_path / "set", SIZE)[-1].startswith("ready already")
    assert not list(tmp_path.glob(".*"))


def test_smaller_sets_are_resampled(truth: Truth, tmp_path: Path) -> None:
    run(write_mtan(tmp_path / "copy", truth), tmp_path / "set", (18, 24))
    made, image = DenseSet(tmp_path / "set"), truth.rows("test")[0]
    blocks = truth.image[image].astype(float).reshape(18, 2, 24, 2, 3).mean((1, 3))
    np.testing.assert_allclose(made.array("test", "image")[0], blocks, atol=0.51)
    np.testing.assert_array_equal(made.array("test", "label")[0], truth.label[image][1::2, 1::2])
    with pytest.raises(DataMissing, match="36x48: too small for 72x96"):
        run(tmp_path / "copy", tmp_path / "large", (72, 96))


def test_scenes_on_two_sides_are_refused(truth: Truth, tmp_path: Path) -> None:
    said = run(write_mat(tmp_path / "copy", truth), tmp_path / "set")
    assert any("scenes: " in line and "none on two sides" in line for line in said)
    assert "4 in test" in check_scenes([f"a{row}" for row in range(795)], ["b", "c", "d", "e"])
    held = int(validation_rows()[0])
    names = [f"a{row}" for row in range(795)]
    names[held] = names[held - 1]
    with pytest.raises(DataMissing, match=f"`a{held - 1}` should be on one side .* validation and in training"):
        check_scenes(names, ["b"])


@pytest.mark.parametrize("signs", [(1, 1, 1), (1, 1, -1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_signs_of_measured_normals_are_found(signs: tuple[int, int, int], truth: Truth, tmp_path: Path) -> None:
    root = write_mtan(tmp_path / "copy", truth, normals=True)
    for path in root.glob("*/normal/*.npy"):
        np.save(path, np.load(path) * signs)
    chosen, sentence = orientation.signs(recognise(root))
    np.testing.assert_array_equal(chosen, signs)
    assert "mean cosine 1.00" in sentence
    assert "100% look at the camera" in sentence
    run(root, tmp_path / "set", SIZE)
    np.testing.assert_allclose(
        DenseSet(tmp_path / "set").array("train", "normal") / 32767, truth.normal[truth.rows("train")], atol=1e-4
    )


def test_normals_of_other_images_are_refused(truth: Truth, tmp_path: Path) -> None:
    root = write_mtan(tmp_path / "copy", truth, normals=True)
    generator = np.random.default_rng(0)
    for path in root.glob("*/normal/*.npy"):
        noise = generator.normal(size=(*SIZE, 3))
        np.save(path, noise / np.linalg.norm(noise, axis=-1, keepdims=True))
    with pytest.raises(DataMissing, match="should agree with its depth"):
        run(root, tmp_path / "set")


def damage(root: Path, path: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(root / path, change(np.load(root / path)))


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array.flat[5] = value
        return array

    return change


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


def test_normals_that_the_copy_does_not_have_are_refused_at_once(truth: Truth, tmp_path: Path) -> None:
    copy = write_mtan(tmp_path / "copy", truth)
    with pytest.raises(DataMissing, match="has no normals of its own"):
        list(convert_copy(tmp_path / "set", copy, (18, 24), measured=True, opened=recognise))


def test_a_copy_with_measured_normals_is_ready_under_their_name(
    truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, data = write_mtan(tmp_path / "copy", truth, normals=True), str(tmp_path / "data")
    assert main(["data", "prepare", "nyuv2", "--source", str(copy), "--size", "24x32", "--data-dir", data]) == 0
    said = capsys.readouterr()
    assert "24x32 ready" in said.out
    assert "`nyuv2:normals=measured,size=24x32`" in said.err
    assert main(["data", "info", "nyuv2:normals=measured,size=24x32", "--data-dir", data]) == 0


def test_nothing_known_is_said_to_be_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="none of these is there"):
        recognise(tmp_path)


def test_an_interrupted_preparation_goes_on(truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = write_mtan(tmp_path / "copy", truth)
    run(copy, tmp_path / "whole")
    monkeypatch.setattr("suites.nyuv2.prepare.EVERY", 0.0)
    steps = convert_copy(tmp_path / "set", copy, (18, 24), opened=recognise)
    for line in steps:
        if line.startswith("5 of 12 images"):
            break
    steps.close()  # type: ignore[attr-defined]
    assert (tmp_path / ".set.partial").is_dir()
    assert not (tmp_path / "set").exists()
    said = run(copy, tmp_path / "set")
    assert "going on after 5 images" in said
    assert DenseSet(tmp_path / "set").checksums == DenseSet(tmp_path / "whole").checksums
    assert not (tmp_path / ".set.partial").exists()


def test_leftovers_of_another_copy_start_anew(truth: Truth, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", truth, "tree-parts")
    steps = convert_copy(tmp_path / "set", tree, (18, 24), opened=recognise)
    for _ in range(3):
        next(steps, None)
    steps.close()  # type: ignore[attr-defined]
    said = run(write_mtan(tmp_path / "copy", truth), tmp_path / "set")
    assert not any("going on" in line for line in said)
    assert DenseSet(tmp_path / "set").header["source"] == "mtan"


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


def test_the_official_split() -> None:
    train, test = official("train"), official("test")
    assert (len(train), len(test)) == (795, 654)
    assert sorted([*train, *test]) == list(range(IMAGES))
    assert train[:9].tolist() == [2, 3, 4, 5, 6, 7, 9, 10, 11]
    assert test[-5:].tolist() == [1444, 1445, 1446, 1447, 1448]
    assert len(CLASSES) == 13
    assert len(TO_13) == 41
    assert set(TO_13) == set(range(14))


def test_validation_is_frozen_and_made_of_whole_runs() -> None:
    held = validation_rows()
    blocks = [(45, 70), (282, 284), (383, 387), (442, 454), (474, 477), (547, 558), (562, 575), (585, 593), (648, 651)]
    blocks += [(681, 686), (738, 744), (756, 770)]
    assert held.tolist() == [row for first, last in blocks for row in range(first, last)]
    images = official("train")
    sides = np.isin(np.arange(795), held)
    for first, length in training_runs():
        inside = sides[(images >= first) & (images < first + length)]
        assert inside.all() or not inside.any()
    np.testing.assert_array_equal(validation_rows(60), held[held < 60])
    assert validation_rows(40).tolist() == list(range(29, 40))  # has none of them: its last run
    assert validation_rows(6).size == 0  # one run
