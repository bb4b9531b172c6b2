"""A small convolutional encoder with GroupNorm, for dense tasks on a CPU.

GroupNorm, since statistics of a batch would depend on which other images are in it.
"""

from typing import Annotated

from torch import Tensor, nn
from torch.nn.functional import normalize

from bench.api import Backbone, Ge, InputForm, Stage, register, require_image

GROUP = 2  # channels that are normalised together


class Convolution(nn.Conv2d):
    """A convolution whose filters have mean 0 and norm 1 where they are used.

    W^ = (W - mean W) / ||W - mean W||, over inputs and taps of each filter: weight standardisation (Qiao,
    Wang, Liu, Shen, Yuille, Micro-Batch Training with Batch-Channel Normalization and Weight
    Standardization, 2019, equations 6 to 8; divided by the norm, so that He's gain is left to the norm
    that follows). GroupNorm alone lets the offsets of the channels grow from layer to layer.
    """

    def forward(self, x: Tensor) -> Tensor:
        centred = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        filters = normalize(centred, dim=(1, 2, 3))  # type: ignore[arg-type]
        return nn.functional.conv2d(x, filters, None, self.stride, self.padding)  # type: ignore[arg-type]


class Residual(nn.Module):
    """relu(x + f(x)), f a convolution with GroupNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = nn.Sequential(*convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(x + self.f(x))


class GlobalContext(nn.Module):
    """x + A relu(mean of x over the image), x (n, channels, rows, columns): the whole picture at every place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        informed: Tensor = x + self.linear(nn.functional.relu(x.mean(dim=(2, 3), keepdim=True)))
        return informed


class Pyramid(nn.Module):
    """One level down and up again: relu(norm(A x + B up(deep(x)))), A and B convolutions of size 1, up bilinear.

    A level of Lin, Dollar, Girshick, He, Hariharan, Belongie, Feature Pyramid Networks for Object
    Detection, CVPR 2017, figure 3. `inputs`, `below` and `outputs` are channels: before, at the lower level, after.
    """

    def __init__(self, inputs: int, below: int, outputs: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(*_level(inputs, below), GlobalContext(below))
        self.lateral = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.down = nn.Conv2d(below, outputs, 1, bias=False)
        self.norm = nn.GroupNorm(outputs // GROUP, outputs)

    def forward(self, x: Tensor) -> Tensor:
        deep = self.down(self.deep(x))
        deep = nn.functional.interpolate(deep, x.shape[-2:], mode="bilinear", align_corners=False)
        return nn.functional.relu(self.norm(self.lateral(x) + deep))


def convolution(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """conv3 with standardised filters, then GroupNorm with groups of two channels."""
    return (
        Convolution(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.GroupNorm(outputs // GROUP, outputs),
    )


def _level(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """A convolution that halves the image, and a residual one."""
    return *convolution(inputs, outputs, 2), nn.ReLU(), Residual(outputs)


def encoder(
    size: tuple[int, int],
    channels: tuple[int, int, int] = (16, 48, 96),
    below: int = 128,
    outputs: int = 64,
    width: float = 1.0,
    inputs: int = 3,
) -> nn.ModuleList:
    """Four stages for images of `size` (rows, columns): three that halve the image, and a pyramid of two levels.

    The pyramid halves it once more, to `below` channels, adds what the whole picture tells, and comes back:
    output stride 8, `outputs` channels. All channels are even, whatever the width.

    Args:
        size: rows and columns of the images; odd ones are rounded up at every halving.
        channels: of the first three stages.
        below: of the pyramid's lower level.
        outputs: of the features.
        width: factor on all channels.
        inputs: channels of the images.
    """
    # Multiples of GROUP, or GroupNorm would have a group left over.
    first, second, third, deep, last = (
        GROUP * max(1, round(planned * width / GROUP)) for planned in (*channels, below, outputs)
    )
    stages, before, (rows, columns) = [], inputs, size
    for after in (first, second, third):
        rows, columns = -(-rows // 2), -(-columns // 2)  # rounded up, as a padded convolution of stride 2 does
        stages.append(Stage(*_level(before, after), output_shape=(after, rows, columns)))
        before = after
    stages.append(Stage(Pyramid(third, deep, last), output_shape=(last, rows, columns)))
    return nn.ModuleList(stages)


@register("encoder")
class EncoderBackbone(Backbone):
    """A small convolutional encoder with GroupNorm: four stages that end in a map of stride 8; made for CPUs.

    channels: of the first three stages.
    below: channels of the pyramid's lower level.
    outputs: channels of the features.
    """

    def __init__(
        self,
        *,
        channels: tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)], Annotated[int, Ge(1)]] = (16, 48, 96),
        below: Annotated[int, Ge(1)] = 128,
        outputs: Annotated[int, Ge(1)] = 64,
    ) -> None:
        self.channels, self.below, self.outputs = channels, below, outputs

    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """Three stages that halve the image, and a pyramid."""
        planes, rows, columns = require_image("encoder", inputs)
        return encoder((rows, columns), self.channels, self.below, self.outputs, width, planes)
