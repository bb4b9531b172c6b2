"""Small valid files, mutated: each reader gives sound data or one sentence, soon, and leaves nothing behind.

A few hundred files of each kind; with MTLBENCH_FUZZ_SECONDS as many as there is time for, which `make fuzz` does and
counts.
"""

import gzip
import hashlib
import io
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from bench.errors import DataMissing, UsageError
from bench.system.reading.process import Reader, ReadLimits
from bench.system.reading.values import HEADER, NotAValue, pack, unpack
from suites._shared import variables
from suites._shared.dense.sets import FIELDS, DenseSet
from suites._shared.dense.writer import SetWriter
from suites._shared.mat_file import read_variables
from suites._shared.variables import Variables, keep_variables, load_variables
from suites.multimnist import files
from suites.multimnist.copies import copy_digits
from suites.multimnist.files import FILES, to_idx
from suites.school import School
from tests.fuzz import whole_reads
from tests.fuzz.budget import LONGEST, seeds, sentence, tree
from tests.fuzz.mutations import mutated

LIMITS = ReadLimits(seconds=LONGEST, memory_mb=512, answer_mb=64)


def cells(arrays: list[np.ndarray]) -> np.ndarray:
    found = np.empty((1, len(arrays)), dtype=object)
    found[0] = arrays
    return found


def school(compressed: bool) -> bytes:
    generator = np.random.default_rng(0)
    X = [generator.integers(0, 9, (n, 3)).astype(np.uint8) for n in (5, 7, 4)]
    stream = io.BytesIO()
    content = {"X": cells(X), "Y": cells([x[:, :1].astype(float) for x in X]), "note": "text"}
    savemat(stream, content, do_compression=compressed)
    return stream.getvalue()


def official() -> bytes:
    stream = io.BytesIO()
    generator = np.random.default_rng(0)
    with h5py.File(stream, "w", userblock_size=512) as file:
        file.create_dataset(
            "images", data=generator.integers(0, 256, (12, 3, 8, 6)).astype(np.uint8), chunks=(1, 3, 8, 6)
        )
        file["labels"] = generator.integers(0, 895, (12, 8, 6)).astype(np.uint16)
        depths = generator.uniform(1, 5, (12, 8, 6)).astype(np.float32)
        file.create_dataset("depths", data=depths, compression="gzip")
        name = file.create_dataset("#refs#/a", data=np.array([97, 98], np.uint16)).ref
        file["scenes"] = np.array([name] * 12, dtype=h5py.ref_dtype)
    return stream.getvalue()


def image(**options: object) -> bytes:
    stream = io.BytesIO()
    labels = np.arange(20 * 14).reshape(20, 14) % 14
    Image.fromarray(labels.astype(np.uint8)).save(stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.random.default_rng(0).uniform(1, 5, (9, 7)).astype(np.float32))
    return stream.getvalue()


def sound_school(value: object) -> None:
    assert isinstance(value, dict)
    found = School.accept(Variables("school.mat", value))
    assert len(found.inputs) == len(found.targets)
    for X, y in zip(found.inputs, found.targets, strict=True):
        assert len(X) == len(y) >= 2
        assert np.isfinite(X).all()
        assert np.isfinite(y).all()


def sound_official(value: object) -> None:
    assert isinstance(value, dict)
    for item in value["items"]:
        assert (item["image"].dtype, item["label"].dtype, item["depth"].dtype) == (np.uint8, np.int8, np.float32)
        assert item["image"].shape[:2] == item["label"].shape == item["depth"].shape
        assert -1 <= item["label"].min() <= item["label"].max() <= 12
        assert 0 <= item["depth"].min() <= item["depth"].max() <= 100


def sound_label(value: object) -> None:
    assert isinstance(value, np.ndarray)
    assert value.dtype == np.int8
    assert -1 <= value.min() <= value.max() <= 12


def sound_depth(value: object) -> None:
    assert isinstance(value, np.ndarray)
    assert value.dtype == np.float32
    assert not value.size or 0 <= value.min() <= value.max() <= 100


def reading(function: Callable[..., object], *more: str) -> Callable[[Reader, Path], object]:
    return lambda reader, path: reader.ask(function, str(path), *more, about="it")


