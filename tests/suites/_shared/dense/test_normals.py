"""Normals from depth, on surfaces whose normals are known."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from suites._shared.dense.camera import NYUV2, Camera
from suites._shared.dense.normals import normals_from_depth, resample_normals

CAMERA = NYUV2.resize((72, 96))

LARGE = NYUV2.resize((288, 384))


def degrees(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Angle between unit vectors, exact for small ones where arccos is not."""
    sine = np.linalg.norm(np.cross(found.astype(float), truth), axis=-1)
    return np.degrees(np.arctan2(sine, (found * truth).sum(-1)))


def plane(camera: Camera, normal: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Depth of the plane through `point`; 0 where it is not in front of the camera."""
    with np.errstate(divide="ignore"):
        depth = (normal @ point) / (camera.rays() @ normal)
    return np.where((depth > 0.1) & (depth < 100), depth, 0.0)


def facing(generator: np.random.Generator, point: np.ndarray, least: float = 0.3) -> np.ndarray:
    """A random unit normal that looks from `point` at the camera."""
    while True:
        normal = generator.normal(size=3)
        normal /= np.linalg.norm(normal)
        if normal @ point < -least * np.linalg.norm(point):
            return normal


def sphere(camera: Camera, centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Depth and normals of a sphere, 0 beside it."""
    rays = camera.rays()
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - radius**2
    inside = b * b - a * c
    depth = np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / a, 0.0)
    return depth, (rays * depth[..., None] - centre) / radius


@pytest.mark.parametrize("seed", range(12))
def test_a_plane_of_any_orientation_is_exact(seed: int) -> None:
    generator = np.random.default_rng(seed)
    point = np.array([0.0, 0.0, generator.uniform(0.8, 6)])
    normal = facing(generator, point)
    depth = plane(CAMERA, normal, point)
    found = normals_from_depth(depth, CAMERA)
    valid = found.any(-1)
    assert valid[36, 48]
    assert degrees(found, normal)[valid].max() < 1e-3
    cosine = -(CAMERA.rays() @ normal) / np.linalg.norm(CAMERA.rays(), axis=-1)
    assert valid[(depth > 0) & (cosine > 0.2) & (depth < 20)].mean() > 0.98


def test_normals_are_unit_or_zero_and_look_at_the_camera() -> None:
    generator = np.random.default_rng(0)
    depth = np.where(generator.random(CAMERA.size) < 0.1, 0, 2 + generator.normal(0, 0.02, CAMERA.size))
    found = normals_from_depth(depth, CAMERA)
    assert found.dtype == np.float32
    assert found.shape == (72, 96, 3)
    valid = found.any(-1)
    np.testing.assert_allclose(np.linalg.norm(found[valid], axis=-1), 1, atol=1e-6)
    assert ((found * CAMERA.rays())[valid].sum(-1) < 0).all()
    assert not valid[depth == 0].any()


def test_floor_is_up_and_the_left_wall_looks_right() -> None:
    rays = CAMERA.rays()
    floor = plane(CAMERA, np.array([0.0, 1, 0]), np.array([0, -1.2, 0]))
    found = normals_from_depth(floor, CAMERA)
    np.testing.assert_allclose(found[70, 48], [0, 1, 0], atol=1e-6)
    assert not found[rays[..., 1] > 0].any()
    wall = plane(CAMERA, np.array([1.0, 0, 0]), np.array([-1.0, 0, 0]))
    np.testing.assert_allclose(normals_from_depth(wall, CAMERA)[36, 2], [1, 0, 0], atol=1e-6)


def test_two_walls_keep_their_normals_up_to_the_edge() -> None:
    walls = np.array([[0.8, 0, -0.6], [-0.6, 0, -0.8]])
    corner = np.array([0.0, 0, 3])
    depths = np.stack([plane(CAMERA, wall, corner) for wall in walls])
    depths[depths == 0] = np.inf
    depth, side = depths.min(0), depths.argmin(0)
    found = normals_from_depth(depth, CAMERA, 7)
    angle = degrees(found, walls[side])
    edge = binary_dilation(np.diff(side, axis=1, prepend=side[:, :1]) != 0, iterations=6)
    assert angle[~edge].max() < 0.5
    near = binary_dilation(np.diff(side, axis=1, prepend=side[:, :1]) != 0, iterations=2)
    assert np.median(angle[near]) < 25  # one window across the edge gives 45


def test_a_step_in_depth_bends_nothing() -> None:
    depth = np.where(np.arange(96) < 48, 2.0, 3.0) * np.ones((72, 1))
    found = normals_from_depth(depth, CAMERA)
    valid = found.any(-1)
    assert valid.mean() > 0.95
    assert degrees(found, np.array([0.0, 0, -1]))[valid].max() < 1


