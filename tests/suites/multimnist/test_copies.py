"""MNIST in the forms in which people have it, as small files of noise."""

import gzip
import hashlib
import io
import os
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.errors import DataMissing
from suites.multimnist import MultiMNIST, files
from suites.multimnist.copies import copy_digits
from suites.multimnist.files import FILES, base_images, status

ROWS = {"train": 60, "t10k": 20}

SOURCES = ("MNIST", "FashionMNIST")

Content = dict[str, dict[str, bytes]]

KERAS = dict(zip(FILES, ("x_train", "y_train", "x_test", "y_test"), strict=True))


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def arrays() -> dict[str, dict[str, np.ndarray]]:
    generator = np.random.default_rng(0)
    return {
        source: {
            name: generator.integers(0, *((256, (rows, 28, 28)) if "images" in name else (10, rows)), dtype=np.uint8)
            for name in FILES
            for rows in [ROWS[name.partition("-")[0]]]
        }
        for source in SOURCES
    }


@pytest.fixture
def content(arrays: dict[str, dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch) -> Content:
    """The eight files; MNIST's sums are those of the noise that stands for it."""
    made = {source: {name: idx(array) for name, array in parts.items()} for source, parts in arrays.items()}
    monkeypatch.setattr(files, "ROWS", ROWS)
    monkeypatch.setattr(
        "suites.multimnist.files.MD5", {n: hashlib.md5(c).hexdigest() for n, c in made["MNIST"].items()}
    )
    return made


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def keras(parts: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    arrays = {
        KERAS[name]: np.frombuffer(data, np.uint8, offset=16 if "images" in name else 8) for name, data in parts.items()
    }
    arrays = {name: a.reshape(-1, 28, 28) if name.startswith("x") else a for name, a in arrays.items()}
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


FORMS: dict[str, Callable[[Path, str, dict[str, bytes]], object]] = {
    "raw": lambda at, source, c: [write(at / source / "raw" / n, d) for n, d in c.items()],
    "below": lambda at, source, c: [write(at / "a" / "b" / source / "raw" / n, d) for n, d in c.items()],
    "packed": lambda at, source, c: [write(at / source / "raw" / f"{n}.gz", gzip.compress(d)) for n, d in c.items()],
    "packed under plain names": lambda at, source, c: [write(at / source / n, gzip.compress(d)) for n, d in c.items()],
    "dots": lambda at, source, c: [write(at / source / n.replace("-idx", ".idx"), d) for n, d in c.items()],
    "a folder for each": lambda at, source, c: [
        write(at / source / n.replace("-idx", ".idx") / n.replace("-idx", ".idx"), d) for n, d in c.items()
    ],
    "flat": lambda at, source, c: [
        write(at / ("fashion" if source == "FashionMNIST" else "mnist") / n, d) for n, d in c.items()
    ],
    "keras": lambda at, source, c: write(
        at / ("fashion-mnist.npz" if source == "FashionMNIST" else "mnist.npz"), keras(c)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_usual_forms_are_taken(form: str, content: Content, tmp_path: Path) -> None:
    root = tmp_path / "to"
    assert status(root) == {"MNIST": "missing", "FashionMNIST": "missing"}
    for source in SOURCES:
        FORMS[form](tmp_path / "from", source, content[source])
    said = list(MultiMNIST(root).prepare_data(tmp_path / "from"))
    assert [line.partition(" from ")[0] for line in said] == ["MNIST: copied", "FashionMNIST: copied"]
    for source in SOURCES:
        kept = {path.name: path.read_bytes() for path in (root / source / "raw").iterdir()}
        assert kept == content[source]
    assert status(root) == {"MNIST": "ready", "FashionMNIST": "ready"}
    assert list(copy_digits(root, None)) == ["MNIST: ready already", "FashionMNIST: ready already"]


def test_other_sets_of_the_same_names_are_passed_over(content: Content, tmp_path: Path) -> None:
    other = {name: data[:-1] + bytes([data[-1] ^ 1]) for name, data in content["MNIST"].items()}
    FORMS["raw"](tmp_path / "from", "KMNIST", other)
    FORMS["raw"](tmp_path / "from" / "later", "MNIST", content["MNIST"])
    list(copy_digits(tmp_path / "to", tmp_path / "from"))
    assert status(tmp_path / "to") == {"MNIST": "ready", "FashionMNIST": "missing"}


def test_the_names_are_said_where_there_are_none(content: Content, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    first, second = copy_digits(tmp_path / "to", tmp_path / "from")
    assert all(f"`{file}`" in first for file in FILES)
    assert first.endswith("packed by gzip or not, or Keras' `mnist.npz`. None is there.")
    assert second == f"FashionMNIST: not under `{tmp_path / 'from'}`, in a folder whose name has `fashion` in it."


def test_a_file_stands_for_those_beside_it(content: Content, tmp_path: Path) -> None:
    FORMS["flat"](tmp_path, "MNIST", content["MNIST"])
    list(copy_digits(tmp_path / "to", tmp_path / "mnist" / FILES[2]))
    assert status(tmp_path / "to")["MNIST"] == "ready"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DEFECTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, r"`t10k-images-idx3-ubyte` should lie in `.*raw` as well\."),
    "empty": (
        lambda path: path.write_bytes(b""),
        r"should be .* in the IDX format\. Found an empty file\.",
    ),
    "page": (lambda path: path.write_bytes(b"<html>"), r"in the IDX format\. Found a web page\."),
    "cut": (cut, r"`t10k-images-idx3-ubyte` should hold 15,680 bytes of data\. Found 84\."),
    "bomb": (
        lambda path: path.write_bytes(gzip.compress(bytes(65 << 20))),
        r"`t10k-images-idx3-ubyte` should hold at most 64 MB\. Found more\.",
    ),
    "damaged gzip": (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(30)), r"is packed by gzip, and damaged\."),
    "header": (
        lambda path: path.write_bytes(path.read_bytes()[:4] + b"\xff" * 12 + b"x"),
        r"should hold 79,[0-9,]+ bytes of data\. Found 1\.",
    ),
    "another": (
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x01"),
        r"`t10k-images-idx3-ubyte` is not MNIST's: its md5 should be [0-9a-f]{32}\.",
    ),
    "pipe": (replace_by_pipe, r"`t10k-images-idx3-ubyte` should be a file\. Found a named pipe\."),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects_are_one_sentence_and_nothing_is_kept(
    defect: str, content: Content, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, words = DEFECTS[defect]
    FORMS["raw"](tmp_path / "from", "MNIST", content["MNIST"])
    spoil(tmp_path / "from" / "MNIST" / "raw" / "t10k-images-idx3-ubyte")
    data = tmp_path / "to"
    arguments = ["data", "prepare", "multimnist", "--source", str(tmp_path / "from"), "--data-dir", str(data)]
    assert main(arguments) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("MNIST:")]
    assert re.search(words, line), line
    assert not data.exists()


def test_what_was_put_there_by_hand_is_checked(content: Content, tmp_path: Path) -> None:
    for source in SOURCES:
        FORMS["raw"](tmp_path, source, content[source])
        (tmp_path / source / "raw" / FILES[3]).write_bytes(idx(np.full(20, 11, np.uint8)))
    words = "damaged (`t10k-labels-idx1-ubyte` should hold labels 0 to 9. Found 11)"
    assert status(tmp_path) == dict.fromkeys(SOURCES, words)
    with pytest.raises(DataMissing, match=r"^MNIST in `.*` cannot be read .* Found 11\); fetch it again"):
        base_images(tmp_path, "MNIST", "test")


def archive(part: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x_train.npy", part)
    return stream.getvalue()


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000, 28, 28)}".ljust(128),
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".ljust(127) + b"\n" + bytes(8),
        bytes(65 << 20),
    ],
)
def test_archives_are_limited(part: bytes, tmp_path: Path) -> None:
    (tmp_path / "mnist.npz").write_bytes(archive(part))
    first, _ = copy_digits(tmp_path / "to", tmp_path)
    assert first == "MNIST: `mnist.npz` should be Keras' archive, with `x_train`; it is damaged."


