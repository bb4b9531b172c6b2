"""The losses of a batch once more, after the update that it made."""

from dataclasses import replace

import torch
from torch import Tensor

from bench.core.data import Batch
from bench.core.state import TrainState
from bench.training.gradients import compute_losses
from bench.training.model import MultiTaskModel


class Replay:
    """A second forward pass of one batch, with the random numbers of the first and no trace of its own."""

    def __init__(self, model: MultiTaskModel, state: TrainState, batch: Batch) -> None:
        assert state.generator is not None
        self.model, self.batch, self.generator = model, batch, state.generator
        self.state = replace(state)
        self.before = self._generators()

    def _generators(self) -> tuple[Tensor, Tensor]:
        return torch.get_rng_state(), self.generator.get_state()

    def _set_generators(self, states: tuple[Tensor, Tensor]) -> None:
        torch.set_rng_state(states[0])
        self.generator.set_state(states[1])

    @torch.no_grad()
    def losses(self) -> Tensor:
        """The T losses as they are now; buffers (running statistics) and generators are left as they were."""
        after = self._generators()
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        self._set_generators(self.before)
        losses = torch.stack(compute_losses(self.model, self.batch, self.state))
        self._set_generators(after)
        for buffer, value in buffers:
            buffer.copy_(value)
        return losses
