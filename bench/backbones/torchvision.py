"""Any classification network of torchvision, cut into stages."""

import inspect
from functools import cache
from typing import Any

import torch
from torch import nn

from bench.api import Backbone, InputForm, Shape, UsageError, refuse_width, register, require_image
from bench.errors import hint
from bench.toolbox.cut import Cuts, apply_cuts, find_cuts

HEADS = ("avgpool", "classifier", "head", "heads", "fc")  # what torchvision calls the layers behind the features


@register("torchvision")
class Torchvision(Backbone):
    """A network of torchvision by its name there, as `torchvision:model=convnext_tiny`, cut where its maps change size.

    It ends before its classifier: in a map where it has one, else in a vector. Weights are fresh, and channels its own:
    it has no width. BatchNorm has statistics for every tower. Networks that take images of one size say so.
    model: name of a classification network.
    """

    scalable = False

    def __init__(self, *, model: str = "resnet18") -> None:
        self.model = model

    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """Stages of fresh weights; UsageError where there is no such network, or it cannot be cut."""
        name = f"torchvision:model={self.model}"
        shape = require_image(name, inputs)
        refuse_width(name, width)
        network = _build_network(self.model, shape)
        return apply_cuts(network, _find_network_cuts(self.model, shape))


def _build_network(model: str, shape: Shape) -> nn.Module:
    """The network with fresh weights; its first convolution takes as many channels as the images have."""
    from torchvision import models

    known = models.list_models(module=models)
    if model not in known:
        raise UsageError(f"There is no classification network `{model}` in torchvision; {hint(model, known)}.")
    builder = models.get_model_builder(model)
    classes: list[Any] = [cls for cls in vars(inspect.getmodule(builder)).values() if inspect.isclass(cls)]
    accepted = {name for cls in classes if issubclass(cls, nn.Module) for name in inspect.signature(cls).parameters}
    # Side branches exist in training only; the way of drawing weights is warned of where it is left open.
    # Networks with a grid of positions are made for one size of images.
    wanted = {"aux_logits": False, "init_weights": True, "image_size": shape[1], "input_size": shape[1:]}
    given: dict[str, Any] = {name: value for name, value in wanted.items() if name in accepted}
    try:
        network: nn.Module = builder(weights=None, **given)
    except (AssertionError, ValueError) as error:  # transformers cut the image into windows
        raise UsageError(
            f"`torchvision:model={model}` should be given images of a size that it can divide. Found {shape[1]}x"
            f"{shape[2]} ({' '.join(str(error).split())[:160].rstrip('.')}); resize them, or choose another network."
        ) from error
    if shape[0] != 3:
        _take_channels(network, shape[0])
    return network


def _take_channels(network: nn.Module, channels: int) -> None:
    """Put a convolution for images of so many channels in the place of the first one."""
    name, first = next((name, m) for name, m in network.named_modules() if isinstance(m, nn.Conv2d))
    shape: Any = first.kernel_size, first.stride, first.padding
    owner, _, attribute = name.rpartition(".")
    changed = nn.Conv2d(channels, first.out_channels, *shape)
    if first.bias is None:
        changed.register_parameter("bias", None)
    setattr(network.get_submodule(owner), attribute, changed)


@cache
def _find_network_cuts(model: str, shape: Shape) -> Cuts:
    """Where a network of torchvision is cut, for images of `shape`."""
    with torch.random.fork_rng(devices=[]):  # the first network of a process draws no more numbers than others
        network = _build_network(model, shape)
    until = next(name for name in HEADS if hasattr(network, name))
    return find_cuts(network, shape, until=until, maps=True)
