"""Resampling against means and pixels by hand."""

import numpy as np
import pytest

from suites._shared.dense.resample import resample_area, resample_depth, resample_image, resample_nearest


@pytest.mark.parametrize("size", [(6, 8), (4, 5), (12, 16), (5, 16)])
def test_area_means_by_hand(size: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    values = generator.random((12, 16, 3))
    fine = values.repeat(size[0], 0).repeat(size[1], 1)  # every new pixel is then a block of 12 x 16
    expected = fine.reshape(size[0], 12, size[1], 16, 3).mean((1, 3))
    np.testing.assert_allclose(resample_area(values, size), expected, atol=1e-12)
    image = (values * 255).astype(np.uint8)
    assert resample_image(image, (12, 16)) is image


def test_nearest_reads_at_the_centres() -> None:
    values = np.arange(12)[:, None] * 100 + np.arange(16)
    found = resample_nearest(values, (5, 4))
    rows, columns = (np.arange(5) + 0.5) * 12 / 5, (np.arange(4) + 0.5) * 4
    np.testing.assert_array_equal(found, np.floor(rows)[:, None] * 100 + np.floor(columns))


def test_depth_looks_inside_the_pixel_only() -> None:
    depth = np.zeros((8, 8))
    depth[1, 1] = 3.0  # inside the first pixel of 2 x 2, not at its centre (2, 2)
    depth[3, 4] = 5.0  # inside the second
    found = resample_depth(depth, (2, 2))
    np.testing.assert_array_equal(found, [[3, 5], [0, 0]])
    depth[0, 0], depth[1, 1], depth[4, 2] = 2.0, 0.0, 9.0  # the corner inside counts, the closer one outside does not
    np.testing.assert_array_equal(resample_depth(depth, (2, 2)), [[2, 5], [9, 0]])
    assert found.dtype == np.float32
