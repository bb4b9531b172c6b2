"""LeNet, the small convolutional network of the digit suites."""

from typing import Annotated

from torch import nn

from bench.api import Backbone, Ge, InputForm, Shape, Stage, UsageError, register, require_image, scale_channels


def lenet(
    shape: Shape, kernels: tuple[int, int], channels: tuple[int, int, int], width: float = 1.0, padding: int = 0
) -> nn.ModuleList:
    """Two convolutions and a fully connected layer as three stages, for images of `shape` (channels, rows, columns).

    conv - maxpool 2 - relu, conv - maxpool 2 - relu, flatten - linear - relu.

    Args:
        shape: of the images.
        kernels: sides of the two convolutions' kernels.
        channels: of the three stages.
        width: factor on all channels.
        padding: zeros around the images of both convolutions.
    """
    first, second, features = (scale_channels(c, width) for c in channels)
    after = [shape[1:]]  # rows and columns: of the input, and after each convolution with its pooling
    for kernel in kernels:
        after.append(tuple((side + 2 * padding - kernel + 1) // 2 for side in after[-1]))
    if min(after[2]) < 1:
        raise UsageError(
            f"`lenet` should be given images that its kernels {kernels} leave a pixel of. Found images of "
            f"{shape[1]}x{shape[2]}; take smaller kernels, as `lenet:kernels=3/3`, or larger images."
        )
    flat = second * after[2][0] * after[2][1]
    return nn.ModuleList(
        [
            Stage(
                nn.Conv2d(shape[0], first, kernels[0], padding=padding),
                nn.MaxPool2d(2),
                nn.ReLU(),
                output_shape=(first, *after[1]),
            ),
            Stage(
                nn.Conv2d(first, second, kernels[1], padding=padding),
                nn.MaxPool2d(2),
                nn.ReLU(),
                output_shape=(second, *after[2]),
            ),
            Stage(nn.Flatten(), nn.Linear(flat, features), nn.ReLU(), output_shape=(features,)),
        ]
    )


@register(
    "lenet", paper="LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition, 1998"
)
class LeNetBackbone(Backbone):
    """LeNet: two convolutions with pooling and a fully connected layer, as three stages that end in a vector.

    kernels: sides of the two convolutions' kernels.
    channels: of the three stages.
    padding: zeros around the images of both convolutions.
    """

    def __init__(
        self,
        *,
        kernels: tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)]] = (5, 5),
        channels: tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)], Annotated[int, Ge(1)]] = (10, 20, 50),
        padding: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.kernels, self.channels, self.padding = kernels, channels, padding

    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """The three stages."""
        return lenet(require_image("lenet", inputs), self.kernels, self.channels, width, self.padding)
