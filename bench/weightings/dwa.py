"""Dynamic weight average: tasks whose loss falls slowly weigh more."""

from typing import Annotated, Any

import torch
from torch import Tensor

from bench.api import Gt, StepState, Weighting, clamp_losses, register


@register(
    "dwa",
    title="dynamic weight average",
    family="weighted losses",
    paper="Liu, Johns, Davison, End-to-End Multi-Task Learning with Attention, CVPR 2019, equation 7",
)
class DWA(Weighting):
    """Weights by how fast each loss fell over the last two epochs.

    w_t = T exp(r_t / temperature) / sum_s exp(r_s / temperature), r_t = L_t(e - 1) / L_t(e - 2), L_t(e) the mean
    training loss of epoch e; 1 in the first two epochs. Weights sum to T. L_t(e) is over the batches with labels of
    task t; an epoch without any does not count for it, and r_t = 1 until two have.

    temperature: > 0; larger is more even.
    """

    total: Tensor
    batches: Tensor
    means: Tensor

    def __init__(self, tasks: list[str], *, temperature: Annotated[float, Gt(0)] = 2.0) -> None:
        super().__init__(tasks)
        self.temperature = temperature
        self.epoch = 0
        self.register_buffer("total", torch.zeros(len(tasks)))  # of the losses of this epoch
        self.register_buffer("batches", torch.zeros(len(tasks)))  # of this epoch, with labels of the task
        self.register_buffer("means", torch.zeros(2, len(tasks)))  # of the last two epochs; 0 where there was none

    def forward(self, state: StepState) -> Tensor:
        """The weights (T,), from the epochs before; the losses count for the epochs to come."""
        if state.train.epoch != self.epoch:
            self._close_epoch()
            self.epoch = state.train.epoch
        losses, place = clamp_losses(state.losses), ... if state.present is None else state.present
        self.total[place] += losses
        self.batches[place] += 1
        if self.epoch < 2:
            return torch.ones_like(losses)
        older, newer = state.take(self.means[0]), state.take(self.means[1])
        rates = torch.where(older > 0, newer / older, 1.0)
        return len(losses) * torch.softmax(rates / self.temperature, dim=0).to(losses)

    def _close_epoch(self) -> None:
        """Note the mean losses of the epoch that has ended, for tasks that had labels in it."""
        seen = self.batches > 0
        self.means[0] = torch.where(seen, self.means[1], self.means[0])
        self.means[1] = torch.where(seen, self.total / self.batches, self.means[1])
        self.total.zero_()
        self.batches.zero_()

    def get_extra_state(self) -> dict[str, Any]:
        """The number of the epoch; a buffer would have to be read from the device at every step."""
        return {"epoch": self.epoch}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]
