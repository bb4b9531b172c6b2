"""Modules of a user, copied with all that belongs to them, and drawn anew for towers that start apart."""

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize

from bench.core.modules import separate_class
from bench.errors import UsageError

M = TypeVar("M", bound=nn.Module)


def copy_module(module: M, what: str) -> M:
    """A copy. Raises UsageError, which names the module as `what`, for one that cannot be copied."""
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        old = any(hasattr(part, "weight_g") or hasattr(part, "weight_orig") for part in module.modules())
        why = "a weight of `torch.nn.utils.weight_norm` or `spectral_norm`" if old else " ".join(str(error).split())
        remedy = "take `torch.nn.utils.parametrizations`" if old else "keep tensors as parameters or buffers"
        raise UsageError(
            f"{what} should be modules that can be copied, since every tower has its own. Found "
            f"{why[:200].rstrip('.')}; {remedy}."
        ) from error


def draw_again(module: nn.Module) -> None:
    """Draw the weights of a module anew, layer by layer; frozen layers, and batch norm in evaluation, stay.

    Raises UsageError for a layer with a matrix that does not know how.
    """
    if hasattr(module, "refuse_drawing"):
        module.refuse_drawing()  # type: ignore[operator]
    for child in module.children():
        if not isinstance(child, nn.ModuleDict) or not parametrize.is_parametrized(module):
            draw_again(child)
    if parametrize.is_parametrized(module):
        _draw_parametrized(module)
        return
    own = list(module.parameters(recurse=False))
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    kept = isinstance(module, nn.modules.batchnorm._BatchNorm) and not module.training  # with its statistics
    if kept or not own or not all(parameter.requires_grad for parameter in own):
        return
    if callable(reset):
        reset()
    elif any(parameter.dim() > 1 for parameter in own):
        raise UsageError(
            "Layers should know how to draw their weights anew, for a method whose towers or experts start apart. "
            f"Found a `{type(module).__name__}` without `reset_parameters`; add it, or give `stages` as a function of "
            "a width that returns fresh ones."
        )


def _draw_parametrized(module: nn.Module) -> None:
    """Draw a layer with parametrized weights, as by weight norm: those of a plain one, written as they are here."""
    if not all(parameter.requires_grad for parameter in module.parameters()):
        return
    plain = copy.deepcopy(module)
    separate_class(plain)
    names = list(module.parametrizations)  # type: ignore[arg-type]
    for name in names:
        parametrize.remove_parametrizations(plain, name)
    draw_again(plain)
    with torch.no_grad():
        for name, value in plain.named_parameters(recurse=False):
            if name in names:
                setattr(module, name, value.data)
            else:
                getattr(module, name).copy_(value)
