"""Sharings that go wrong in training, or are hard to repeat, for the tests of the harness."""

import os
import signal
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bench.api import Blueprint, Phase, Sharing, TrainState, register, run_stages


class Plain(Sharing):
    """A trunk for all tasks."""

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.trunk: nn.ModuleList = blueprint.backbone()
        self.output_shape = self.trunk[-1].output_shape  # type: ignore[assignment]

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        return {task: self.spoil(run_stages(list(self.trunk), x), state) for task, x in inputs.items()}

    def spoil(self, features: Tensor, state: TrainState) -> Tensor:
        """What goes wrong."""
        return features


@register("turns_nan")
class TurnsNan(Plain):
    """Features become NaN after three updates."""

    def spoil(self, features: Tensor, state: TrainState) -> Tensor:
        return features * float("nan") if state.step > 3 else features


@register("raises")
class Raises(Plain):
    """Raises an error that names a file by its whole path."""

    def spoil(self, features: Tensor, state: TrainState) -> Tensor:
        if state.step > 3:
            raise RuntimeError("cannot read /home/somebody/secret/weights.bin")
        return features


@register("dies")
class Dies(Plain):
    """Ends its process."""

    def spoil(self, features: Tensor, state: TrainState) -> Tensor:
        if state.step > 3:
            os._exit(9)
        return features


@register("killed")
class Killed(Plain):
    """Is killed, as the system does when memory runs out."""

    def spoil(self, features: Tensor, state: TrainState) -> Tensor:
        if state.step > 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return features


@register("hoards")
class Hoards(Plain):
    """Asks for more memory than there is."""

    def spoil(self, features: Tensor, state: TrainState) -> Tensor:
        return features + torch.empty(1 << 50).sum() if state.step > 3 else features


@register("drops")
class Drops(Plain):
    """Drops features at random, by torch's own generator."""

    def spoil(self, features: Tensor, state: TrainState) -> Tensor:
        return nn.functional.dropout(features, 0.5, self.training)


@register("freezes")
class Freezes(Plain):
    """Freezes its first stage at the second phase, because few updates were made until then."""

    updates: Tensor

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        if self.training:
            self.updates += 1
        return super().forward(inputs, state)

    def phases(self) -> tuple[Phase, ...]:
        return Phase("whole", 0.4), Phase("rest", 0.6)

    def begin(self, phase: str) -> None:
        self.trunk[0].requires_grad_(self.updates.item() > 6)
