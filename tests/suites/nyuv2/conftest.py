"""Fixtures of the tests of NYUv2."""

import numpy as np
import pytest

from suites._shared.dense.camera import NYUV2
from suites.nyuv2.mat import TO_13
from tests.suites.nyuv2.fakes import COUNT, NORMALS, SIZE, TO_40, Truth


@pytest.fixture(scope="module")
def truth() -> Truth:
    generator = np.random.default_rng(0)
    raw = generator.integers(0, 895, (COUNT, *SIZE)).astype(np.uint16)
    label = np.concatenate([[-1], np.array(TO_13)[TO_40] - 1])[raw].astype(np.int8)
    rays = NYUV2.resize(SIZE).rays()
    depth, normal = np.zeros((COUNT, *SIZE), np.float32), np.zeros((COUNT, *SIZE, 3), np.float32)
    for image in range(COUNT):
        unit = NORMALS[image % len(NORMALS)]
        distance = -1.2 if image % len(NORMALS) == 0 else -2.5
        with np.errstate(divide="ignore"):
            metres = distance / (rays @ unit)
        seen = (metres > 0) & (metres < 6.5)
        depth[image], normal[image] = np.where(seen, metres, 0), np.where(seen[..., None], unit, 0)
    depth[:, :2, :2] = 0
    return Truth(generator.integers(0, 256, (COUNT, *SIZE, 3)).astype(np.uint8), raw, label, depth, normal)
