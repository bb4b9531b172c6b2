"""One view of a scene: exact truth at pixel centres, and the picture a camera takes.

Rays have z = 1 in the camera's coordinates, so the distance along a ray, in its own length, is the depth in
metres. Truth is of one ray through each pixel's centre; the picture averages samples beside it, and its light
is noisy before `_smooth_planes`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from suites._shared.dense.camera import NYUV2, Camera, Size
from suites.scenes.scene import Scene
from suites.scenes.sensor import develop, has_depth
from suites.scenes.shade import albedo, illumination, surface
from suites.scenes.vectors import dot
from suites.scenes.views import View

SMALL = 30_000  # pixels: up to here every pixel takes the mean of two samples

# So few that the arrays of all steps stay in the processor's cache.
BAND = 16_000  # samples that are shaded together


@dataclass(frozen=True)
class Clean:
    """The truth before any sensor, at pixel centres.

    depth: (h, w) float64, metres along the camera's z.
    normal: (h, w, 3) float64, unit, towards the camera, in its coordinates.
    label: (h, w) int8, 0..12.
    thing, part: (h, w), rows of the room's things and of the mesh's parts.
    """

    depth: np.ndarray
    normal: np.ndarray
    label: np.ndarray
    thing: np.ndarray
    part: np.ndarray


@dataclass(frozen=True)
class _Hits:
    """What n rays meet, in room coordinates, in the precision of the rays.

    points: (n, 3) metres.
    normals: (n, 3) unit, towards the ray's start.
    depth: (n,) in units of the ray.
    face: (n,) rows of the mesh's faces.
    ray: (n, 3) as it was cast, of any length.
    """

    points: np.ndarray
    normals: np.ndarray
    depth: np.ndarray
    face: np.ndarray
    ray: np.ndarray


def _trace(scene: Scene, view: View, rays: np.ndarray) -> _Hits:
    """What rays (..., 3) of the camera meet, in their precision; a room is closed, so each meets something.

    RuntimeError where one leaves the room all the same: a fault of the shell.
    """
    ray = view.directions(rays)
    depth, face = scene.mesh.first_hits(np.broadcast_to(view.place, ray.shape), ray)
    if len(lost := np.flatnonzero(face < 0)):  # through a seam of two walls: ask again a hair beside it
        ray[lost] += 1e-5
        depth[lost], face[lost] = scene.mesh.first_hits(np.broadcast_to(view.place, (len(lost), 3)), ray[lost])
        if (face < 0).any():
            raise RuntimeError("A ray should meet a wall of its room. Found one that leaves it.")
    depth, place = depth.astype(ray.dtype), view.place.astype(ray.dtype)
    normals = scene.mesh.normal.astype(ray.dtype)[face]
    # A triangle's normal has either sign; a visible one looks back along the ray.
    normals *= np.where(dot(normals, ray) > 0, -1, 1).astype(ray.dtype)[:, None]
    return _Hits(place + ray * depth[:, None], normals, depth, face, ray)


def render_clean(scene: Scene, view: View, size: Size) -> Clean:
    """Complete depth, normals, labels and identities of a view, without light or sensor: what tests compare with."""
    return _make_truth(scene, view, _trace(scene, view, NYUV2.resize(size).rays()), size)


def _make_truth(scene: Scene, view: View, hits: _Hits, size: Size) -> Clean:
    part = scene.mesh.part[hits.face]
    thing = scene.mesh.thing[part]
    normal = view.to_camera(hits.normals)
    return Clean(
        hits.depth.reshape(size),
        normal.reshape(*size, 3),
        scene.label[thing].reshape(size),
        thing.reshape(size),
        part.reshape(size),
    )


def render_view(scene: Scene, view: View, size: Size, generator: Generator) -> tuple[np.ndarray, np.ndarray, Clean]:
    """What a data set stores of a view.

    scene, view: what is seen, and from where.
    size: rows and columns.
    generator: of the sensor: noise, exposure and gaps in the depth.

    Returns the image (h, w, 3) uint8, depth with holes (h, w) float32 in metres, 0 where there is none, and
    the truth.
    """
    camera = NYUV2.resize(size)
    hits = _trace(scene, view, camera.rays())
    clean = _make_truth(scene, view, hits, size)
    # the mask has its own generator: the picture draws as many values as the dial and the size ask for
    masking, picture = generator.spawn(2)
    shiny = scene.shiny[clean.part.ravel()]
    seen = has_depth(scene.mesh, view, hits.points, hits.normals, hits.depth, shiny, masking)
    depth = np.where(seen, hits.depth, 0.0).astype("<f4").reshape(size)
    if size[0] * size[1] <= SMALL:
        light = _trace_light(scene, view, *_two_samples(camera), picture)
        light = light.reshape(*size, 2, 3).mean(axis=2)
    else:
        # One sample a pixel; four neighbours together see all quarters of an area light.
        quarter = np.indices(size).transpose(1, 2, 0) % 2
        light = _trace_light(scene, view, camera, camera.rays(), quarter, picture)
    return develop(light, picture), depth, clean


def _two_samples(camera: Camera) -> tuple[Camera, np.ndarray, np.ndarray]:
    """Two opposite quarters of every pixel, side by side: rays of a camera with twice the rows and columns.

    Returns that camera, rays (h, 2w, 3), and of each ray the `quarter` (h, 2w, 2) of lights that it stands
    for.
    """
    (rows, columns), fine = camera.size, camera.resize((2 * camera.size[0], 2 * camera.size[1]))
    quarters = fine.rays().reshape(rows, 2, columns, 2, 3)
    rays = np.stack([quarters[:, 0, :, 0], quarters[:, 1, :, 1]], axis=2).reshape(rows, 2 * columns, 3)
    row, column = np.indices((rows, 2 * columns))
    # The quarter depends on row and column, so that the four samples of two neighbours stand for different
    # ones.
    return fine, rays, np.stack([column, column + column // 2 + row], axis=-1) % 2


def _trace_light(
    scene: Scene, view: View, camera: Camera, rays: np.ndarray, part: np.ndarray, generator: Generator
) -> np.ndarray:
    """Linear RGB (h, w, 3) of rays (h, w, 3), samples of `camera`, in bands that fit the processor's cache.

    part: (h, w, 2), the `quarter` of `illumination`.
    generator: draws the point of a light that each sample looks for.

    Light is colour * smoothed diffuse light + highlights + glow: only what comes from one random sample is
    smoothed, and the pattern of the material stays sharp.
    """
    size, rays, part = rays.shape[:2], rays.astype(np.float32), part.astype(np.float32)
    parts: list[list[np.ndarray]] = []
    step = max(2, BAND // size[1] // 2 * 2)
    for top in range(0, size[0], step):
        hits = _trace(scene, view, rays[top : top + step])
        material, local, turned = surface(scene, hits.points, hits.normals, hits.face)
        # Depth over focal length: how many metres of the surface a sample covers.
        colour = albedo(scene, material, local, turned, hits.depth / np.float32(camera.fx))
        ray = hits.ray / np.sqrt(dot(hits.ray, hits.ray))[:, None]
        quarter = part[top : top + step].reshape(-1, 2)
        gloss, glow = scene.materials.gloss[material], scene.materials.glow[material]
        diffuse, glossy = illumination(scene, hits.points, hits.normals, ray, gloss, quarter, generator)
        # a plane: its normal and its distance from the origin
        plane = np.concatenate([hits.normals, dot(hits.points, hits.normals)[:, None]], axis=1)
        parts.append([colour, diffuse, glossy + colour * glow[:, None], plane])
    colour, diffuse, rest, plane = (np.concatenate(each).reshape(*size, -1) for each in zip(*parts, strict=True))
    light: np.ndarray = colour * _smooth_planes(diffuse, plane) + rest
    return light


def _smooth_planes(light: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """The mean over the neighbours in 5 x 5 that lie in the same plane: one sample of a soft shadow is noise.

    light: (h, w, 3).
    plane: (h, w, 4), unit normal and distance from the origin; neighbours are in one plane where a weighted sum of
        these, rounded to 1/50, is the same.
    """
    # One whole number for each plane: equal numbers are compared several times as fast as four floats.
    key = np.rint(np.einsum("ijk,k->ij", plane, np.array([1.0, 3.1, 7.7, 19.3], dtype=np.float32)) * 50).astype(
        np.int32
    )
    total, count = light.copy(), np.ones(light.shape[:2], dtype=np.float32)
    for axis in (0, 1):
        # Along one axis, then along the other: eight additions, not twenty-four.
        base, weight = total.copy(), count.copy()
        for step in (1, 2):
            here = tuple(slice(step, None) if k == axis else slice(None) for k in (0, 1))
            there = tuple(slice(None, -step) if k == axis else slice(None) for k in (0, 1))
            same = (key[here] == key[there]).astype(np.float32)
            total[here] += base[there] * same[..., None]
            total[there] += base[here] * same[..., None]
            count[here] += weight[there] * same
            count[there] += weight[here] * same
    mean: np.ndarray = total / count[..., None]
    return mean