MATLAB = reading(read_variables, "school.mat", "X", "Y")
ISOLATED: dict[str, tuple[bytes, str, Callable[[Reader, Path], object], Callable[[object], None], int]] = {
    "matlab": (school(False), "school.mat", MATLAB, sound_school, 200),
    "matlab-compressed": (school(True), "school.mat", MATLAB, sound_school, 200),
    "hdf5": (official(), "nyu_depth_v2_labeled.mat", reading(whole_reads.read_official), sound_official, 200),
    "png": (image(format="PNG"), "0001.png", reading(whole_reads.read_png), sound_label, 200),
    "jpeg": (image(format="JPEG"), "0001.jpg", reading(whole_reads.read_png), sound_label, 100),
    "npy": (npy(), "0.npy", reading(whole_reads.read_npy), sound_depth, 200),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader(LIMITS) as reader:  # one for all: a crash starts the next
        yield reader


@pytest.mark.parametrize("kind", ISOLATED)
def test_what_a_process_of_its_own_reads(kind: str, reader: Reader, tmp_path: Path) -> None:
    content, name, read, sound, count = ISOLATED[kind]
    path = tmp_path / name
    savemat(tmp_path / "classMapping40.mat", {"mapClass": np.arange(894) % 40 + 1})
    path.write_bytes(content)
    sound(read(reader, path))
    refused = 0
    for seed in seeds(count):
        path.write_bytes(mutated(content, seed))
        before, start = tree(tmp_path), time.monotonic()
        try:
            sound(read(reader, path))
        except (DataMissing, UsageError) as error:
            sentence(error)
            refused += 1
        assert time.monotonic() - start < 2 * LONGEST, seed  # to be ended after LONGEST on a busy machine
        assert tree(tmp_path) == before, seed
    assert refused > count // 4


# --- readers of our own, in plain Python and numpy ----------------------------------------------

ROWS = {"train": 3, "t10k": 2}


@pytest.fixture
def mnist(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    made = {}
    for name in FILES:
        rows = ROWS[name.partition("-")[0]]
        shape, top = ((rows, 28, 28), 256) if "images" in name else ((rows,), 10)
        made[name] = to_idx(generator.integers(0, top, shape).astype(np.uint8))
    monkeypatch.setattr(files, "ROWS", ROWS)
    monkeypatch.setattr(files, "MD5", {name: hashlib.md5(data).hexdigest() for name, data in made.items()})
    return made


def archive(content: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    images = [np.frombuffer(content[name], np.uint8, offset=16).reshape(-1, 28, 28) for name in FILES[::2]]
    labels = [np.frombuffer(content[name], np.uint8, offset=8) for name in FILES[1::2]]
    np.savez_compressed(stream, x_train=images[0], y_train=labels[0], x_test=images[1], y_test=labels[1])
    return stream.getvalue()


@pytest.mark.parametrize("form", ["idx", "gzip", "keras"])
def test_mnist(form: str, mnist: dict[str, bytes], tmp_path: Path) -> None:
    """The same bytes are kept, or none."""
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    given = {"mnist.npz": archive(mnist)} if form == "keras" else dict(mnist)
    if form == "gzip":
        given = {f"{name}.gz": gzip.compress(data) for name, data in mnist.items()}
    for name, data in given.items():
        (source / name).write_bytes(data)
    names = list(given)
    for seed in seeds(300):
        name = names[seed % len(names)]
        (source / name).write_bytes(mutated(given[name], seed))
        before, start = tree(source), time.monotonic()
        said, *_ = copy_digits(target, source)
        assert time.monotonic() - start < LONGEST, seed
        assert tree(source) == before
        if said.startswith("MNIST: copied"):
            assert {path.name: path.read_bytes() for path in (target / "MNIST" / "raw").iterdir()} == mnist, seed
            shutil.rmtree(target)
        else:
            sentence(DataMissing(said))
            assert not target.exists(), seed
        (source / name).write_bytes(given[name])


def test_what_was_kept_of_a_matlab_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same values, or the file is read again."""
    path, names = tmp_path / "school.mat", ["X", "Y"]
    path.write_bytes(school(True))
    expected = load_variables(path, names)
    keep_variables(path, names, expected.values)
    copy = tmp_path / "school.mat.arrays"
    content, again = copy.read_bytes(), 0
    monkeypatch.setattr(variables, "read_in_process", lambda *_, **__: {"X": "again", "Y": "again"})
    for seed in seeds(300):
        copy.write_bytes(mutated(content, seed))
        found = load_variables(path, names)
        if found.values["X"] == "again":
            again += 1
            continue
        for name in names:
            for mine, theirs in zip(found.cells(name), expected.cells(name), strict=True):
                np.testing.assert_array_equal(mine, theirs)
    assert again > 100


def test_answers_of_a_process() -> None:
    """A value, or a refusal that is foreseen; never more memory than is allowed."""
    content = pack({"a": [np.arange(6.0).reshape(2, 3), "text", None], "b": np.array([True])})
    limit, refused = 1 << 16, 0
    for seed in seeds(1000):
        stream = io.BytesIO(mutated(content, seed))
        asked = []

        def exactly(count: int, stream: io.BytesIO = stream, asked: list[int] = asked) -> bytes:
            asked.append(count)
            if len(found := stream.read(count)) < count:
                raise EOFError
            return found

        try:
            unpack(exactly, limit)
        except (NotAValue, EOFError):
            refused += 1
        _, *header = asked[:2]  # the length of the header, and the header where that is no absurd one
        assert max(header, default=0) <= HEADER, seed
        assert sum(asked[2:]) <= limit, seed
    assert refused


def write_set(folder: Path) -> None:
    generator = np.random.default_rng(0)
    with SetWriter(folder, (3, 4), {"train": 2, "test": 1}, {"source": "fuzz"}) as writer:
        for split, row in writer.missing_rows():
            arrays = {
                field: generator.integers(1, 9, (3, 4, *last)).astype(dtype) for field, (dtype, last) in FIELDS.items()
            }
            writer.put(split, row, arrays)
        writer.finish()


def test_prepared_sets(tmp_path: Path) -> None:
    """The same arrays, or named as damaged."""
    folder = tmp_path / "set"
    write_set(folder)
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    known = DenseSet(folder)
    expected = {(split, field): known.array(split, field).copy() for split in known.rows for field in FIELDS}
    names = sorted(kept)
    for seed in seeds(400):
        name = names[seed % len(names)]
        (folder / name).write_bytes(mutated(kept[name], seed))
        try:
            found = DenseSet(folder)
            if not found.damaged_arrays():
                for (split, field), array in expected.items():
                    np.testing.assert_array_equal(found.array(split, field), array)
        except DataMissing as error:
            sentence(error)
        (folder / name).write_bytes(kept[name])
    assert not DenseSet(folder).damaged_arrays()
