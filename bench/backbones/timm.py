"""Any network of timm, cut into stages; timm is an optional extra."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from bench.api import Backbone, InputForm, Shape, UsageError, refuse_width, register, require_image
from bench.errors import hint
from bench.toolbox.cut import Cuts, apply_cuts, find_cuts


class Maps(nn.Module):
    """What timm calls the features of a network, before any pooling."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.network.forward_features(x)
        return features


@register("timm")
class Timm(Backbone):
    """A network of timm by its name there, as `timm:model=convnext_atto`, cut where its maps change size.

    It ends as `forward_features` does where that is a map (n, c, rows, columns), else, as for transformers, in the
    vector before the classifier. Weights are fresh, and channels its own: it has no width. BatchNorm has statistics for
    every tower. Needs timm: `pip install 'mtlbench[timm]'`.
    model: name in `timm.list_models()`.
    """

    scalable = False

    def __init__(self, *, model: str = "resnet18") -> None:
        self.model = model

    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """Stages of fresh weights; UsageError where timm or the network is not there, or it cannot be cut."""
        name = f"timm:model={self.model}"
        shape = require_image(name, inputs)
        refuse_width(name, width)
        network = _build_network(self.model, shape)
        maps, cuts = _find_network_cuts(self.model, shape)
        return apply_cuts(Maps(network) if maps else network, cuts)


def _import_timm() -> Any:
    """The package. Raises UsageError, with what installs it, where it is not there."""
    try:
        import timm
    except ImportError as error:
        raise UsageError(f"`timm:model=...` needs timm; `pip install 'mtlbench[timm]'` brings it ({error}).") from error
    return timm


def _build_network(model: str, shape: Shape) -> nn.Module:
    """The network with fresh weights and no classifier, for images of `shape`; nothing is fetched."""
    timm = _import_timm()
    known = timm.list_models()
    if model.partition(".")[0] not in known:  # behind a dot timm names weights, which are not used
        raise UsageError(f"There is no network `{model}` in timm; {hint(model, known)}.")
    config = timm.get_pretrained_cfg(model)
    # Networks with a grid of positions are made for one size of images.
    fixed = {"img_size": shape[1:]} if config is not None and config.fixed_input_size else {}
    try:
        network: nn.Module = timm.create_model(model, pretrained=False, num_classes=0, in_chans=shape[0], **fixed)
    except (AssertionError, TypeError, ValueError) as error:
        raise UsageError(
            f"`timm:model={model}` should be given images that it can be made for. Found {shape[1]}x{shape[2]} with "
            f"{shape[0]} channels ({' '.join(str(error).split())[:160].rstrip('.')}); resize them, or choose another."
        ) from error
    return network


@cache
def _find_network_cuts(model: str, shape: Shape) -> tuple[bool, Cuts]:
    """Whether the features of a network are maps, and its cuts.

    Its last stage ends in a map where `forward_features` does; transformers go on to their own pooling.
    """
    with torch.random.fork_rng(devices=[]):  # the first network of a process draws no more numbers than others
        network = _build_network(model, shape)
    cuts = find_cuts(Maps(network), shape)
    if len(cuts.shapes[-1]) == 3:
        return True, cuts
    return False, find_cuts(network, shape)
