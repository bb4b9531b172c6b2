"""Copies of NYUv2 that are made to harm, or stored in another way: HDF5 that points elsewhere, bombs, other units."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from bench.cli.main import main
from bench.errors import DataMissing
from suites._shared.dense.sets import DenseSet
from suites.nyuv2 import isolated
from suites.nyuv2.isolated import IsolatedSource
from suites.nyuv2.prepare import convert_copy
from suites.nyuv2.recognise import recognise
from suites.nyuv2.source import as_units
from suites.nyuv2.splits import official

COUNT, SIZE = 40, (24, 32)
SECRET = b"a secret of this machine"
KEYS = {"images": (COUNT, 3, *SIZE[::-1]), "labels": (COUNT, *SIZE[::-1]), "depths": (COUNT, *SIZE[::-1])}


def write_mat(folder: Path, scene: str = "room") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nyu_depth_v2_labeled.mat"
    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["images"] = generator.integers(0, 256, KEYS["images"]).astype(np.uint8)
        file["labels"] = generator.integers(0, 895, KEYS["labels"]).astype(np.uint16)
        file["depths"] = generator.uniform(1, 5, KEYS["depths"]).astype(np.float32)
        file["name"] = np.array([ord(character) for character in scene], np.uint16)
        names = [file["name"].ref] * COUNT
        if scene == "room":  # scenes of the two sides differ
            file["other"] = np.array([ord(character) for character in "hall"], np.uint16)
            train = set(official("train").tolist())
            for image in range(COUNT):
                text = np.array([[ord(c)] for c in f"{'a' if image in train else 'b'}{image}"], np.uint16)
                names[image] = file.create_dataset(f"#refs#/{image}", data=text).ref
        file["scenes"] = np.array(names, dtype=h5py.ref_dtype)
    scipy.io.savemat(folder / "classMapping40.mat", {"mapClass": np.arange(894) % 40 + 1})
    return path


def changed(key: str, change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        (path.parent.parent / "secret").write_bytes(SECRET * 4000)
        with h5py.File(path, "r+") as file:
            if key in file:
                del file[key]
            change(file)

    return spoil


def external(file: h5py.File) -> None:
    secret = Path(file.filename).parent.parent / "secret"
    size = int(np.prod(KEYS["images"]))
    file.create_dataset("images", KEYS["images"], "u1", external=[(str(secret), 0, size)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(KEYS["images"], "u1")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "images", KEYS["images"])
    file.create_virtual_dataset("images", layout)


def external_name(file: h5py.File) -> None:
    secret = Path(file.filename).parent.parent / "secret"
    name = file.create_dataset("stolen", (24,), "u1", external=[(str(secret), 0, 24)])
    file["scenes"] = np.array([name.ref] * COUNT, dtype=h5py.ref_dtype)


def named_by(values: np.ndarray) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        name = file.create_dataset("another", data=values)
        file["scenes"] = np.array([name.ref] * COUNT, dtype=h5py.ref_dtype)

    return change


def link(path: str, to: object) -> Callable[[h5py.File], None]:
    return lambda file: file.__setitem__(path, to)


def bomb(file: h5py.File) -> None:
    file.create_dataset("depths", (COUNT, 8192, 4096), "f4", chunks=(COUNT, 8192, 4096), compression="gzip")


def huge(file: h5py.File) -> None:
    file.create_dataset("images", (COUNT, 3, 100_000, 100_000), "u1", chunks=(1, 1, 1000, 1000))


HARMFUL: dict[str, tuple[Callable[[Path], object], str]] = {
    "external storage": (changed("images", external), "`images` of .* lie in the file itself. Found bytes of another"),
    "virtual": (changed("images", virtual), "`images` of .* lie in the file itself. Found a view of other files"),
    "external link": (
        changed("depths", link("depths", h5py.ExternalLink("elsewhere.h5", "depths"))),
        "`depths` of .* lie in the file itself. Found a link",
    ),
    "soft link": (changed("labels", link("labels", h5py.SoftLink("/name"))), "`labels` of .* Found a link"),
    "external name": (changed("scenes", external_name), "`scenes` of .* Found bytes of another file"),
    "link to names": (changed("scenes", link("scenes", h5py.SoftLink("/name"))), "`scenes` of .* Found a link"),
    "bomb": (changed("depths", bomb), "`depths` of .* in chunks of 256 MB or less"),
    "huge": (changed("images", huge), "16,777,216 pixels or fewer. Found 100000x100000"),
    "long name": (
        changed("scenes", named_by(np.full(2000, 65, np.uint16))),
        "`scenes` of .* names of 1000 characters or fewer. Found 2000",
    ),
    "name of numbers": (
        changed("scenes", named_by(np.array([1.0, np.nan, 1e99]))),
        "`scenes` of .* Found 3 of the type float64",
    ),
    "pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "should be `nyu_depth_v2_labeled.mat`|named pipe"),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_nothing_of_other_files_is_read(kind: str, tmp_path: Path) -> None:
    path = write_mat(tmp_path / "copy")
    spoil, words = HARMFUL[kind]
    spoil(path)
    with pytest.raises(DataMissing, match=words) as caught:
        list(convert_copy(tmp_path / "set", path.parent, (12, 16), opened=recognise))
    assert "secret" not in str(caught.value)
    assert not list(tmp_path.glob("*set*"))


def test_names_inside_a_file_cannot_steer_a_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_mat(tmp_path / "copy", "room\x1b]0;title set by a file\x07\x1b[31mred\x1b[2J")
    arguments = ["data", "prepare", "nyuv2", "--source", str(tmp_path / "copy"), "--size", "24x32"]
    assert main([*arguments, "--data-dir", str(tmp_path / "data")]) == 1
    said = capfd.readouterr()
    assert r"The scene `room\x1b]0;title set by a file\x07\x1b[31mred\x1b[2J` should be on one side" in said.err
    assert all(line.isprintable() for line in (said.out + said.err).splitlines())


def test_a_process_of_its_own_reads_the_same(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "copy")
    expected = recognise(path)
    found = IsolatedSource(path)
    try:
        for name in ("name", "rows", "size", "has_normals", "fingerprint"):
            assert getattr(found, name) == getattr(expected, name)
        for split in ("train", "test"):
            assert found.scenes(split) == expected.scenes(split)
            mine, theirs = found.read(split, 3), expected.read(split, 3)
            np.testing.assert_array_equal(mine.image, theirs.image)
            np.testing.assert_array_equal(mine.label, theirs.label)
            np.testing.assert_array_equal(mine.depth, theirs.depth)
            assert mine.normal is None
        with pytest.raises(
            DataMissing, match=r"^Image 99 of test of .* cannot be read: it is damaged \(IndexError\)\.$"
        ):
            found.read("test", 99)
    finally:
        found.close()
        expected.close()


def test_a_crash_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.bench import breaking_readers

    path = write_mat(tmp_path / "copy")
    monkeypatch.setattr(isolated, "describe_copy", breaking_readers.crash)
    arguments = [
        "data",
        "prepare",
        "nyuv2",
        "--source",
        str(path),
        "--size",
        "24x32",
        "--data-dir",
        str(tmp_path / "d"),
    ]
    assert main(arguments) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "nyu_depth_v2_labeled.mat` cannot be read: it crashed its reader (SIGSEGV), as damaged files do."
    )
    assert not (tmp_path / "d").exists()


# --- MTAN's layout in other units --------------------------------------------------------------


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
        list(convert_copy(tmp_path / "set", copy, (12, 16), opened=recognise))
    assert not list(tmp_path.glob("*set*"))


# --- other kinds of files under the names of images --------------------------------------------


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
        list(convert_copy(tmp_path / "set", copy, (12, 16), opened=recognise))


def test_a_pipe_among_arrays_is_named(tmp_path: Path) -> None:
    copy = write_mtan(tmp_path / "copy")
    (copy / "train" / "label" / "5.npy").unlink()
    os.mkfifo(copy / "train" / "label" / "5.npy")
    with pytest.raises(DataMissing, match=r"`5\.npy` should be a file\. Found a named pipe\."):
        list(convert_copy(tmp_path / "set", copy, (12, 16), opened=recognise))


def test_pipes_in_a_prepared_set_are_damage(tmp_path: Path) -> None:
    list(convert_copy(tmp_path / "set", write_mtan(tmp_path / "copy"), (12, 16), opened=recognise))
    path = tmp_path / "set" / "train" / "depth.npy"
    path.unlink()
    os.mkfifo(path)
    assert DenseSet(tmp_path / "set").damaged() == ["train.depth"]
    path.unlink()
    shutil.copyfile(tmp_path / "set" / "set.json", path)
    assert DenseSet(tmp_path / "set").damaged() == ["train.depth"]
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert DenseSet(tmp_path / "set").damaged() == ["train.depth"]
    (tmp_path / "set" / "set.json").unlink()
    os.mkfifo(tmp_path / "set" / "set.json")
    with pytest.raises(DataMissing, match=r"damaged \(`set\.json` should be a file\. Found a named pipe"):
        DenseSet(tmp_path / "set")
