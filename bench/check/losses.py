"""A few steps of training as a weighting sees them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.options import defaults
from bench.core.state import StepState, TrainState
from bench.core.weighting import Weighting

TASK_COUNTS = (2, 1, 5)
STEPS = 3


class WeightingCase:
    """A weighting of 1, 2 and 5 tasks."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def build(
        self, tasks: int, values: Mapping[str, Any] | None = None, dtype: torch.dtype = torch.float64
    ) -> Weighting:
        """An instance, with the defaults where `values` is not given."""
        names = [f"task{t:02d}" for t in range(tasks)]
        weighting: Weighting = self.entry.build(names, **(defaults(self.entry) if values is None else values))
        return weighting.to(dtype)


def make_losses(tasks: int, step: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Losses that fall from step to step, each at its own rate."""
    return torch.tensor([(1.0 + t) * 0.9 ** (step * (t + 1)) for t in range(tasks)], dtype=dtype, requires_grad=True)


def gramian_of(tasks: int, step: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """The Gramian of task gradients in eight dimensions, some of which conflict; they change from step to step."""
    t, k = torch.meshgrid(torch.arange(tasks), torch.arange(8), indexing="ij")
    J = (1.0 + t) * torch.cos(1.3 * t * (k + 1.0) + 0.1 * step)
    return (J @ J.T).to(dtype)


def make_step_state(weighting: Weighting, losses: Tensor, step: int = 0, gramian: Tensor | None = None) -> StepState:
    """What the weighting is told at a step; with a Gramian where it asks for one."""
    if not weighting.needs_gramian:
        return StepState(losses, moment(step))
    return StepState(losses, moment(step), gramian_of(len(losses), step, losses.dtype) if gramian is None else gramian)


def moment(step: int) -> TrainState:
    """A step of a run of ten updates."""
    return TrainState(step, 10, "train", torch.Generator().manual_seed(step))


def total_of(weighting: Weighting, losses: Tensor, step: int = 0) -> tuple[Tensor, Tensor]:
    """(weights, total) of one step, as training adds them up."""
    weights = weighting(make_step_state(weighting, losses, step))
    return weights, weights @ losses + weighting.regulariser()


def weights_of(weighting: Weighting, tasks: int, steps: range = range(STEPS)) -> list[Tensor]:
    """The weights of a few steps, in which the parameters of the weighting train as well."""
    found = []
    for step in steps:
        weights, total = total_of(weighting, make_losses(tasks, step), step)
        torch.autograd.backward(total)
        with torch.no_grad():
            for parameter in weighting.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.1 * parameter.grad)
                parameter.grad = None
        if weighting.needs_second_forward:
            weighting.observe(0.95 * make_losses(tasks, step + 1).detach())
        found.append(weights.detach().clone())
    return found
