"""Images, labels and depth at another size; centres of pixels keep their places, as in `Camera.resize`.

Images are averaged by area. Labels and depth are never averaged: between a chair and the wall behind it there
is neither a class nor a distance.
"""

from functools import cache

import numpy as np

from suites._shared.dense.camera import Size


@cache
def _overlap(old: int, new: int) -> np.ndarray:
    """(new, old) float64: the share of every old cell in each of `new` equal cells of the same length.

    Rows sum to 1.
    """
    edges = np.arange(new + 1) * (old / new)
    cells = np.arange(old)
    shared = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights: np.ndarray = np.maximum(shared, 0) * (new / old)
    weights.flags.writeable = False
    return weights


def resample_area(values: np.ndarray, size: Size) -> np.ndarray:
    """Means of (rows, columns, ...) over the pixels of `size`, weighted by area: antialiased; float64.

    Two matrix products, since the area of a rectangle is a product: old pixels that lie in a new one in
    part count in part.
    """
    down, across = _overlap(values.shape[0], size[0]), _overlap(values.shape[1], size[1])
    mean: np.ndarray = down @ np.moveaxis(values.astype(np.float64), (0, 1), (-2, -1)) @ across.T
    return np.moveaxis(mean, (-2, -1), (0, 1))


def resample_image(image: np.ndarray, size: Size) -> np.ndarray:
    """An image of bytes (rows, columns, 3) at `size`, each pixel the rounded mean of what it covers."""
    if image.shape[:2] == size:
        return image
    rounded: np.ndarray = np.rint(resample_area(image, size)).astype(np.uint8)
    return rounded


def _centres(old: int, new: int) -> np.ndarray:
    """Of each new pixel's centre the old pixel that it lies in, (new,)."""
    return ((2 * np.arange(new) + 1) * old) // (2 * new)  # floor((i + 1/2) old / new) in whole numbers


def resample_nearest(values: np.ndarray, size: Size) -> np.ndarray:
    """(rows, columns, ...) at `size`: the old pixel that holds the centre of the new one."""
    picked: np.ndarray = values[np.ix_(_centres(values.shape[0], size[0]), _centres(values.shape[1], size[1]))]
    return picked


def resample_depth(depth: np.ndarray, size: Size) -> np.ndarray:
    """Depth (rows, columns) at `size`, float32: as `resample_nearest`, or where that is 0, the closest valid old pixel.

    Only pixels that the new one covers, wholly or in part, are looked at; 0 where all of them are invalid.
    """
    resampled = resample_nearest(depth, size).astype(np.float32)
    reach = [-(-old // new) for old, new in zip(depth.shape, size, strict=True)]
    steps = [(down, right) for down in range(-reach[0], reach[0] + 1) for right in range(-reach[1], reach[1] + 1)]
    # Nearest first; the first is the centre itself, which is there already.
    for step in sorted(steps, key=lambda step: step[0] ** 2 + step[1] ** 2)[1:]:
        if (resampled > 0).all():
            break
        index, inside = zip(
            *(_step_from_centres(depth.shape[axis], size[axis], step[axis]) for axis in (0, 1)), strict=True
        )
        fill = (resampled <= 0) & inside[0][:, None] & inside[1]
        resampled[fill] = depth[np.ix_(*index)][fill]
    return resampled


def _step_from_centres(old: int, new: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The old index `step` beside every centre, kept in range, and whether its pixel and the new one overlap."""
    index, cell = _centres(old, new) + step, np.arange(new)
    inside = (index >= 0) & (index < old) & ((index + 1) * new > cell * old) & (index * new < (cell + 1) * old)
    return np.clip(index, 0, old - 1), inside
