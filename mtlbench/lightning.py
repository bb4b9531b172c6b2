"""Methods under Lightning's Trainer: `mb.lightning.MultiTaskModule` to subclass, `mb.lightning.Hold` as a callback."""

from bench.training.own_module import HoldCallback as Hold
from bench.training.own_module import MultiTaskLightning as MultiTaskModule

__all__ = ["Hold", "MultiTaskModule"]
