"""Fresh modules of a suite, made fit for sharing: lazy layers know their shapes, and no layer works in place.

Called once for every backbone and head, before any method sees them.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bench.core.modules import Modules
from bench.core.suite import Stage
from bench.core.task import Shape
from bench.errors import UsageError


def prepare_stages(stages: nn.ModuleList, input_shape: Shape) -> Modules[Stage]:
    """The stages of a backbone, ready to be trained; each takes rows of the `output_shape` of the one before.

    A stage without `output_shape` keeps the shape. Every copy of a stage keeps its `stage_number` in the backbone, by
    which features of the same depth are found, whatever a sharing makes of the stages. Raises UsageError as
    `prepare_module` does.
    """
    shape = input_shape
    for number, stage in enumerate(stages):
        stage.stage_number = number  # type: ignore[assignment]
        prepare_module(stage, shape, f"Stage {number} of the backbone")
        shape = getattr(stage, "output_shape", shape)
    return Modules(cast(Iterable[Stage], stages))


def prepare_module(module: nn.Module, shape: Shape, what: str) -> nn.Module:
    """`module`, for rows of `shape`: its lazy layers get their weights, and layers with a switch `inplace` have it off.

    A layer that works in place writes into the features that other parts of a method read: off, the numbers are the
    same for every method. Weights of lazy layers are drawn from torch's generator, as the weights of other layers.
    Raises UsageError, which names the module as `what`, where a lazy layer does not take such rows.
    """
    turn_off_inplace(module)
    if any(map(is_lazy, (*module.parameters(), *module.buffers()))):
        _fill(module, shape, what)
    return module


def turn_off_inplace(module: nn.Module) -> None:
    """Let no layer with a switch `inplace` write into what it is given."""
    for part in module.modules():
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment]


@torch.no_grad()
def _fill(module: nn.Module, shape: Shape, what: str) -> None:
    """Run two rows of zeros through `module`, which is how torch gives lazy layers their weights."""
    training = [part for part in module.modules() if part.training]
    module.eval()  # or dropout would draw random numbers, and batch norm would count the zeros
    try:
        module(torch.zeros(2, *shape))
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{what} should take rows of the shape {shape}, from which its lazy layers get theirs. Found "
            f"{type(error).__name__}: {why.rstrip('.')}; correct the shape, or give the layer its sizes."
        ) from error
    left = [name for name, p in (*module.named_parameters(), *module.named_buffers()) if is_lazy(p)]
    if left:
        raise UsageError(
            f"{what} should run through all of its lazy layers. Found no shape for {left[:5]}; use them in `forward`, "
            "or remove them."
        )
    for part in training:
        part.training = True
