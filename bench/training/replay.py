"""The losses of a batch once more, after the update that it made; for weightings with `needs_second_forward`."""

from dataclasses import replace

import torch
from torch import Tensor

from bench.core.data import Batch
from bench.core.state import TrainState
from bench.training.gradients import compute_losses
from bench.training.model import MultiTaskModel


class Replay:
    """A second forward pass of one batch, with the random numbers of the first and no side effects.

    Made before the first pass, whose training state and generators it remembers: with another dropout mask, say, the
    losses would differ by more than the update.
    """

    def __init__(self, model: MultiTaskModel, state: TrainState, batch: Batch) -> None:
        assert state.generator is not None
        self.model, self.batch, self.generator = model, batch, state.generator
        self.state = replace(state)
        self.before = self._generators()

    def _generators(self) -> tuple[Tensor, Tensor]:
        """The states of torch's CPU generator and of the run's."""
        return torch.get_rng_state(), self.generator.get_state()

    def _set_generators(self, states: tuple[Tensor, Tensor]) -> None:
        """Set both generators to `states` of `_generators`."""
        torch.set_rng_state(states[0])
        self.generator.set_state(states[1])

    @torch.no_grad()
    def losses(self) -> Tensor:
        """The losses (T,) under the current weights; buffers (running statistics) and generators are restored."""
        after = self._generators()
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        self._set_generators(self.before)
        losses = torch.stack(compute_losses(self.model, self.batch, self.state))
        self._set_generators(after)
        for buffer, value in buffers:
            buffer.copy_(value)
        return losses
