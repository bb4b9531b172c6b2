"""Exact truth of rendered rooms: depth, normals and labels agree with the triangles."""

import numpy as np
import pytest

from suites._shared.dense.camera import NYUV2
from tests.suites.scenes.seen_rooms import SIZE, view


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between unit vectors."""
    return np.degrees(np.arccos(np.clip((a * b).sum(axis=-1), -1, 1)))


def test_normals_agree_with_the_planes_of_the_depth() -> None:
    for number in range(6):
        _, _, clean = view(number)
        points = NYUV2.resize(SIZE).rays() * clean.depth[..., None]
        right, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
        found = np.cross(right, down)
        found /= np.linalg.norm(found, axis=-1, keepdims=True)
        middle = points[1:-1, 1:-1]
        found *= -np.sign((found * middle).sum(axis=-1, keepdims=True))
        # away from edges 1 / depth is linear on a plane
        inverse = 1 / clean.depth
        bend = np.maximum(
            np.abs(inverse[1:-1, 2:] + inverse[1:-1, :-2] - 2 * inverse[1:-1, 1:-1]),
            np.abs(inverse[2:, 1:-1] + inverse[:-2, 1:-1] - 2 * inverse[1:-1, 1:-1]),
        )
        inner = bend < 1e-3 * inverse[1:-1, 1:-1]
        error = angle(found, clean.normal[1:-1, 1:-1])[inner]
        assert inner.mean() > 0.5
        assert np.median(error) < 0.2
        assert np.percentile(error, 90) < 1.5
        assert ((clean.normal[1:-1, 1:-1] * middle).sum(axis=-1) < 0).all()


def test_a_change_of_label_is_an_edge_of_the_geometry() -> None:
    changes = flat = 0
    for number in range(8):
        _, _, clean = view(number)
        points = NYUV2.resize(SIZE).rays() * clean.depth[..., None]
        for here, there in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
            step = np.abs(((points[here] - points[there]) * clean.normal[there]).sum(axis=-1))
            geometry = (step > 2e-3) | (angle(clean.normal[here], clean.normal[there]) > 3)
            change = clean.label[here] != clean.label[there]
            assert (clean.thing[here] != clean.thing[there])[change].all()
            changes, flat = changes + int(change.sum()), flat + int((change & ~geometry).sum())
    assert changes > 3000
    assert flat < 0.005 * changes


def test_depth_is_where_the_rays_meet_the_triangles() -> None:
    """Against a plain search over all triangles, solved as linear systems."""
    generator = np.random.default_rng(0)
    for number in range(3):
        scene, seen, clean = view(number)
        corners = scene.mesh.vertices[scene.mesh.faces]
        edges = np.stack([corners[:, 0] - corners[:, 1], corners[:, 0] - corners[:, 2]], axis=-1)
        start = corners[:, 0] - seen.place
        rays = seen.directions(NYUV2.resize(SIZE).rays()).reshape(*SIZE, 3)
        for row, column in generator.integers(0, SIZE, (12, 2)):
            ray = np.broadcast_to(rays[row, column][None, :, None], (*edges.shape[:2], 1))
            system = np.concatenate([edges, ray], axis=-1)
            proper = np.abs(np.linalg.det(system)) > 1e-12
            u, v, t = np.linalg.solve(system[proper], start[proper][..., None])[..., 0].T
            inside = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (t > 0)
            assert clean.depth[row, column] == pytest.approx(t[inside].min(), abs=2e-4)
