"""The gradient of every loss by every parameter, computed once: their Gramian, and one step from all of them.

`module` uses it for weightings that ask for the Gramian, `learned` for the cosines that records report.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.core.data import Batch
from bench.core.losses import compute_loss
from bench.core.missing import find_labelled
from bench.core.sharing import learning_copies
from bench.core.state import TrainState
from bench.core.task import refuse_broadcasting
from bench.training.devices.ranks import Ranks
from bench.training.model import MultiTaskModel


class TaskGradients:
    """The gradients of T losses by the parameters of a model.

    A parameter is shared where autograd finds it reached by two losses or more; T backward passes in all, and
    no further one when a step is made.

    Attributes:
        parameters: in the order given.
        rows: T lists with a gradient per parameter, None where the loss does not reach it.
        shared: for every parameter, whether two losses or more reach it.
    """

    def __init__(self, losses: Sequence[Tensor], parameters: Sequence[Parameter], ranks: Ranks | None = None) -> None:
        """Run one backward pass per loss.

        Args:
            losses: T separate tensors, 0-dimensional. Not the entries of a stack: through it every loss would reach
                every parameter, with zeros, and all would count as shared.
            parameters: that learn.
            ranks: the processes that share the batch; gradients are then averaged over them.
        """
        rows = [torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True) for loss in losses]
        if ranks:
            means = iter(ranks.average([gradient for row in rows for gradient in row if gradient is not None]))
            rows = [tuple(None if gradient is None else next(means) for gradient in row) for row in rows]
        self._hold(parameters, rows)

    @classmethod
    def from_rows(cls, parameters: Sequence[Parameter], rows: Sequence[Sequence[Tensor | None]]) -> "TaskGradients":
        """From computed gradients: row t has the gradients of loss t, None where it does not reach a parameter."""
        gradients = cls.__new__(cls)
        gradients._hold(parameters, rows)
        return gradients

    def _hold(self, parameters: Sequence[Parameter], rows: Sequence[Sequence[Any]]) -> None:
        """Set the attributes, and find the shared parameters."""
        self.parameters, self.rows = list(parameters), rows
        self.shared = [sum(row[at] is not None for row in rows) > 1 for at, _ in enumerate(self.parameters)]

    def gramian(self) -> Tensor:
        """G = J J^T (T, T): inner products of the task gradients over the shared parameters; 0 while none are.

        Of a single task over all parameters.
        """
        # Parameter by parameter: J as a whole would be T copies of the model.
        first = next(gradient for row in self.rows for gradient in row if gradient is not None)
        total: Tensor = first.new_zeros(len(self.rows), len(self.rows))
        for at, parameter in enumerate(self.parameters):
            if self.shared[at] or len(self.rows) == 1:
                each: list[Tensor] = [torch.zeros_like(parameter) if row[at] is None else row[at] for row in self.rows]
                J = torch.stack([gradient.reshape(-1) for gradient in each])
                total += J @ J.T
        return total

    def combine(self, weights: Tensor, scales: str, factor: float = 1.0) -> list[Tensor | None]:
        """factor * sum_t w_t g_t for each parameter, None where no loss reaches it.

        Args:
            weights: w (T,).
            scales: `losses`, or `shared`, where w_t is 1 for parameters that are not shared (`Weighting.scales`).
            factor: on all of it.

        Returns:
            Gradients in the memory format of their parameters: fused optimisers read both in the order of their bytes.
        """
        own = torch.ones_like(weights) if scales == "shared" else weights
        sums: list[Tensor | None] = []
        for at, shared in enumerate(self.shared):
            terms = [
                (factor * weight) * row[at]
                for weight, row in zip(weights if shared else own, self.rows, strict=True)
                if row[at] is not None
            ]
            sums.append(torch.empty_like(self.parameters[at]).copy_(sum(terms)) if terms else None)
        return sums


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
            rows = [[gradients.rows[t][at[each[t]]] for each in copies.values()] for t, _ in enumerate(losses)]
            J = torch.stack([torch.cat([g.reshape(-1) for g in row if g is not None]) for row in rows])
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


def cosines(gramian: Tensor) -> Tensor:
    """G_st / sqrt(G_ss G_tt) of a Gramian (T, T), with 1 on the diagonal and 0 where a gradient is zero."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    lengths = torch.outer(norms, norms)
    angles = torch.where(lengths > 0, gramian / lengths, 0.0).clamp(-1, 1)  # rounding may leave [-1, 1]
    return angles.fill_diagonal_(1.0)


@dataclass(frozen=True)
class Step:
    """The loss of one batch, or its gradients, before the backward pass.

    Args:
        total: the step's loss, 0-dimensional.
        losses: the T losses in it, (T,), without a gradient.
        gradients: pairs of a parameter and the gradient of the weighted losses, from a Gramian weighting; without
            them `total` is differentiable.
        rest: with `gradients`, the further terms of `total`, differentiable: regularisers and penalties.
        present: the tasks with a label in the batch, as numbers; None where all have some.
    """

    total: Tensor
    losses: Tensor
    gradients: list[tuple[Parameter, Tensor]] | None = None
    rest: Tensor | None = None
    present: Sequence[int] | None = None

    def backward(self) -> None:
        """Add the gradient of the step to the `grad` of every parameter."""
        if self.gradients is None:
            torch.autograd.backward(self.total)
            return
        if self.rest is not None and self.rest.requires_grad:
            torch.autograd.backward(self.rest)
        for parameter, gradient in self.gradients:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
