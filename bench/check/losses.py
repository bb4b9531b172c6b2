"""A few steps of training as a weighting sees them: made-up losses and Gramians, without any model."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.options import list_defaults
from bench.core.state import StepState, TrainState
from bench.core.weighting import Weighting

TASK_COUNTS = (2, 1, 5)  # the usual case first; then one that has nothing to weigh, and more
STEPS = 3  # updates: some weightings compare the losses of the two steps before


class WeightingCase:
    """A weighting of 1, 2 and 5 tasks, as the rules build it."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def build(
        self, tasks: int, values: Mapping[str, Any] | None = None, dtype: torch.dtype = torch.float64
    ) -> Weighting:
        """An instance.

        tasks: their number; they are called task00, task01, ...
        values: its options by name; by default the defaults.
        dtype: of its parameters and buffers.
        """
        names = [f"task{t:02d}" for t in range(tasks)]
        weighting: Weighting = self.entry.build(names, **(list_defaults(self.entry) if values is None else values))
        return weighting.to(dtype)


def make_losses(tasks: int, step: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Losses (T,) that fall from step to step, each at its own rate: (1 + t) 0.9^(step (t + 1)).

    They are leaves that require a gradient, so that a rule can ask how the total depends on them.
    """
    return torch.tensor([(1.0 + t) * 0.9 ** (step * (t + 1)) for t in range(tasks)], dtype=dtype, requires_grad=True)


def make_gramian(tasks: int, step: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """The Gramian (T, T) of task gradients in eight dimensions, some of which conflict.

    J_tk = (1 + t) cos(1.3 t (k + 1) + 0.1 step); the Gramian is J J^T. It changes from step to step.
    """
    t, k = torch.meshgrid(torch.arange(tasks), torch.arange(8), indexing="ij")
    J = (1.0 + t) * torch.cos(1.3 * t * (k + 1.0) + 0.1 * step)
    return (J @ J.T).to(dtype)


def make_step_state(
    weighting: Weighting,
    losses: Tensor,
    step: int = 0,
    gramian: Tensor | None = None,
    present: Tensor | None = None,
) -> StepState:
    """What the weighting is told at a step.

    gramian: (T, T); by default `make_gramian`. Left out where the weighting does not ask for one.
    present: the tasks whose losses and gradients these are; None for all.
    """
    if not weighting.needs_gramian:
        return StepState(losses, make_moment(step), present=present)
    gramian = make_gramian(len(losses), step, losses.dtype) if gramian is None else gramian
    return StepState(losses, make_moment(step), gramian, present)


def make_moment(step: int) -> TrainState:
    """A step of a run of ten updates, with a generator that depends on the step only."""
    return TrainState(step, 10, "train", torch.Generator().manual_seed(step))


def compute_total(weighting: Weighting, losses: Tensor, step: int = 0) -> tuple[Tensor, Tensor]:
    """(weights (T,), total) of one step, as training adds them up: total = weights . losses + regulariser."""
    weights = weighting(make_step_state(weighting, losses, step))
    return weights, weights @ losses + weighting.regulariser()


def compute_weights(weighting: Weighting, tasks: int, steps: range = range(STEPS)) -> list[Tensor]:
    """The weights (T,) of a few steps, in which the parameters of the weighting train as well.

    steps: numbers of the steps, for losses and generators.
    """
    all_weights = []
    for step in steps:
        weights, total = compute_total(weighting, make_losses(tasks, step), step)
        torch.autograd.backward(total)
        with torch.no_grad():
            for parameter in weighting.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.1 * parameter.grad)
                parameter.grad = None
        if weighting.needs_second_forward:
            weighting.observe(0.95 * make_losses(tasks, step + 1).detach())
        all_weights.append(weights.detach().clone())
    return all_weights
