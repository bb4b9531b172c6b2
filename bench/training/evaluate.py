"""Evaluation: sufficient statistics of a split, in large batches.

Used after every epoch on validation, and once at the end on the test split. Scores are made of statistics elsewhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from bench.core.data import Dataset
from bench.core.missing import find_labelled_rows
from bench.core.state import TrainState
from bench.core.task import Task, TaskMetric, refuse_broadcasting
from bench.errors import Diverged
from bench.records.record import Statistics
from bench.training.correctness import Correctness
from bench.training.model import MultiTaskModel

Predictor = tuple[MultiTaskModel, TrainState]  # a model, and the training state of its weights
Predict = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]  # task -> inputs, to task -> predictions

# Limits of one forward pass: its overhead does not matter any more, and its memory is bounded for rows of any size.
MAX_ROWS = 1000
MAX_INPUT_NUMBERS = 2_000_000  # over all rows of an input


def predict(models: Sequence[Predictor], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """task -> head outputs, averaged over the models of an ensemble."""
    each = [model(inputs, state) for model, state in models]
    return each[0] if len(each) == 1 else {task: sum(one[task] for one in each) / len(each) for task in each[0]}


@contextmanager
def evaluation_mode(models: Sequence[Predictor]) -> Iterator[Predict]:
    """inputs -> predictions of `models` in evaluation mode."""
    for model, _ in models:
        model.eval()
    yield partial(predict, models)
    for model, _ in models:
        model.train()


def evaluate(models: Sequence[Predictor], dataset: Dataset, rows: int | None = None) -> dict[str, Statistics]:
    """task, or its pool -> statistics over all rows of `dataset`, with the models in evaluation mode.

    `rows` is the number of rows of a forward pass, by default as many as the limits of this module allow. Models are
    in training mode again afterwards. Raises Diverged where a prediction is not finite.
    """
    with evaluation_mode(models) as function:
        return collect_statistics(function, models[0][0].tasks, dataset, rows)


def choose_rows(dataset: Dataset) -> int:
    """Rows of one forward pass: as many as the limits of this module allow."""
    return max(1, min(MAX_ROWS, MAX_INPUT_NUMBERS // dataset.row_numbers))


@torch.inference_mode()
def collect_statistics(
    predict: Predict,
    tasks: Sequence[Task],
    dataset: Dataset,
    rows: int | None = None,
    correctness: Correctness | None = None,
) -> dict[str, Statistics]:
    """task, or its pool -> statistics of the predictions of all rows of `dataset` with a label, `rows` at a time.

    Args:
        predict: maps the inputs of some tasks to their predictions.
        tasks: each brings its metric; tasks of a pool share one.
        dataset: the split.
        rows: of one call of `predict`; by default as many as the limits of this module allow.
        correctness: takes note of every row with a label, where given.

    Raises:
        Diverged: a prediction is not finite.
        UsageError: predictions and targets would be broadcast against each other.
    """
    rows = rows or choose_rows(dataset)
    reported = {task.name: task.reported for task in tasks}
    metrics: dict[str, TaskMetric] = {}
    for task in tasks:
        metrics.setdefault(task.reported, task.metric())
    for inputs, targets in dataset.slices(rows):
        for name, prediction in predict(inputs).items():
            if not torch.isfinite(prediction).all():
                raise Diverged(f"The predictions of `{name}` stopped being finite.")
            refuse_broadcasting(name, prediction, target := targets[name])
            if name in dataset.partly_labelled:
                labelled = find_labelled_rows(target)
                if not bool(labelled.any()):
                    continue
                prediction, target = prediction[labelled], target[labelled]
            if unit := dataset.units.get(name):
                prediction, target = unit.restore(prediction, target)
            metrics[reported[name]].update_task(name, prediction, target)
            if correctness:
                correctness.add(name, metrics[reported[name]], prediction, target)
    return {name: metric.state() for name, metric in metrics.items()}
