"""torchvision's residual networks as five stages: stem and four layers."""

from typing import Literal

from torch import nn

from bench.api import Backbone, DataMissing, InputForm, Stage, register, require_image, scale_channels

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
Name = Literal["resnet18", "resnet34", "resnet50"]


def resnet(
    name: Name, size: tuple[int, int], width: float = 1.0, imagenet: bool = False, inputs: int = 3
) -> nn.ModuleList:
    """`name` for images of `size`; ResNet-50 with dilations 2 and 4 in its last layers (output stride 8).

    `width` multiplies all channels. BatchNorm keeps statistics of its own in every copy of a stage.
    `imagenet` starts from torchvision's weights, where width is 1. Raises DataMissing where they cannot
    be fetched. He, Zhang, Ren, Sun, Deep Residual Learning, CVPR 2016; dilated as in Yu, Koltun,
    Funkhouser, Dilated Residual Networks, CVPR 2017.

    `size` is rows and columns of the images, `inputs` their channels. With width 1 ResNet-18 and 34 end in 512
    channels, ResNet-50 in 2048.
    """
    from torchvision.models.resnet import BasicBlock, Bottleneck

    wide = name == "resnet50"
    block = Bottleneck if wide else BasicBlock
    channels = scale_channels(64, width)
    rows, columns = (_halve(_halve(side)) for side in size)
    stem = Stage(
        nn.Conv2d(inputs, channels, 7, 2, padding=3, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, padding=1),
        output_shape=(channels, rows, columns),
    )
    stages, before, dilation = [stem], channels, 1
    for number, depth in enumerate(DEPTHS[name]):
        planes = scale_channels(64 * 2**number, width)
        dilate = wide and number >= 2  # a dilation in the place of each stride: the same field of view, finer features
        stride = 1 if number == 0 or dilate else 2
        blocks = []
        for index in range(depth):
            first = index == 0
            inside = dilation if first else dilation * (2 if dilate else 1)  # the first block as torchvision has it
            step = stride if first else 1
            project = None
            if step != 1 or before != planes * block.expansion:
                project = nn.Sequential(
                    nn.Conv2d(before, planes * block.expansion, 1, step, bias=False),
                    nn.BatchNorm2d(planes * block.expansion),
                )
            blocks.append(block(before, planes, step, project, dilation=inside))
            before = planes * block.expansion
        dilation *= 2 if dilate else 1
        rows, columns = (side if stride == 1 else _halve(side) for side in (rows, columns))
        stages.append(Stage(*blocks, output_shape=(before, rows, columns)))
    for stage in stages:
        for module in stage.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    # On the meta device, where sizes are counted, weights would be fetched for nothing.
    if imagenet and width == 1.0 and not next(stem.parameters()).is_meta:
        _load(name, stages)
    return nn.ModuleList(stages)


def _halve(side: int) -> int:
    """Places after a layer of stride 2, with padding."""
    return (side + 1) // 2


def _load(name: str, stages: list[Stage]) -> None:
    """Put torchvision's ImageNet weights into `stages`."""
    from torchvision.models import get_model_weights

    weights = get_model_weights(name).DEFAULT
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise DataMissing(
            f"The ImageNet weights of {name} cannot be fetched ({error}); train from scratch with `weights=none`, or "
            f"put {weights.url.rpartition('/')[2]} into the folder `checkpoints` of torch.hub.get_dir()."
        ) from error
    place = {"conv1": "0", "bn1": "1"}  # of torchvision's modules in the stem
    parts = {key: key.partition(".") for key in state}
    stem = {f"{place[part]}.{rest}": state[key] for key, (part, _, rest) in parts.items() if part in place}
    stages[0].load_state_dict(stem)
    for number, stage in enumerate(stages[1:], start=1):
        prefix = f"layer{number}."
        stage.load_state_dict({key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)})


class ResNetBackbone(Backbone):
    """What the residual networks have in common: only their names differ."""

    name: Name

    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """Stem and four layers."""
        channels, rows, columns = require_image(self.name, inputs)
        return resnet(self.name, (rows, columns), width, inputs=channels)


@register("resnet18", paper="He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, CVPR 2016")
class ResNet18(ResNetBackbone):
    """ResNet-18 as five stages that end in a map: stem and four layers. BatchNorm has statistics for every tower."""

    name = "resnet18"


@register("resnet34", paper="He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, CVPR 2016")
class ResNet34(ResNetBackbone):
    """ResNet-34 as five stages that end in a map: stem and four layers. BatchNorm has statistics for every tower."""

    name = "resnet34"


@register("resnet50", paper="Yu, Koltun, Funkhouser, Dilated Residual Networks, CVPR 2017")
class ResNet50(ResNetBackbone):
    """ResNet-50 as five stages, dilated, that end in a map of stride 8. BatchNorm has statistics for every tower."""

    name = "resnet50"
