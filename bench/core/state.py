"""The training state that forward passes and loss weightings receive.

Training writes it; methods read it, and draw from its generator.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@contextmanager
def draw_from(generator: torch.Generator | None) -> Iterator[None]:
    """Seed torch's own generators from `generator`, for libraries that cannot be given one; restore them afterwards."""
    seed = int(torch.randint(2**62, (), generator=generator))
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield


@dataclass(frozen=True)
class Phase:
    """A part of the budget: `share`, in (0, 1], of all updates. The schedule and the optimiser start anew in it."""

    name: str
    share: float


@dataclass
class TrainState:
    """Step, phase and budget of a run. Outside training `step` is the last one.

    Args:
        step: updates done.
        updates: in the whole budget.
        phase: the name of the current phase.
        generator: on the CPU, the source of everything random in a method; None where no updates are made.
        steps_per_epoch: updates of an epoch.
    """

    step: int = 0
    updates: int = 1
    phase: str = "train"
    generator: torch.Generator | None = None
    steps_per_epoch: int = 1

    @property
    def progress(self) -> float:
        """Share of the budget spent, in [0, 1]."""
        return self.step / self.updates

    @property
    def epoch(self) -> int:
        """The epoch that update `step` belongs to, from 0."""
        return self.step // self.steps_per_epoch


@dataclass
class StepState:
    """What a weighting sees: the T losses of this step, the moment and, where it asks for it, the Gramian.

    `gramian` is G = J J^T (T, T), without a gradient, with row t of J the gradient of loss t by the shared
    parameters: those that autograd finds reached by two losses or more. None unless `needs_gramian`.

    Where labels are missing, a batch may have none of a task. Losses and Gramian are then those of the P tasks that
    have some, in their order, and `present` holds the numbers of these tasks, int64 (P,), P >= 1. It is None where
    all T are there.
    """

    losses: Tensor
    train: TrainState
    gramian: Tensor | None = None
    present: Tensor | None = None

    def take(self, values: Tensor) -> Tensor:
        """Of values (T, ...), one for each task of the suite, those of the tasks whose losses these are, (P, ...)."""
        return values if self.present is None else values[self.present]