def test_without_a_network_the_names_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing answers there
    assert main(["data", "prepare", "multimnist", "--data-dir", str(tmp_path)]) == 1
    said = capfd.readouterr()
    assert said.out.splitlines() == ["MNIST: downloading"]
    [line] = said.err.splitlines()
    assert line.startswith("mtlbench: MNIST could not be downloaded (")
    assert all(f"`{file}`" in line for file in FILES)
    assert line.endswith("and name it with `--source`.")
    assert not list(tmp_path.iterdir())


def test_a_download_is_held_against_its_sum(content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    packed = {f"{name}.gz": gzip.compress(data) for name, data in content["MNIST"].items()}
    for name, data in packed.items():
        (tmp_path / name).write_bytes(data)
    resources = [(name, hashlib.md5(data).hexdigest()) for name, data in packed.items()]
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["file:///nowhere/", f"file://{tmp_path}/"])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    first = copy_digits(tmp_path / "to", None)
    assert next(first) == "MNIST: downloading"
    assert next(first) == "FashionMNIST: downloading"
    assert status(tmp_path / "to")["MNIST"] == "ready"
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(packed["t10k-labels-idx1-ubyte.gz"])
    with pytest.raises(DataMissing, match=r"^MNIST could not be downloaded \(what came is another file\)\."):
        list(copy_digits(tmp_path / "again", None))
