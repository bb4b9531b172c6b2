"""Evaluation: sufficient statistics of a split, in large batches."""

from typing import Any

import torch

from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.errors import Diverged
from bench.training.model import MultiTaskModel

State = dict[str, Any]


ROWS, NUMBERS = 1000, 2_000_000  # of one forward pass: at most so many rows, and so many numbers of input


@torch.inference_mode()
def evaluate(model: MultiTaskModel, dataset: Dataset, state: TrainState, rows: int | None = None) -> dict[str, State]:
    """task -> statistics over all rows of `dataset`, with the model in evaluation mode."""
    model.eval()
    largest = max(tensor[:1].numel() for tensor, _ in dataset.groups)
    rows = rows or max(1, min(ROWS, NUMBERS // largest))
    metrics = {task.name: task.metric() for task in model.tasks}
    for inputs, targets in dataset.slices(rows):
        for task, prediction in model(inputs, state).items():
            if not torch.isfinite(prediction).all():
                raise Diverged(f"The predictions of `{task}` stopped being finite.")
            metrics[task].update(prediction, targets[task])
    model.train()
    return {task: metric.state() for task, metric in metrics.items()}
