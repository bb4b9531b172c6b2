"""The losses of a batch of a suite, and the cosines of their gradients that records report."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from bench.core.data import Batch
from bench.core.losses import compute_loss
from bench.core.missing import find_labelled
from bench.core.sharing import learning_copies
from bench.core.state import TrainState
from bench.core.task import refuse_broadcasting
from bench.loop.gradients import TaskGradients, cosines
from bench.training.model import MultiTaskModel


def task_cosines(model: MultiTaskModel, batches: Iterable[Batch], state: TrainState) -> Tensor | None:
    """The mean over batches of the cosines of the task gradients, (T, T), with the model in evaluation mode.

    The mean of a pair is over the batches with labels of both tasks; 0 where there was none.

    Over the shared parameters; where tasks share none, row t of J is the gradient of loss t by the task's own copies,
    which are aligned over tasks. None where there are neither.
    """
    model.eval()
    by_batch, present = [], []
    for batch in batches:
        losses = compute_losses(model, batch, state)
        present.append(find_present(model, batch))
        gradients = TaskGradients(losses, model.learning)
        if any(gradients.shared) or len(losses) == 1:
            by_batch.append(cosines(gradients.gramian()))
        elif not (copies := learning_copies(model.sharing)):
            break
        else:
            at = {parameter: number for number, parameter in enumerate(gradients.parameters)}
            rows = [
                [(each[t], gradients.rows[t][at[each[t]]]) for each in copies.values()] for t, _ in enumerate(losses)
            ]
            # Where a task moves no copy of its own, as before its turn, its row is 0, and so are its cosines.
            J = torch.stack(
                [torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for p, g in row]) for row in rows]
            )
            by_batch.append(cosines(J @ J.T))
    model.train()
    if not by_batch:
        return None
    means = average_pairs(by_batch, present)
    return means if all(tasks is None for tasks in present) else means.fill_diagonal_(1.0)


def average_pairs(by_batch: Sequence[Tensor], present: Sequence[Sequence[int] | None]) -> Tensor:
    """The mean of matrices (T, T), one for each batch, a pair over the batches with labels of both; 0 where none was.

    present: for each batch the numbers of the tasks that have a label in it; None for all, as `find_present` has it.
    """
    whole = torch.stack(tuple(by_batch))
    if all(tasks is None for tasks in present):
        return whole.mean(dim=0)
    both = torch.zeros_like(whole)
    for mask, tasks in zip(both, present, strict=True):
        there = torch.tensor(range(len(mask)) if tasks is None else tasks, dtype=torch.long)
        mask[there[:, None], there] = 1.0
    return (whole * both).sum(dim=0) / both.sum(dim=0).clamp(min=1)


def compute_losses(model: MultiTaskModel, batch: Batch, state: TrainState) -> list[Tensor]:
    """The T losses of one batch, in the order of the tasks, each 0-dimensional: the mean over its labels, or 0.

    Raises UsageError where predictions and targets would be broadcast against each other.
    """
    inputs, targets = batch
    predictions = model(inputs, state)
    for task in model.tasks:
        refuse_broadcasting(task.name, predictions[task.name], targets[task.name])
    return [
        compute_loss(task.loss, predictions[task.name], targets[task.name], task.name in model.partly_labelled)
        for task in model.tasks
    ]


def find_present(model: MultiTaskModel, batch: Batch) -> list[int] | None:
    """The numbers of the tasks that have a label in `batch`; None where all have one, as on complete data always."""
    if not model.partly_labelled:
        return None
    _, targets = batch
    asked = [t for t, task in enumerate(model.tasks) if task.name in model.partly_labelled]
    # One answer for all tasks: reading it waits for the device.
    answers = torch.stack([find_labelled(targets[model.tasks[t].name]).any() for t in asked]).tolist()
    absent = {t for t, there in zip(asked, answers, strict=True) if not there}
    return [t for t, _ in enumerate(model.tasks) if t not in absent] if absent else None
