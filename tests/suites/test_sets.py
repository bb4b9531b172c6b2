"""Prepared sets that something happened to: two writers, cut files, damaged headers, full disks, changed bytes."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.errors import DataMissing
from bench.planning.plan import parse_suite, plan
from suites.dense import writer as writing
from suites.dense.sets import DenseSet
from suites.dense.writer import SetWriter, pack_normals

ROOT = Path(__file__).parents[2]
SIZE, ROWS = (24, 32), {"train": 24, "test": 3}
SUITE = "scenes:size=24x32,test=3,train=24"


def image(number: int) -> dict[str, np.ndarray]:
    return {
        "image": np.full((*SIZE, 3), number, np.uint8),
        "label": np.full(SIZE, number % 13, np.int8),
        "depth": np.full(SIZE, 1 + number, np.float32),
        "normal": pack_normals(np.broadcast_to([0.0, 0.0, -1.0], (*SIZE, 3))),
    }


def fill(writer: SetWriter, most: int = 100) -> None:
    for split, row in writer.missing()[:most]:
        writer.put(split, row, image(row))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a small set of `scenes`."""
    with SetWriter(folder(tmp_path), SIZE, ROWS, {"normals": "exact"}) as writer:
        fill(writer)
        writer.finish()
    return tmp_path


def folder(root: Path) -> Path:
    _, suite = parse_suite(SUITE, root)
    return suite.folder  # type: ignore[attr-defined, no-any-return]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
        fill(writer, 5)
        with pytest.raises(DataMissing, match="Another `mtlbench data prepare` is writing"):
            SetWriter(tmp_path / "set", SIZE, ROWS, {"another": 1})
        fill(writer)
        assert not writer.finish().damaged()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


DIES_WHILE_WRITING = """
import os, sys
from tests.suites.test_sets import ROWS, SIZE, SetWriter, Path, fill
writer = SetWriter(Path(sys.argv[1]), SIZE, ROWS, {})
fill(writer, 5)
writer.flush()
fill(writer, 3)
os._exit(9)
"""


def test_a_writer_that_died_leaves_its_flushed_rows_and_no_lock(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, tmp_path / "set"], cwd=ROOT)
    assert died.returncode == 9
    with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
        assert len(writer.missing()) == 27 - 5
        fill(writer)
        assert not writer.finish().damaged()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


@pytest.mark.parametrize("spoil", [cut, Path.unlink, lambda path: np.save(path, np.zeros(3))])
def test_leftovers_that_changed_are_not_gone_on_with(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
        fill(writer, 5)
    spoil(tmp_path / ".set.partial" / "train" / "depth.npy")
    with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
        assert len(writer.missing()) == 27
        writer.abandon()
    assert not list(tmp_path.iterdir())


def test_a_set_that_does_not_fit_is_refused_before_it_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 0, 1000))
    with pytest.raises(DataMissing, match=r"needs 0 MiB in .*, which has 0 MiB free"):
        SetWriter(tmp_path / "set", SIZE, ROWS, {})
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_meanwhile_ends_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.os, "posix_fallocate", full)
    with pytest.raises(DataMissing, match="The set needs"):
        SetWriter(tmp_path / "set", SIZE, ROWS, {})
    assert not list(tmp_path.iterdir())


def test_space_is_reserved(tmp_path: Path) -> None:
    with SetWriter(tmp_path / "set", (60, 80), ROWS, {}):
        image = (tmp_path / ".set.partial" / "train" / "image.npy").stat()
    assert image.st_blocks * 512 >= image.st_size


@pytest.mark.parametrize("field", ["label", "depth", "normal"])
def test_a_split_with_nothing_valid_is_refused(tmp_path: Path, field: str) -> None:
    def write() -> None:
        with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
            for split, row in writer.missing():
                arrays = image(row)
                if split == "test":
                    arrays[field] = np.full_like(arrays[field], writing.WHOLLY_INVALID[field])
                writer.put(split, row, arrays)
            writer.finish()

    with pytest.raises(DataMissing, match=f"Every {field} of the test images is invalid"):
        write()
    assert not list(tmp_path.iterdir())


HEADERS: dict[str, Callable[[dict], object]] = {  # type: ignore[type-arg]
    "no object": lambda header: [header],
    "no rows": lambda header: {k: v for k, v in header.items() if k != "rows"},
    "rows of text": lambda header: header | {"rows": {"train": "24", "test": 3}},
    "negative rows": lambda header: header | {"rows": {"train": -24, "test": 3}},
    "one side": lambda header: header | {"size": [6]},
    "no format": lambda header: header | {"format": None},
    "checksums": lambda header: header | {"sha256": 3},
}


@pytest.mark.parametrize("suite", ["scenes", "nyuv2"])
@pytest.mark.parametrize("header", [*HEADERS, "not json", "no array", "impossible"])
def test_a_damaged_set_is_named_and_replaced(
    data: Path, header: str, suite: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(data)
    if suite == "nyuv2":
        where = (data / "nyuv2" / "72x96").absolute()
        where.parent.mkdir()
        shutil.move(folder(data), where)
    path = where / "set.json"
    content = json.loads(path.read_text())
    if header == "not json":
        path.write_text("{")
    elif header == "no array":
        (where / "train" / "depth.npy").unlink()
    elif header == "impossible":
        path.write_text(json.dumps(content | {"rows": {"train": 10_000_000, "test": 3}}))
    else:
        path.write_text(json.dumps(HEADERS[header](content)))
    assert main(["data", "list", "--data-dir", str(data)]) == 0
    assert f"{where.name} damaged (" in capsys.readouterr().out
    name = SUITE if suite == "scenes" else suite
    assert main(["run", name, "hard", "--data-dir", str(data), "--store", str(data / "s")]) == 1
    assert "prepare" in capsys.readouterr().err
    if suite == "scenes" and header == "not json":  # rendering takes seconds
        assert main(["data", "prepare", SUITE, "--data-dir", str(data)]) == 0
        assert "ready" in capsys.readouterr().out


def test_bytes_that_changed_are_not_trained_on(data: Path) -> None:
    plan(SUITE, ["hard"], [0], device="cpu", data_dir=data)
    array = np.load(folder(data) / "train" / "label.npy", mmap_mode="r+")
    array[0, 0, 0] += 1
    array.flush()
    with pytest.raises(DataMissing, match=r"damaged \(train.label\)"):
        plan(SUITE, ["hard"], [0], device="cpu", data_dir=data)


def test_every_prepared_set_is_listed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--data-dir", str(data)]) == 0
    assert f"{folder(data).name} ready" in capsys.readouterr().out
    assert DenseSet(folder(data)).rows == ROWS


@pytest.mark.parametrize("suite", [SUITE, "synthetic"])
def test_a_source_that_would_be_ignored_is_refused(
    suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "prepare", suite, "--source", str(tmp_path), "--data-dir", str(tmp_path / "data")]) == 2
    assert "`--source` should be left out" in capsys.readouterr().err


def test_an_interruption_says_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("suites.scenes.generate.write_set", interrupted)
    assert main(["data", "prepare", SUITE, "--data-dir", str(tmp_path)]) == 130
    assert "what was prepared is kept" in capsys.readouterr().err
