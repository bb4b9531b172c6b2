"""The backbone of an own data set, by its name."""

from torch import nn

from bench.api import UsageError
from bench.backbones.mlp import mlp


def build_backbone(text: str, input_shape: tuple[int, ...], width: float) -> nn.ModuleList:
    """Fresh stages of the network that `text` names, for rows of `input_shape`. Raises UsageError for another text."""
    name, _, options = text.partition(":")
    hidden = options.removeprefix("hidden=").split("/")
    if name != "mlp" or not options.startswith("hidden=") or not all(size.isdigit() and int(size) for size in hidden):
        raise UsageError(f"`backbone` should read `mlp:hidden=64/64`. Found `{text}`.")
    return mlp(input_shape[0], tuple(map(int, hidden)), width)
