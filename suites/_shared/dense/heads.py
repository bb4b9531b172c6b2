"""Heads of dense tasks: from features (n, c, h', w') to a prediction (n, outputs, h, w) for every pixel.

Every head takes the shape of the features, (channels, rows, columns), the channels of the prediction, and the
image's size. The last layer has no activation: losses take logits, metres and directions of any length.
"""

from torch import Tensor, nn

from bench.api import Shape
from bench.backbones.encoder import convolution
from suites._shared.dense.camera import Size


class Upsample(nn.Module):
    """Bilinear, to `size` (rows, columns); corners are not aligned, so that centres of pixels keep their places."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, self.size, mode="bilinear", align_corners=False)


def plain_head(shape: Shape, outputs: int, size: Size) -> nn.Module:
    """The encoder's conv3 and GroupNorm, relu, conv1, then upsampled to `size`."""
    channels = shape[0]
    return nn.Sequential(*convolution(channels, channels), nn.ReLU(), nn.Conv2d(channels, outputs, 1), Upsample(size))


def aspp_head(shape: Shape, outputs: int, size: Size) -> nn.Module:
    """Atrous spatial pyramid pooling with rates 12, 24, 36 (Chen et al., DeepLabv3, 2017), torchvision's."""
    # Here, since torchvision is slow to import and the small encoder never needs it.
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead

    return nn.Sequential(DeepLabHead(shape[0], outputs), Upsample(size))


def segnet_head(shape: Shape, outputs: int, size: Size) -> nn.Module:
    """conv3 - conv1 on features that have the image's size already, as in MTAN."""
    return nn.Sequential(nn.Conv2d(shape[0], shape[0], 3, padding=1), nn.Conv2d(shape[0], outputs, 1))