def test_a_sphere() -> None:
    depth, truth = sphere(LARGE, np.array([0.2, -0.1, 2.5]), 0.8)
    angle = degrees(normals_from_depth(depth, LARGE), truth)
    inner = (depth > 0) & ((truth * LARGE.rays()).sum(-1) < -0.6 * np.linalg.norm(LARGE.rays(), axis=-1))
    assert angle[inner].max() < 2
    assert np.median(angle[inner]) < 0.5


def test_scale_of_the_scene_changes_nothing() -> None:
    depth, _ = sphere(CAMERA, np.array([0.0, 0, 2.0]), 0.7)
    wall = np.where(depth > 0, depth, 3.0)
    np.testing.assert_allclose(normals_from_depth(wall, CAMERA), normals_from_depth(4 * wall, CAMERA), atol=1e-6)


def test_invalid_pixels_are_left_out_and_little_is_not_enough() -> None:
    generator = np.random.default_rng(1)
    point = np.array([0.0, 0, 2])
    normal = facing(generator, point)
    depth = plane(CAMERA, normal, point)
    holes = generator.random(CAMERA.size) < 0.4
    depth[holes] = 0
    found = normals_from_depth(depth, CAMERA, 9)
    valid = found.any(-1)
    assert not valid[holes].any()
    assert valid[~holes].mean() > 0.95
    assert degrees(found, normal)[valid].max() < 1e-3
    line = np.zeros(CAMERA.size)
    line[36] = 2.0
    assert not normals_from_depth(line, CAMERA, 9).any()
    assert not normals_from_depth(np.zeros(CAMERA.size), CAMERA).any()


def test_grazing_and_rough_surfaces_are_invalid() -> None:
    ray = CAMERA.rays()[36, 48] / np.linalg.norm(CAMERA.rays()[36, 48])
    normal = np.array([1.0, 0, 0]) - 0.04 * ray
    grazing = plane(CAMERA, normal / np.linalg.norm(normal), ray * 2)
    assert not normals_from_depth(grazing, CAMERA)[36, 48].any()
    rough = 2 + np.random.default_rng(0).choice([-0.4, 0.4], CAMERA.size)
    assert normals_from_depth(rough, CAMERA, 9).any(-1).mean() < 0.05


@pytest.mark.parametrize(("kind", "window", "median"), [("sensor", None, 1.5), ("bytes", 21, 1.5)])
def test_noise(kind: str, window: int | None, median: float) -> None:
    """Walls as a structured-light camera sees them (steps in 1/Z) and in steps of 10 m / 255."""
    angles = []
    for seed in range(4):
        generator = np.random.default_rng(seed)
        point = np.array([0.0, 0, generator.uniform(1.5, 3)])
        normal = facing(generator, point, 0.6)
        depth = plane(LARGE, normal, point)
        depth[depth > 5] = 0
        if kind == "sensor":
            with np.errstate(divide="ignore"):
                steps = np.rint(351.3 / depth + generator.normal(0, 0.5, depth.shape))  # eighths of a pixel
            depth = np.where(depth > 0, 351.3 / steps, 0)
        else:
            depth = np.rint(depth * 25.5) / 25.5
        found = normals_from_depth(depth, LARGE, window)
        angles.append(degrees(found, normal)[found.any(-1)])
    assert np.median(np.concatenate(angles)) < median


def test_bad_arguments_are_told() -> None:
    with pytest.raises(ValueError, match=r"camera's size \(72, 96\). Found \(10, 10\)"):
        normals_from_depth(np.ones((10, 10)), CAMERA)
    with pytest.raises(ValueError, match=r"odd and at least 3\. Found `window = 4`"):
        normals_from_depth(np.ones((72, 96)), CAMERA, 4)


def test_resampled_normals_are_means_and_unit() -> None:
    normals = np.zeros((4, 4, 3), dtype=np.float32)
    normals[:2, :2] = [0, 0, -1]
    normals[:2, 2:] = [[1, 0, 0], [0, 1, 0]]
    normals[2:, 0] = [0, 0, -1]  # half of the pixel
    normals[2, 2] = [0, 0, -1]  # a quarter
    found = resample_normals(normals, (2, 2))
    np.testing.assert_allclose(found[0], [[0, 0, -1], [0.5**0.5, 0.5**0.5, 0]], atol=1e-6)
    np.testing.assert_allclose(found[1], [[0, 0, -1], [0, 0, 0]], atol=1e-6)
    normals[0, 0], normals[1, 0] = [0, 0, 1], [0, 0, 1]
    assert not resample_normals(normals, (2, 2))[0, 0].any()  # opposite ones cancel
    np.testing.assert_allclose(resample_normals(normals, (4, 4)), normals, atol=1e-6)
