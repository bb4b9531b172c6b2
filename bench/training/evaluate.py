"""Evaluation: sufficient statistics of a split, in large batches."""

from typing import Any

import torch

from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.training.model import MultiTaskModel

State = dict[str, Any]


@torch.inference_mode()
def evaluate(model: MultiTaskModel, dataset: Dataset, state: TrainState, rows: int = 1000) -> dict[str, State]:
    """task -> statistics over all rows of `dataset`, with the model in evaluation mode."""
    model.eval()
    metrics = {task.name: task.metric() for task in model.tasks}
    for inputs, targets in dataset.slices(rows):
        for task, prediction in model(inputs, state).items():
            metrics[task].update(prediction, targets[task])
    model.train()
    return {task: metric.state() for task, metric in metrics.items()}
