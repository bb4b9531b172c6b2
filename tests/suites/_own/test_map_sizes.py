"""Maps at another size: numbers are means over what is valid, classes are picked, and what is missing stays missing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.planning.plan import parse_suite
from suites._own.pictures import average_valid, resize_picture
from tests.suites._own.small_images import IMAGES, import_rooms

EVERY = np.ones((12, 16), dtype=bool)


def make_weights(old: int, new: int) -> np.ndarray:
    """(new, old) weights of bilinear resizing: a triangle over `max(1, old / new)` pixels to both sides, of sum 1."""
    reach = max(1.0, old / new)
    centre = (np.arange(new) + 0.5) * old / new
    weights = np.clip(1 - np.abs((np.arange(old) + 0.5)[None] - centre[:, None]) / reach, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (24, 40), (12, 16)])
def test_numbers_are_means_over_valid_pixels(size: tuple[int, int]) -> None:
    """By two matrices of weights, A x B' over A m B', an independent reference."""
    draw = np.random.default_rng(0)
    values, valid = draw.normal(5, 2, (12, 16)), draw.random((12, 16)) < 0.7
    a, b = make_weights(12, size[0]), make_weights(16, size[1])
    share = a @ valid @ b.T
    clear = abs(share - 0.5) > 1e-6
    numbers, kept = average_valid(np.where(valid, values, np.nan), valid, size)
    assert np.array_equal(kept[clear], (share >= 0.5)[clear])
    expected = (a @ np.where(valid, values, 0) @ b.T)[kept] / share[kept]
    np.testing.assert_allclose(numbers[kept], expected, rtol=2e-5)


def test_what_is_missing_neither_leaks_nor_shrinks() -> None:
    valid = EVERY.copy()
    valid[:, :8] = False
    for empty in (np.nan, 0.0, 1e30):
        numbers, kept = average_valid(np.where(valid, 7.0, empty), valid, (6, 8))
        assert kept[:, :4].sum() == 0
        assert kept[:, 4:].all()
        np.testing.assert_allclose(numbers[kept], 7.0, rtol=1e-6)
    assert not average_valid(np.full((12, 16), 7.0), ~EVERY, (3, 4))[1].any()


def test_maps_of_a_folder_are_averaged_and_classes_picked(rooms: Path, data: Path) -> None:
    """Depth 1000 beside 3000 becomes 2 at the border, after --scale; classes 0 beside 2 never become 1."""
    depth = np.full((20, 24), 1000, dtype=np.uint16)
    depth[:, 12:], depth[:5] = 3000, 0
    classes = np.where(np.arange(24) < 12, 0, 2).astype(np.uint8)[None].repeat(20, axis=0)
    for n in range(IMAGES):
        Image.fromarray(depth).save(rooms / "depth" / f"r{n}.png")
        Image.fromarray(np.where(n == 0, 1, classes).astype(np.uint8)).save(rooms / "segmentation" / f"r{n}.png")
        normals = np.broadcast_to(np.where(np.arange(24)[None, :, None] < 12, [1.0, 0, 0], [0, 1.0, 0]), (20, 24, 3))
        np.save(rooms / "normals" / f"r{n}.npy", normals)
    assert import_rooms(rooms, "--size", "20x3") == 0
    rows = parse_suite("mine", data)[1].dataset("train", 0)
    map_of_depth = rows.targets["depth"][0, 0].numpy()
    assert (map_of_depth[:5] == 0).all()
    np.testing.assert_allclose(map_of_depth[5:], np.tile([1.0, 2.0, 3.0], (15, 1)), rtol=0.07)
    np.testing.assert_allclose(map_of_depth[5:, 1], 2.0, rtol=1e-6)  # as many pixels of each to its sides
    assert set(np.unique(rows.targets["segmentation"].numpy())) <= {0, 1, 2}
    lengths = rows.targets["normals"].norm(dim=1)
    np.testing.assert_allclose(lengths.numpy(), 1.0, rtol=1e-6)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(rows.targets["normals"][0, :, 3, 1].numpy(), [half, half, 0], rtol=1e-5)


def test_classes_take_the_nearest_pixel() -> None:
    classes = np.arange(12 * 16).reshape(12, 16)
    assert np.array_equal(resize_picture(classes, (4, 4), smooth=False), classes[1::3, 2::4])
