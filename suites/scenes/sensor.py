"""From light to bytes: exposure, tone curve and noise of a camera; where a Kinect has no depth.

A Kinect projects a pattern of infrared light and triangulates it from a camera beside the projector. So depth
is missing where the projector's light does not come, where the pattern comes back too weak or distorted, and
where it is mirrored away (Khoshelham, Oude Elberink, Sensors 12, 2012).
"""

import numpy as np
from numpy.random import Generator

from suites.scenes.mesh import Mesh
from suites.scenes.shade import OFFSET
from suites.scenes.textures import value_noise
from suites.scenes.vectors import dot
from suites.scenes.views import View

# As a Kinect of the first kind, with which NYUv2 was recorded.
BASELINE = 0.075  # metres from the depth camera to the projector, to its right
FARTHEST = 10.0  # metres
GRAZING = 0.1  # cosine between surface and ray below which the pattern is lost


def develop(light: np.ndarray, generator: Generator) -> np.ndarray:
    """Linear RGB (h, w, 3) to an image (h, w, 3) uint8: automatic exposure with errors, white balance, tone
    curve, noise.

    The exposure brings the middle between arithmetic and geometric mean of the luminance to 0.42, give or
    take an error that is drawn; x (1 + x/6) / (1 + x) compresses lights (Reinhard et al., SIGGRAPH 2002,
    equation 4, with white at x = 2.4), and a power of 1/2.2 makes it sRGB. Noise is normal, stronger in the
    dark.
    """
    luminance = light.mean(axis=-1)
    level = np.exp(np.log(luminance + 1e-4).mean()) * 0.5 + luminance.mean() * 0.5
    exposure = 0.42 * np.exp(np.clip(generator.normal(-0.15, 0.4), -1.1, 0.5)) / level
    # White balance is wrong by a few per cent, more in red and blue than in green.
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
    """(n,) bool: a Kinect measures these points.

    mesh: for the projector's shadow.
    view: the camera's place and axes.
    points: (n, 3) room coordinates, metres.
    normals: (n, 3) unit, towards the camera.
    depth: (n,) metres.
    shiny: (n,) bool, glass and screens.
    generator: of the patches and specks.

    It does not where its projector, BASELINE to the right, is hidden; beyond FARTHEST; at grazing angles;
    on patches of glass and screens; and on random specks.
    """
    projector = view.place + BASELINE * view.axes[0]
    start = points + normals * max(OFFSET, 1e-3)
    ray = view.place - points
    cosine = dot(ray, normals) / np.sqrt(dot(ray, ray))
    shadow = mesh.is_blocked(start, projector - start, 0.999)
    # Patches of about 30 cm: reflections cover a part of a screen, seldom all.
    patches = value_noise(3 * (points[:, 0] + points[:, 2]), 3 * points[:, 1]) < generator.uniform(0.35, 0.75)
    specks = generator.random(len(depth)) < generator.uniform(0.001, 0.008)
    seen: np.ndarray = ~shadow & (depth < FARTHEST) & (cosine > GRAZING) & ~(shiny & patches) & ~specks
    return seen
