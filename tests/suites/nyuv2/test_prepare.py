"""From a copy to a prepared set."""

from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.errors import DataMissing
from suites._shared.dense.camera import NYUV2
from suites._shared.dense.sets import DenseSet
from suites.nyuv2.prepare import convert_copy
from suites.nyuv2.recognise import recognise
from tests.suites.nyuv2.fakes import ROWS, SIZE, WRITERS, Truth, run, write_mtan, write_tree


@pytest.mark.parametrize("kind", WRITERS)
def test_preparing_writes_the_set(kind: str, truth: Truth, tmp_path: Path) -> None:
    name, write, tolerance = WRITERS[kind]
    said = run(write(tmp_path / "copy", truth), tmp_path / "set", SIZE)
    made = DenseSet(tmp_path / "set")
    assert (made.size, made.rows, made.header["source"]) == (SIZE, ROWS, name)
    measured = kind in ("mtan-normals", "seg13", "seg13-official", "parts")
    assert made.header["normals"] == ("measured" if measured else "pseudo")
    assert made.header["camera"]["fx"] == NYUV2.resize(SIZE).fx
    assert f"{name} layout, 9 of 795 train and 3 of 654 test images of 36x48" in said[0]
    assert "9 train and 3 test images of 36x48, a partial copy" in said[-1]
    assert not made.damaged_arrays()
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


def test_normals_that_the_copy_does_not_have_are_refused_at_once(truth: Truth, tmp_path: Path) -> None:
    copy = write_mtan(tmp_path / "copy", truth)
    with pytest.raises(DataMissing, match="has no normals of its own"):
        list(convert_copy(tmp_path / "set", copy, (18, 24), measured=True, open_copy=recognise))


def test_a_copy_with_measured_normals_is_ready_under_their_name(
    truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, data = write_mtan(tmp_path / "copy", truth, normals=True), str(tmp_path / "data")
    assert main(["data", "prepare", "nyuv2", "--source", str(copy), "--size", "24x32", "--data-dir", data]) == 0
    said = capsys.readouterr()
    assert "24x32 ready" in said.out
    assert "`nyuv2:normals=measured,size=24x32`" in said.err
    assert main(["data", "info", "nyuv2:normals=measured,size=24x32", "--data-dir", data]) == 0


def test_an_interrupted_preparation_goes_on(truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = write_mtan(tmp_path / "copy", truth)
    run(copy, tmp_path / "whole")
    monkeypatch.setattr("suites.nyuv2.prepare.EVERY", 0.0)
    steps = convert_copy(tmp_path / "set", copy, (18, 24), open_copy=recognise)
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
    steps = convert_copy(tmp_path / "set", tree, (18, 24), open_copy=recognise)
    for _ in range(3):
        next(steps, None)
    steps.close()  # type: ignore[attr-defined]
    said = run(write_mtan(tmp_path / "copy", truth), tmp_path / "set")
    assert not any("going on" in line for line in said)
    assert DenseSet(tmp_path / "set").header["source"] == "mtan"
