"""A training step on a batch of a suite, without the optimiser; the arithmetic is `bench.loop.step`."""

from bench.core.data import Batch
from bench.core.state import TrainState
from bench.loop.step import Step, weigh
from bench.training.gradients import compute_losses, find_present
from bench.training.model import MultiTaskModel


def training_step(model: MultiTaskModel, batch: Batch, state: TrainState, mean: bool = False) -> Step:
    """The T losses of a batch as one step, as `weigh` makes it; `mean` divides weighted losses by T."""
    return weigh(model, compute_losses(model, batch, state), state, mean, present=find_present(model, batch))
