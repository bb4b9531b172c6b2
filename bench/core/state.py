"""What a forward pass and a loss weighting are told about the moment of training."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Phase:
    """A part of the budget, as `share` of all updates. The schedule and the optimiser start anew in it."""

    name: str
    share: float


@dataclass
class TrainState:
    """Where a run stands. Outside training `step` is the last one."""

    step: int = 0
    updates: int = 1
    phase: str = "train"
    generator: torch.Generator | None = None

    @property
    def progress(self) -> float:
        """Share of the budget spent, in [0, 1]."""
        return self.step / self.updates


@dataclass
class StepState:
    """What a weighting sees: the T losses of this step, and the moment."""

    losses: Tensor
    train: TrainState
