"""A pinhole camera, and NYUv2's.

Coordinates: x right, y up, z forward (away from the camera), in metres. Pixel (row, column) has its centre at
(row, column), so the image reaches from -1/2 to its size less 1/2. Depth is z, not the distance to the camera.
A normal of a visible surface looks back at the camera: n . P < 0.
"""

from dataclasses import dataclass

import numpy as np

Size = tuple[int, int]  # rows, columns
LEAST_SIDE = 24  # pixels of a side
MOST_SIDE = 2048


@dataclass(frozen=True)
class Camera:
    """u = fx X / Z + cx, v = cy - fy Y / Z: column and row of the point (X, Y, Z).

    fx, fy: focal lengths in pixels.
    cx, cy: column and row that the axis passes through, pixels.
    size: rows and columns of the image.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    size: Size

    def resize(self, size: Size) -> "Camera":
        """The same view on `size` pixels; centres of pixels keep their places."""
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        # The half pixel: centres, not corners, are at whole numbers.
        return Camera(
            self.fx * across, self.fy * down, (self.cx + 0.5) * across - 0.5, (self.cy + 0.5) * down - 0.5, size
        )

    def rays(self) -> np.ndarray:
        """Points (rows, columns, 3) at depth 1, float64; times depth they are the scene."""
        rows, columns = np.mgrid[: self.size[0], : self.size[1]]
        return np.stack(
            [(columns - self.cx) / self.fx, (self.cy - rows) / self.fy, np.ones(self.size, dtype=float)], axis=-1
        )


# Nathan Silberman et al., ECCV 2012: the calibration that ships with the toolbox of the data set.
NYUV2 = Camera(fx=518.8579, fy=519.4696, cx=325.5824, cy=253.7362, size=(480, 640))


def parse_size(text: str) -> Size:
    """`72x96` as (72, 96), rows before columns. Raises ValueError with one sentence."""
    rows, times, columns = text.partition("x")
    if not (times and rows.isdecimal() and columns.isdecimal()) or not all(
        LEAST_SIDE <= int(side) <= MOST_SIDE for side in (rows, columns)
    ):
        raise ValueError(
            f"`size` should read ROWSxCOLUMNS, each in [{LEAST_SIDE}, {MOST_SIDE}], as in 72x96. Found `{text}`."
        )
    return int(rows), int(columns)
