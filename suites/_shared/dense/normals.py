"""Surface normals from depth: planes fitted in windows that keep to one side of an edge.

A plane N . P = d seen at P = Z (x, y, 1), x and y the ray of a pixel, satisfies 1/Z = A x + B y + C with
(A, B, C) = N / d: linear, so the fit is exact for planes and needs only sums over windows. A surface in
front of the camera has d < 0, so its normal is -(A, B, C) to unit length. Errors of a structured-light
camera are uniform in 1/Z, where the fit weighs every pixel alike.

Around a pixel lie nine windows: its own and eight shifted by half a window, so that the pixel is on their
rim. Their planes are averaged with weights (1 + (r / r0)^2)^-4 of the relative residual r: a window across
an edge counts for nothing, as in Kuwahara et al., Processing of RI-angiocardiographic images, 1976.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d

from suites._shared.dense.camera import Camera, Size
from suites._shared.dense.resample import resample_area

WINDOW = 15 / 384  # of the image's width: 15 pixels at 288x384; chosen on rendered rooms with a sensor's noise
RESIDUAL = 0.004  # r0: relative error of depth that a good plane may have
WORST_RESIDUAL = 0.04  # relative; planes fitted worse than this are no planes
WORST_OWN = 0.08  # the same, of the pixel itself: thin things in front of a wall
FEWEST = 0.2  # of the window's pixels; the quarter left in an image's corner is enough
NARROWEST = 0.02  # determinant of the scatter of rays, 1 for a full window; less is a line of pixels
GRAZING = 0.05  # cosine between normal and ray, 87 degrees


def normals_from_depth(depth: np.ndarray, camera: Camera, window: int | None = None) -> np.ndarray:
    """Unit normals (rows, columns, 3), float32, in the camera's coordinates, with n . P < 0; zero where unreliable.

    depth: (rows, columns), metres, 0 where invalid.
    window: side of the window in pixels, odd; None takes 15 for every 384 columns. Smaller keeps details of
        exact depth, larger (21 to 27) smooths depth of 8 bits.
    """
    if depth.shape != camera.size:
        raise ValueError(f"`depth` should have the camera's size {camera.size}. Found {depth.shape}.")
    side = window or max(5, 2 * round((WINDOW * camera.size[1] - 1) / 2) + 1)
    if side % 2 == 0 or side < 3:
        raise ValueError(f"`window` should be odd and at least 3. Found `window = {window}`.")
    x = ((np.arange(camera.size[1]) - camera.cx) / camera.fx)[None, :]
    y = ((camera.cy - np.arange(camera.size[0])) / camera.fy)[:, None]
    valid = depth > 0
    inverse = np.divide(1.0, depth, out=np.zeros(depth.shape), where=valid)
    plane, residual = _blend(*_fit(inverse, valid, x, y, side), side // 2)
    # A thin thing in front of a wall lies in a window whose plane is the wall's: the pixel itself decides.
    own = np.abs(inverse - (plane[0] * x + plane[1] * y + plane[2]))
    length = np.sqrt(np.einsum("chw,chw->hw", plane, plane))
    towards = (plane[0] * x + plane[1] * y + plane[2]) / np.sqrt(x * x + y * y + 1)  # -n . P / |P|, times length
    reliable = (
        valid & (residual < WORST_RESIDUAL) & (own < WORST_OWN * inverse) & (towards > GRAZING * length) & (length > 0)
    )
    scale = np.divide(-1.0, length, out=np.zeros_like(length), where=reliable)
    return np.moveaxis((plane * scale).astype(np.float32), 0, -1)


def _fit(
    inverse: np.ndarray, valid: np.ndarray, x: np.ndarray, y: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares planes of the window about each pixel, from running sums.

    inverse: (rows, columns), 1/Z, 0 where invalid.
    valid: (rows, columns) bool.
    x, y: rays, (1, columns) and (rows, 1).
    side: of the window, pixels.

    Returns planes (A, B, C), (3, rows, columns), zero without one, and relative residuals (rows, columns):
    root mean square over the mean of 1/Z, infinite without a plane.
    """
    mask = valid.astype(np.float64)
    xm, ym = x * mask, y * mask
    sums = np.stack([mask, xm, ym, inverse, x * xm, x * ym, y * ym, x * inverse, y * inverse, inverse * inverse])
    for axis in (1, 2):
        uniform_filter1d(sums, side, axis=axis, mode="constant", output=sums)
    share = sums[0]
    enough = share > FEWEST
    # Means, then covariances: the normal equations of a plane with an offset are two by two.
    mx, my, mq, xx, xy, yy, xq, yq, qq = sums[1:] / np.where(enough, share, 1.0)
    xx, xy, yy, xq, yq, qq = xx - mx * mx, xy - mx * my, yy - my * my, xq - mx * mq, yq - my * mq, qq - mq * mq
    determinant = xx * yy - xy * xy
    # The determinant that a full window has: variances of side equally spaced rays along both axes.
    full = ((x[0, 1] - x[0, 0]) * (y[0, 0] - y[1, 0]) * (side**2 - 1) / 12) ** 2
    enough &= determinant > NARROWEST * full
    determinant = np.where(enough, determinant, 1.0)
    a = (xq * yy - yq * xy) / determinant
    b = (yq * xx - xq * xy) / determinant
    plane = np.stack([a, b, mq - a * mx - b * my])
    squared = np.maximum(qq - a * xq - b * yq, 0)
    residual = np.sqrt(squared) / np.where(enough, mq, 1.0)
    return np.where(enough, plane, 0.0), np.where(enough, residual, np.inf)


def _blend(plane: np.ndarray, residual: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means, over the nine windows of each pixel, of planes and of residuals (infinite without any).

    plane: (3, rows, columns).
    residual: (rows, columns), relative.
    shift: pixels to the middles of the other eight windows.
    """
    rows, columns = residual.shape
    weight = (1 + np.square(residual / RESIDUAL)) ** -4.0
    known = np.where(np.isfinite(residual), residual, 0.0)
    terms = np.concatenate([[weight, weight * known], weight * plane])
    total = np.zeros_like(terms)
    for down in (-shift, 0, shift):
        for right in (-shift, 0, shift):
            here = np.s_[:, max(0, -down) : rows - max(0, down), max(0, -right) : columns - max(0, right)]
            there = np.s_[:, max(0, down) : rows - max(0, -down), max(0, right) : columns - max(0, -right)]
            total[here] += terms[there]
    some = total[0] > 0
    mean = total[1:] / np.where(some, total[0], 1.0)
    return mean[1:], np.where(some, mean[0], np.inf)


def resample_normals(normals: np.ndarray, size: Size) -> np.ndarray:
    """Normals at `size`, float32: the mean direction of what a pixel covers.

    normals: (rows, columns, 3), unit or zero where invalid.

    Zero where less than half of the pixel's area is valid, and where its normals cancel (a mean shorter
    than 1/2: directions more than 60 degrees away from it).
    """
    valid = resample_area(np.any(normals != 0, axis=-1), size)
    mean = resample_area(normals, size)
    length = np.linalg.norm(mean, axis=-1)
    keep = (valid > 0.5 - 1e-9) & (length >= 0.5 * valid)
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=keep)
    units: np.ndarray = (mean * scale[..., None]).astype(np.float32)
    return units
