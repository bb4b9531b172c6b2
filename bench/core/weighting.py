"""Weighting: how T losses become one step."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from bench.core.state import StepState


class Weighting(nn.Module, ABC):
    """Maps T losses to T weights. Its own parameters, if any, train beside the model without weight decay."""

    def __init__(self, tasks: list[str]) -> None:
        super().__init__()
        self.tasks = tasks

    @abstractmethod
    def forward(self, state: StepState) -> Tensor:
        """The weights, shape (T,), on the device of the losses; the step's loss is weights . losses."""

    def regulariser(self) -> Tensor | float:
        """A term of the weighting's own, added to the weighted losses."""
        return 0.0
