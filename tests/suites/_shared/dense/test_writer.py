"""Prepared sets are written whole or not at all, by one process at a time."""

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import DataMissing
from suites._shared.dense import writer as writing
from suites._shared.dense.sets import UNIT
from suites._shared.dense.writer import SetWriter, pack_normals
from tests.suites._shared.dense.small_set import ROOT, ROWS, SIZE, fill, image


def test_normals_survive_packing() -> None:
    n = torch.nn.functional.normalize(torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)), dim=1).numpy()
    back = pack_normals(n).astype(float) / UNIT
    angle = np.degrees(np.arctan2(np.linalg.norm(np.cross(n, back), axis=1), (n * back).sum(axis=1)))
    assert angle.max() < 0.003
    assert (pack_normals(np.zeros(3)) == 0).all()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
        fill(writer, 5)
        with pytest.raises(DataMissing, match="Another `mtlbench data prepare` is writing"):
            SetWriter(tmp_path / "set", SIZE, ROWS, {"another": 1})
        fill(writer)
        assert not writer.finish().damaged_arrays()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


DIES_WHILE_WRITING = """
import os, sys
from tests.suites._shared.dense.small_set import ROWS, SIZE, SetWriter, Path, fill
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
        assert len(writer.missing_rows()) == 27 - 5
        fill(writer)
        assert not writer.finish().damaged_arrays()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


@pytest.mark.parametrize("spoil", [cut, Path.unlink, lambda path: np.save(path, np.zeros(3))])
def test_leftovers_that_changed_are_not_gone_on_with(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
        fill(writer, 5)
    spoil(tmp_path / ".set.partial" / "train" / "depth.npy")
    with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
        assert len(writer.missing_rows()) == 27
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
            for split, row in writer.missing_rows():
                arrays = image(row)
                if split == "test":
                    arrays[field] = np.full_like(arrays[field], writing.WHOLLY_INVALID[field])
                writer.put(split, row, arrays)
            writer.finish()

    with pytest.raises(DataMissing, match=f"Every {field} of the test images is invalid"):
        write()
    assert not list(tmp_path.iterdir())
