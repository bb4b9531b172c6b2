"""Which way the axes of measured normals point: copies differ, and the depth tells.

Some have y downwards, some z towards the camera, some both. A wrong sign would be learned without a word, and
scores would hardly show it.
"""

import numpy as np

from bench.api import DataMissing
from suites._shared.dense.camera import NYUV2
from suites._shared.dense.normals import normals_from_depth
from suites.nyuv2.source import Source

IMAGES = 8
LEAST_AGREEMENT = 0.5  # mean cosine with normals derived from depth; without noise it is 1
LEAST_PIXELS = 100


def find_signs(source: Source) -> tuple[np.ndarray, str]:
    """(3,) of +1 and -1 that bring the source's normals into our coordinates, and a sentence about them.

    The mean cosine between s * m and d is sum_k s_k mean(m_k d_k), m measured and d derived from depth, so
    each axis takes the sign of its own mean.

    Looks at IMAGES images from all over the training split. Raises DataMissing where no signs agree:
    normals of other images.
    """
    split = "train" if source.rows["train"] else "test"
    rays = NYUV2.resize(source.size).rays()
    product, pixels, looks = np.zeros(3), 0, []
    for row in sorted({int(row) for row in np.linspace(0, source.rows[split] - 1, IMAGES)}):
        item = source.read(split, row)
        assert item.normal is not None
        derived = normals_from_depth(item.depth, NYUV2.resize(source.size))
        both = derived.any(-1) & item.normal.any(-1)
        measured = item.normal[both].astype(np.float64)
        product += (measured * derived[both]).sum(axis=0)
        pixels += int(both.sum())
        looks.append((item.normal * rays)[item.normal.any(-1)])
    if pixels < LEAST_PIXELS:
        return np.ones(3), "normals: measured, taken as they are (too few pixels to check their axes)"
    chosen = np.where(product < 0, -1.0, 1.0)
    agreement = float(np.abs(product).sum()) / pixels
    if agreement < LEAST_AGREEMENT:
        raise DataMissing(
            f"The normals of this `{source.name}` copy should agree with its depth under some signs of their axes. "
            f"The best mean cosine is {agreement:.2f}; are they of other images?"
        )
    # Told, not demanded: measured normals at edges may look away.
    facing = (np.concatenate(looks) @ chosen < 0).mean()
    marks = ", ".join(f"{'-' if sign < 0 else '+'}{axis}" for sign, axis in zip(chosen, "xyz", strict=True))
    return chosen, (
        f"normals: measured, read as ({marks}): mean cosine {agreement:.2f} with those derived from depth; "
        f"{facing:.0%} look at the camera"
    )
