"""The official split and the validation part."""

from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataMissing
from suites._shared.dense.classes import CLASSES
from suites.nyuv2.mat import TO_13
from suites.nyuv2.splits import IMAGES, check_scenes, official_images, training_runs, validation_rows
from tests.suites.nyuv2.fakes import Truth, run, write_mat


def test_scenes_on_two_sides_are_refused(truth: Truth, tmp_path: Path) -> None:
    said = run(write_mat(tmp_path / "copy", truth), tmp_path / "set")
    assert any("scenes: " in line and "none on two sides" in line for line in said)
    assert "4 in test" in check_scenes([f"a{row}" for row in range(795)], ["b", "c", "d", "e"])
    held = int(validation_rows()[0])
    names = [f"a{row}" for row in range(795)]
    names[held] = names[held - 1]
    with pytest.raises(DataMissing, match=f"`a{held - 1}` should be on one side .* validation and in training"):
        check_scenes(names, ["b"])


def test_the_official_split() -> None:
    train, test = official_images("train"), official_images("test")
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
    images = official_images("train")
    sides = np.isin(np.arange(795), held)
    for first, length in training_runs():
        inside = sides[(images >= first) & (images < first + length)]
        assert inside.all() or not inside.any()
    np.testing.assert_array_equal(validation_rows(60), held[held < 60])
    assert validation_rows(40).tolist() == list(range(29, 40))  # has none of them: its last run
    assert validation_rows(6).size == 0  # one run
