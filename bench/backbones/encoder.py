"""A small convolutional encoder with GroupNorm, for dense tasks on a CPU."""

from torch import nn

from bench.api import Stage

GROUP = 8  # channels that are normalised together


def encoder(
    size: tuple[int, int], channels: tuple[int, int, int, int] = (32, 64, 96, 96), width: float = 1.0
) -> nn.ModuleList:
    """Four stages of conv3 - GroupNorm - relu, twice, for RGB images of `size` (rows, columns).

    The first convolution of the first three stages halves the image; the last stage looks wider instead
    (dilation 2). Channels are multiples of the 8 that GroupNorm takes together, whatever the width.
    """
    stages, before, (rows, columns) = [], 3, size
    for number, planned in enumerate(channels):
        after = GROUP * max(1, round(planned * width / GROUP))
        stride, dilation = (1, 2) if number == 3 else (2, 1)
        rows, columns = -(-rows // stride), -(-columns // stride)
        stages.append(
            Stage(
                *_convolution(before, after, stride, dilation),
                *_convolution(after, after, 1, dilation),
                output_shape=(after, rows, columns),
            )
        )
        before = after
    return nn.ModuleList(stages)


def _convolution(inputs: int, outputs: int, stride: int, dilation: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False),
        nn.GroupNorm(outputs // GROUP, outputs),
        nn.ReLU(),
    )
