"""Every form of NYUv2 as a small fake, read back to equal truth."""

from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataMissing
from suites.nyuv2.recognise import recognise
from tests.suites.nyuv2.fakes import ROWS, SIZE, WRITERS, Truth


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


def test_nothing_known_is_said_to_be_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="none of these is there"):
        recognise(tmp_path)
