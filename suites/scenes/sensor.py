"""From light to bytes: exposure, tone curve and noise of a camera; where a Kinect has no depth."""

import numpy as np
from numpy.random import Generator

from suites.scenes.mesh import Mesh
from suites.scenes.shade import OFFSET
from suites.scenes.textures import value_noise
from suites.scenes.vectors import dot
from suites.scenes.views import View

BASELINE = 0.075  # metres from the depth camera to the projector, to its right
FARTHEST = 10.0  # metres
GRAZING = 0.1  # cosine between surface and ray below which the pattern is lost


def develop(light: np.ndarray, generator: Generator) -> np.ndarray:
    """Linear RGB (h, w, 3) to uint8: automatic exposure with errors, white balance, tone curve, noise."""
    luminance = light.mean(axis=-1)
    level = np.exp(np.log(luminance + 1e-4).mean()) * 0.5 + luminance.mean() * 0.5
    exposure = 0.42 * np.exp(np.clip(generator.normal(-0.15, 0.4), -1.1, 0.5)) / level
    cast = np.exp(generator.normal(0, [0.07, 0.03, 0.09]))
    x = light * exposure * cast
    x = x * (1 + x / 6.0) / (1 + x)
    x = np.clip(x, 0, 1) ** (1 / 2.2)
    grain = generator.uniform(0.006, 0.028)
    x += generator.standard_normal(x.shape, dtype=np.float32) * grain * (1.3 - x)
    image: np.ndarray = np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
    return image


def has_depth(
    mesh: Mesh,
    view: View,
    points: np.ndarray,
    normals: np.ndarray,
    depth: np.ndarray,
    shiny: np.ndarray,
    generator: Generator,
) -> np.ndarray:
    """(n,) bool: a Kinect measures these points (room coordinates).

    It does not where its projector, BASELINE to the right, is hidden; beyond FARTHEST; at grazing angles;
    on patches of glass and screens (`shiny`); and on random specks.
    """
    projector = view.place + BASELINE * view.axes[0]
    start = points + normals * max(OFFSET, 1e-3)
    ray = view.place - points
    cosine = dot(ray, normals) / np.sqrt(dot(ray, ray))
    shadow = mesh.is_blocked(start, projector - start, 0.999)
    patches = value_noise(3 * (points[:, 0] + points[:, 2]), 3 * points[:, 1]) < generator.uniform(0.35, 0.75)
    specks = generator.random(len(depth)) < generator.uniform(0.001, 0.008)
    seen: np.ndarray = ~shadow & (depth < FARTHEST) & (cosine > GRAZING) & ~(shiny & patches) & ~specks
    return seen
