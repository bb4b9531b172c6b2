"""Copies of NYUv2 that are made to harm, or stored in another way: HDF5 that points elsewhere, bombs, other units."""

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from bench.cli.main import main
from bench.errors import DataMissing
from suites.nyuv2 import isolated
from suites.nyuv2.isolated import IsolatedSource
from suites.nyuv2.prepare import convert_copy
from suites.nyuv2.recognise import recognise
from suites.nyuv2.splits import official_images

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
            train = set(official_images("train").tolist())
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
        list(convert_copy(tmp_path / "set", path.parent, (12, 16), open_copy=recognise))
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
    from tests.bench.system import breaking_readers

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
