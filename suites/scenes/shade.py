"""The colour of a point: its material's pattern, lights with shadows and distance, ambient light in corners.

Surfaces are Lambertian with a Phong highlight; light is direct, from one random point of each lamp, plus an
ambient term that is darker in corners. All in float32, linear RGB.
"""

import numpy as np
from numpy.random import Generator

from suites.scenes.scene import Scene
from suites.scenes.textures import CODES, PATTERNS, value_noise
from suites.scenes.vectors import combine, dot

OFFSET = 2e-4  # metres from a surface at which a shadow ray starts
WOOD = CODES["wood"]
NEAR = 0.7  # metres within which things darken a corner


def surface(scene: Scene, points: np.ndarray, normals: np.ndarray, face: np.ndarray) -> tuple[np.ndarray, ...]:
    """What shading needs to know of points on faces; rugs replace the floor.

    points, normals: (n, 3) room coordinates.
    face: (n,) rows of the mesh's faces.

    Returns rows of materials (n,), points (n, 3) and normals (n, 3) in the coordinates of the models.
    """
    mesh = scene.mesh
    part = mesh.part[face]
    thing = mesh.thing[part]
    material, local, turned = scene.material[part], mesh.to_local(points, thing), mesh.turn_to_local(normals, thing)
    for rug, row in zip(scene.room.rugs, scene.rug_material, strict=True):
        # The shell's first thing is the floor; its upper side is at y = 0.
        floor = np.flatnonzero((thing == 0) & (points[:, 1] < 0.01))
        x, z = points[floor, 0] - rug.x, points[floor, 2] - rug.z
        c, s = np.cos(rug.yaw), np.sin(rug.yaw)
        inside = floor[(np.abs(c * x - s * z) < rug.half_x) & (np.abs(s * x + c * z) < rug.half_z)]
        material[inside] = row
    return material, local, turned


def albedo(scene: Scene, material: np.ndarray, local: np.ndarray, turned: np.ndarray, blur: np.ndarray) -> np.ndarray:
    """Linear RGB (n, 3) of materials at points.

    material: (n,) rows of the scene's materials.
    local, turned: (n, 3) points and normals in the coordinates of the models.
    blur: (n,) metres, the size of a sample; a pattern finer than that fades to its mean, which keeps far
        textures from aliasing.
    """
    table = scene.materials
    # Projected along the axis that the surface faces most: patterns are not stretched on slopes.
    axis = np.abs(turned).argmax(axis=1)
    u = np.where(axis == 0, local[:, 2], local[:, 0])
    v = np.where(axis == 1, local[:, 2], local[:, 1])
    turn = table.turn[material]
    scale = table.scale[material]
    uv = np.stack([np.where(turn, v, u), np.where(turn, u, v)], axis=1) / scale[:, None] + table.shift[material, :2]
    pattern = table.pattern[material]
    # wood is smooth along its grain; the three directions of a thing are pieces of their own
    stretch = np.where(pattern == WOOD, np.float32(0.15), np.float32(1.0))
    noise = value_noise(uv[:, 0] * stretch + 37 * axis, uv[:, 1] + table.shift[material, 2])
    second, third = np.zeros(len(u), dtype=np.float32), np.zeros(len(u), dtype=np.float32)
    for code in np.unique(pattern):
        rows = np.flatnonzero(pattern == code)
        second[rows], third[rows] = PATTERNS[code](uv[rows], noise[rows])
    keep = np.clip(1.6 - 1.6 * blur / scale, 0, 1)
    # 0.4 is about the mean share of the second colour in a pattern.
    second, third = 0.4 + (second - 0.4) * keep, third * keep
    band = table.band[material]
    skirting = (local[:, 1] < band) & (axis != 1)
    third[skirting] = 1.0
    colours = table.colours[material]
    mixed: np.ndarray = colours[:, 0] + second[:, None] * (colours[:, 1] - colours[:, 0])
    mixed += third[:, None] * (colours[:, 2] - mixed)
    return mixed


def illumination(
    scene: Scene,
    points: np.ndarray,
    normals: np.ndarray,
    view: np.ndarray,
    gloss: np.ndarray,
    quarter: np.ndarray,
    generator: Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Diffuse and glossy light (n, 3) each at points of surfaces.

    points, normals: (n, 3); unit normals look back along `view`.
    view: (n, 3) unit rays of the camera.
    gloss: (n,) strength of highlights.
    quarter: (n, 2) of 0 and 1: the part of an area light, and of the directions around a point, that each
        sample stands for, so that four neighbours together see all of it.
    generator: of the point within the quarter.

    Diffuse light of a lamp is power * cosine / (distance^2 + 0.16), times the cosine at an area light; a
    highlight is Phong's, cos^30 of the angle between mirrored ray and light.
    """

    def square() -> np.ndarray:
        return (quarter + generator.random(quarter.shape, dtype=np.float32)) * np.float32(0.5)

    start = points + normals * np.float32(OFFSET)
    # More of it from above, where a room is lightest.
    open_above = 0.65 + 0.35 * normals[:, 1]
    # Unit vectors plus the normal are spread as the cosine: one ray for each point says whether something near
    # keeps ambient light away.
    corner = scene.mesh.is_blocked(start, (_to_sphere(square()) + normals) * np.float32(NEAR))
    diffuse = (open_above * np.where(corner, np.float32(0.3), np.float32(1.0)))[:, None] * scene.ambient
    glossy = np.zeros_like(diffuse)
    # The ray goes on as a mirror would send it.
    mirrored = view - 2 * dot(view, normals)[:, None] * normals
    for light in scene.lights:
        to_light = combine(square() - np.float32(0.5), np.stack([light.across, light.up]))
        to_light += light.centre
        to_light -= points
        distance2 = dot(to_light, to_light) + np.float32(1e-6)
        inverse = 1 / np.sqrt(distance2)
        facing = np.maximum(dot(to_light, normals) * inverse, 0)
        if light.normal.any():
            facing *= np.maximum(-dot(to_light, light.normal) * inverse, 0)
        # a lamp is no point: nearer than 0.4 m its light does not grow
        strength = facing / (distance2 + np.float32(0.16))
        lit = np.flatnonzero(facing > 1e-4)
        dark = scene.mesh.is_blocked(start[lit], to_light[lit], 0.995)
        # The ray ends just before the lamp, whose own model would block it.
        strength[lit[dark]] = 0.0
        diffuse += strength[:, None] * light.power
        lit = lit[~dark & (gloss[lit] > 0)]
        shine = np.maximum(dot(mirrored[lit], to_light[lit]) * inverse[lit], 0) ** 30
        glossy[lit] += (gloss[lit] * shine / (distance2[lit] + np.float32(0.16)))[:, None] * light.power
    return diffuse, glossy


def _to_sphere(square: np.ndarray) -> np.ndarray:
    """Even points (n, 3) on the unit sphere from even points (n, 2) in the unit square: y is even in -1..1
    (Archimedes).
    """
    y, turn = 2 * square[:, 0] - 1, np.float32(2 * np.pi) * square[:, 1]
    ring = np.sqrt(1 - y * y)
    return np.stack([ring * np.cos(turn), y, ring * np.sin(turn)], axis=1)
