"""SegNet, the encoder-decoder of MTAN's tables, as three stages."""

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, max_unpool2d

from bench.api import Backbone, InputForm, Stage, register, require_image, scale_channels

# Of VGG-16, level by level.
CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 3, 3, 3)


class Body(nn.Module):
    """Five poolings down and five unpoolings up; every unpooling puts values back where its pooling took them.

    `channels` has an entry per level from the top down; input and output have `channels[0]` and the same size.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        levels = range(1, len(channels))
        self.down = nn.ModuleList(_block(channels[i - 1], channels[i], CONVOLUTIONS[i]) for i in levels)
        self.up = nn.ModuleList(_block(channels[i], channels[i - 1], CONVOLUTIONS[i]) for i in reversed(levels))

    def forward(self, x: Tensor) -> Tensor:
        taken = []
        for block in [*self.down, nn.Identity()]:
            size = x.shape[-2:]
            x, indices = max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            taken.append((indices, size))
            x = block(x)
        for block in [*self.up, nn.Identity()]:
            indices, size = taken.pop()
            x = block(max_unpool2d(x, indices, [2, 2], output_size=list(size)))
        return x


def segnet(size: tuple[int, int], width: float = 1.0, inputs: int = 3) -> nn.ModuleList:
    """Convolutions at full size, everything below them, convolutions at full size: 64 channels per pixel.

    The middle is one stage because its unpoolings need the positions of its own poolings; a method shares all of it
    or nothing. BatchNorm keeps statistics of its own in every copy of a stage.
    Badrinarayanan, Kendall, Cipolla, SegNet, PAMI 2017, in the form of Liu, Johns, Davison, CVPR 2019.
    `size` is rows and columns of images of `inputs` channels; odd ones are fine, since poolings round up.
    """
    channels = tuple(scale_channels(c, width) for c in CHANNELS)
    shape = (channels[0], *size)
    return nn.ModuleList(
        [
            Stage(_block(inputs, channels[0], CONVOLUTIONS[0]), output_shape=shape),
            Stage(Body(channels), output_shape=shape),
            Stage(_block(channels[0], channels[0], CONVOLUTIONS[0]), output_shape=shape),
        ]
    )


def _block(inputs: int, outputs: int, convolutions: int) -> nn.Sequential:
    """So many times conv3 - BatchNorm - relu, of which the first changes the channels."""
    modules: list[nn.Module] = []
    for before in (inputs, *[outputs] * (convolutions - 1)):
        modules += [nn.Conv2d(before, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*modules)


@register("segnet", paper="Badrinarayanan, Kendall, Cipolla, SegNet, PAMI 2017")
class SegNetBackbone(Backbone):
    """SegNet as three stages that keep the image's size. BatchNorm has statistics for every tower."""

    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """Convolutions at full size, everything below them, convolutions at full size."""
        channels, rows, columns = require_image("segnet", inputs)
        return segnet((rows, columns), width, channels)
