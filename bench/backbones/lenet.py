"""LeNet, the small convolutional network of the digit suites."""

from torch import nn

from bench.api import Stage, scale_channels


def lenet(
    side: int, kernels: tuple[int, int], channels: tuple[int, int, int], width: float = 1.0, padding: int = 0
) -> nn.ModuleList:
    """Two convolutions and a fully connected layer as three stages, for one-channel images of `side` pixels.

    conv - maxpool 2 - relu, conv - maxpool 2 - relu, flatten - linear - relu.

    Args:
        side: rows and columns of the images.
        kernels: sides of the two convolutions' kernels.
        channels: of the three stages.
        width: factor on all channels.
        padding: zeros around the images of both convolutions.
    """
    first, second, features = (scale_channels(c, width) for c in channels)
    after = [side]  # sides of the images: of the input, and after each convolution with its pooling
    for kernel in kernels:
        after.append((after[-1] + 2 * padding - kernel + 1) // 2)
    flat = second * after[2] ** 2
    return nn.ModuleList(
        [
            Stage(
                nn.Conv2d(1, first, kernels[0], padding=padding),
                nn.MaxPool2d(2),
                nn.ReLU(),
                output_shape=(first, after[1], after[1]),
            ),
            Stage(
                nn.Conv2d(first, second, kernels[1], padding=padding),
                nn.MaxPool2d(2),
                nn.ReLU(),
                output_shape=(second, after[2], after[2]),
            ),
            Stage(nn.Flatten(), nn.Linear(flat, features), nn.ReLU(), output_shape=(features,)),
        ]
    )
