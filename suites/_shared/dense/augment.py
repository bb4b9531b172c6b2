"""From stored rows to what is trained on: decoding, scale crops and flips that keep image and scene in agreement.

A crop by s with its corner o columns from the left and p rows from the top, resized to the whole image,
is the picture that the same camera takes of another scene: P' = M P with

    M = [[1, 0, k], [0, 1, l], [0, 0, 1/s]],  k = (cx - o - cx/s) / fx,  l = (cy/s - cy + p) / fy

(cx, cy measured from the corner of the image). So depth becomes Z/s, and normals M^-T n, renormalised:
(n_x, n_y, s (n_z - k n_x - l n_y)). A flip mirrors scene and camera: n_x changes its sign.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from suites._shared.dense.camera import Camera
from suites._shared.dense.sets import UNIT

SCALES = (1.0, 1.2, 1.5)
# Of ImageNet, for every backbone, pre-trained or not.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Crops:
    """One crop and flip per image, tensors (n,).

    scale: s, by which the crop is enlarged to the whole image.
    left, top: o and p as above, pixels from the image's left and upper side.
    flip: bool, mirrored left to right after the crop.
    """

    scale: Tensor
    left: Tensor
    top: Tensor
    flip: Tensor

    @classmethod
    def draw(cls, images: int, size: tuple[int, int], generator: torch.Generator) -> "Crops":
        """Scales from SCALES, corners at whole pixels, flips with probability 1/2.

        images: n.
        size: rows and columns of an image.
        generator: the only source of randomness.
        """
        # Order of the draws is part of a run's numbers: another order is another training.
        scale = torch.tensor(SCALES)[torch.randint(len(SCALES), (images,), generator=generator)]
        corner = torch.rand(2, images, generator=generator)
        flip = torch.rand(images, generator=generator) < 0.5
        # Whole rows and columns of the crop, as in the public code: floor(side / s).
        top, left = (
            (place * (side - torch.floor(side / scale) + 1)).floor() for place, side in zip(corner, size, strict=True)
        )
        return cls(scale, left, top, flip)

    def grid(self, size: tuple[int, int]) -> Tensor:
        """Where each output pixel reads, (n, h, w, 2), x before y, in the coordinates of `grid_sample`: -1
        and 1 are the outer sides of the image.
        """
        rows, columns = (torch.arange(side) + 0.5 for side in size)
        s = self.scale[:, None]
        y = 2 * (self.top[:, None] + rows / s) / size[0] - 1
        x = 2 * (self.left[:, None] + columns / s) / size[1] - 1
        # A mirrored image is read from right to left: the grid is, not the picture.
        x = torch.where(self.flip[:, None], x.flip(1), x)
        return torch.stack([x[:, None, :].expand(-1, size[0], -1), y[:, :, None].expand(-1, -1, size[1])], dim=-1)


class Decode:
    """Stored rows (see `suites._shared.dense.sets`) to normalised images and targets; augments where given a generator.

    camera: of the stored images; crops are computed for it.
    mode: `consistent` transforms depth and normals with the scene; `mtan` divides depth and flips n_x but
        leaves normals as they are under a crop, the published form; `none` never augments.
    normals: names that task, None where there is none.
    """

    def __init__(self, camera: Camera, mode: Literal["none", "consistent", "mtan"], normals: str | None) -> None:
        self.camera, self.mode, self.normals = camera, mode, normals
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    def __call__(
        self, image: Tensor, targets: dict[str, Tensor], generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Images (n, 3, h, w) float32, normalised, and targets: labels (n, h, w) int64, depth (n, 1, h, w)
        in metres, normals (n, 3, h, w).

        image: (n, 3, h, w), 0..255.
        targets: as they are stored, channels second.
        generator: None for validation and test, which are never augmented.
        """
        mean, std = self.mean.to(image.device), self.std.to(image.device)
        pixels = (image / 255.0 - mean) / std
        label, depth = targets["segmentation"].long(), targets["depth"]
        normal = targets[self.normals] / UNIT if self.normals else None
        if generator is not None and self.mode != "none":
            crops = Crops.draw(len(image), self.camera.size, generator)
            crops = Crops(*(value.to(image.device) for value in vars(crops).values()))
            pixels, label, depth, normal = self.apply(crops, pixels, label, depth, normal)
        decoded = {"segmentation": label, "depth": depth}
        return pixels, decoded if self.normals is None or normal is None else decoded | {self.normals: normal}

    def apply(
        self, crops: Crops, pixels: Tensor, label: Tensor, depth: Tensor, normal: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The augmented batch: images bilinear, targets from the nearest pixel, so that none is mixed.

        Depth is divided by s: a nearer camera sees the same enlarged picture. Its invalid pixels stay
        0.
        """
        grid = crops.grid(self.camera.size).to(pixels.dtype)
        sample = nn.functional.grid_sample
        pixels = sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
        planes = [label.unsqueeze(1).to(depth.dtype), depth, *([] if normal is None else [normal])]
        moved = sample(torch.cat(planes, dim=1), grid, mode="nearest", padding_mode="border", align_corners=False)
        s = crops.scale.view(-1, 1, 1, 1)
        if normal is not None:
            normal = self._transform_normals(crops, moved[:, 2:])
        return pixels, moved[:, 0].long(), moved[:, 1:2] / s, normal

    def _transform_normals(self, crops: Crops, normal: Tensor) -> Tensor:
        """Normals (n, 3, h, w) after crop and flip, unit length again; zero vectors stay zero."""
        x, y, z = normal.unbind(dim=1)
        if self.mode == "consistent":
            s, left, top = (value.view(-1, 1, 1) for value in (crops.scale, crops.left, crops.top))
            camera = self.camera
            # From the corner of the image, as in the equations; the camera counts from the centre of its first
            # pixel.
            cx, cy = camera.cx + 0.5, camera.cy + 0.5
            k = (cx - left - cx / s) / camera.fx
            l = (cy / s - cy + top) / camera.fy  # noqa: E741  the name in the equation
            z = s * (z - k * x - l * y)
        x = torch.where(crops.flip.view(-1, 1, 1), -x, x)
        length = (x * x + y * y + z * z).sqrt().clamp(min=1e-12)
        return torch.stack([x, y, z], dim=1) / length.unsqueeze(1)
