"""The losses of a batch once more, after the update that it made; for weightings with `needs_second_forward`."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Replay:
    """A second forward pass of one batch, with the random numbers of the first and no side effects.

    Made before the first pass, whose generators it remembers: with another dropout mask, say, the losses would differ
    by more than the update.
    """

    def __init__(self, network: nn.Module, generator: torch.Generator | None) -> None:
        """`generator`: of the run, beside torch's own."""
        self.network, self.generator = network, generator
        self.before = self._generators()

    def _generators(self) -> tuple[Tensor, Tensor | None]:
        """The states of torch's CPU generator and of the run's."""
        return torch.get_rng_state(), self.generator.get_state() if self.generator else None

    def _set_generators(self, states: tuple[Tensor, Tensor | None]) -> None:
        """Set both generators to `states` of `_generators`."""
        torch.set_rng_state(states[0])
        if self.generator and states[1] is not None:
            self.generator.set_state(states[1])

    @torch.no_grad()
    def compute(self, losses: Callable[[], Sequence[Tensor]]) -> Tensor:
        """What `losses` returns under the current weights, stacked; buffers and generators are put back.

        Buffers are running statistics, which a forward pass moves.
        """
        after = self._generators()
        buffers = [(buffer, buffer.clone()) for buffer in self.network.buffers()]
        self._set_generators(self.before)
        again = torch.stack(tuple(losses()))
        self._set_generators(after)
        for buffer, value in buffers:
            buffer.copy_(value)
        return again
