"""The axes of measured normals are found from depth."""

from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataMissing
from suites._shared.dense.sets import DenseSet
from suites.nyuv2 import orientation
from suites.nyuv2.recognise import recognise
from tests.suites.nyuv2.fakes import SIZE, Truth, run, write_mtan


@pytest.mark.parametrize("signs", [(1, 1, 1), (1, 1, -1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_signs_of_measured_normals_are_found(signs: tuple[int, int, int], truth: Truth, tmp_path: Path) -> None:
    root = write_mtan(tmp_path / "copy", truth, normals=True)
    for path in root.glob("*/normal/*.npy"):
        np.save(path, np.load(path) * signs)
    chosen, sentence = orientation.find_signs(recognise(root))
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
