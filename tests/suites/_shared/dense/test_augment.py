"""Crops and flips keep image, depth and normals those of one scene."""

import numpy as np
import pytest
import torch

from suites._shared.dense.augment import Crops, Decode
from suites._shared.dense.camera import NYUV2, Camera
from suites._shared.dense.classes import CLASSES

C = len(CLASSES)

CAMERA = NYUV2.resize((96, 128))

PLANES = {  # n . P = h, facing the camera
    "wall": ((0.0, 0.0, -1.0), -3.0),
    "floor": ((0.0, 1.0, -0.2), -1.6),
    "side": ((-0.8, 0.1, -0.5), -2.5),
    "slanted": ((0.4, 0.5, -0.7), -2.0),
}


def plane(normal: np.ndarray, offset: float, camera: Camera) -> np.ndarray:
    """Depth (h, w) of the plane normal . P = offset; 0 where it is behind the camera."""
    along = camera.rays() @ normal
    with np.errstate(divide="ignore"):
        depth = offset / along
    return np.where((depth > 0) & (depth < 50), depth, 0.0)


def crops(s: float, left: float, top: float, flip: bool) -> Crops:
    return Crops(torch.tensor([s]), torch.tensor([left]), torch.tensor([top]), torch.tensor([flip]))


@pytest.mark.parametrize("name", PLANES)
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("s", "left", "top"), [(1.0, 0, 0), (1.2, 0, 15), (1.2, 20, 3), (1.5, 42, 32), (1.5, 10, 0)])
def test_a_crop_shows_the_transformed_scene(name: str, s: float, left: float, top: float, flip: bool) -> None:
    direction, offset = PLANES[name]
    n = np.array(direction) / np.linalg.norm(direction)
    depth = plane(n, offset, CAMERA)
    normal = torch.from_numpy(np.where(depth > 0, 1.0, 0.0)[None, None] * n.reshape(1, 3, 1, 1))
    pixels = torch.zeros(1, 3, *CAMERA.size, dtype=torch.float64)
    label = torch.zeros(1, *CAMERA.size, dtype=torch.int64)
    _, _, found, turned = Decode(CAMERA, "consistent", "normals").apply(
        crops(s, left, top, flip), pixels, label, torch.from_numpy(depth)[None, None], normal
    )
    assert turned is not None
    # The same, re-derived: the plane as the map M moves it, seen by the same camera (mirrored where flipped).
    cx, cy = CAMERA.cx + 0.5, CAMERA.cy + 0.5
    M = np.array([[1, 0, (cx - left - cx / s) / CAMERA.fx], [0, 1, (cy / s - cy + top) / CAMERA.fy], [0, 0, 1 / s]])
    moved = np.linalg.inv(M).T @ n
    expected = plane(moved, offset, CAMERA)
    unit = moved / np.linalg.norm(moved)
    if flip:
        expected, unit = expected[:, ::-1], unit * (-1, 1, 1)
    both = (found[0, 0].numpy() > 0) & (expected > 0)
    assert both.sum() > 200
    # The nearest pixel is at most half a source pixel away: disparity, linear in pixels on a plane, bounds the error.
    along = np.abs(n / offset / (CAMERA.fx, CAMERA.fy, 1))[:2].sum() * 0.51
    gap = np.abs(1 / (found[0, 0].numpy()[both] * s) - 1 / (expected[both] * s))
    assert gap.max() <= along + 1e-6
    valid = (turned[0] != 0).any(dim=0).numpy()
    assert np.abs(turned[0].movedim(0, -1).numpy()[valid] - unit).max() < 1e-5


def test_nothing_happens_at_scale_one() -> None:
    g = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (2, 3, 24, 32), generator=g, dtype=torch.uint8)
    depth = torch.rand(2, 1, 24, 32, generator=g)
    label = torch.randint(-1, C, (2, 24, 32), generator=g)
    decode = Decode(NYUV2.resize((24, 32)), "consistent", None)
    pixels, targets = decode(image, {"segmentation": label, "depth": depth}, None)
    same = Crops(torch.ones(2), torch.zeros(2), torch.zeros(2), torch.zeros(2, dtype=torch.bool))
    again, moved, far, _ = decode.apply(same, pixels, targets["segmentation"], targets["depth"], None)
    assert torch.allclose(again, pixels, atol=1e-5)
    assert torch.equal(moved, label)
    assert torch.equal(far, depth)


def test_the_published_form_leaves_normals_as_they_are_under_a_crop() -> None:
    n = torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, *CAMERA.size)
    depth = torch.ones(1, 1, *CAMERA.size, dtype=torch.float64)
    label = torch.zeros(1, *CAMERA.size, dtype=torch.int64)
    pixels = torch.zeros(1, 3, *CAMERA.size, dtype=torch.float64)
    for flip, expected in ((False, 0.6), (True, -0.6)):
        _, _, far, turned = Decode(CAMERA, "mtan", "normals").apply(crops(1.5, 0, 0, flip), pixels, label, depth, n)
        assert turned is not None
        assert torch.allclose(turned[0, 0], torch.tensor(expected, dtype=torch.float64))
        assert torch.allclose(far, torch.tensor(1 / 1.5, dtype=torch.float64))


def test_crops_are_drawn_inside_the_image_and_from_the_generator_alone() -> None:
    first, again = (Crops.draw(4000, (72, 96), torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(vars(first).values(), vars(again).values(), strict=True))
    assert set(first.scale.tolist()) == {np.float32(s).item() for s in (1.0, 1.2, 1.5)}
    assert (first.top >= 0).all()
    assert (first.top + 72 / first.scale <= 72 + 1e-3).all()
    assert (first.left + 96 / first.scale <= 96 + 1e-3).all()
    assert (first.left[first.scale > 1.4].max(), first.top[first.scale > 1.4].max()) == (32, 24)
    assert 0.45 < first.flip.float().mean() < 0.55
