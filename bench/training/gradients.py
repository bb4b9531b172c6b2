"""The gradient of every loss by every parameter, computed once: their Gramian, and one step from all of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.core.data import Batch
from bench.core.sharing import learning_copies
from bench.core.state import TrainState
from bench.core.task import refuse_broadcasting
from bench.training.devices.ranks import Ranks
from bench.training.model import MultiTaskModel


class TaskGradients:
    """The gradients of T losses by the parameters of a model.

    A parameter is shared where autograd finds it reached by two losses or more; T backward passes in all, and
    no further one when a step is made.
    """

    def __init__(self, losses: Sequence[Tensor], parameters: Sequence[Parameter], ranks: Ranks | None = None) -> None:
        """`losses` each by itself: through a stack of them, every loss would reach every parameter, by zeros.

        Those of a batch on several `ranks` have gradients that are averaged over them.
        """
        rows = [torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True) for loss in losses]
        if ranks:
            means = iter(ranks.averaged([gradient for row in rows for gradient in row if gradient is not None]))
            rows = [tuple(None if gradient is None else next(means) for gradient in row) for row in rows]
        self._hold(parameters, rows)

    @classmethod
    def of_rows(cls, parameters: Sequence[Parameter], rows: Sequence[Sequence[Tensor | None]]) -> "TaskGradients":
        """Gradients that are there already: row t holds those of loss t, None where it does not reach a parameter."""
        found = cls.__new__(cls)
        found._hold(parameters, rows)
        return found

    def _hold(self, parameters: Sequence[Parameter], rows: Sequence[Sequence[Any]]) -> None:
        self.parameters, self.rows = list(parameters), rows
        self.shared = [sum(row[at] is not None for row in rows) > 1 for at, _ in enumerate(self.parameters)]

    def gramian(self) -> Tensor:
        """G = J J^T (T, T): inner products of the task gradients over the shared parameters; 0 while none are."""
        first = next(gradient for row in self.rows for gradient in row if gradient is not None)
        total: Tensor = first.new_zeros(len(self.rows), len(self.rows))
        for at, parameter in enumerate(self.parameters):
            if self.shared[at] or len(self.rows) == 1:
                each: list[Tensor] = [torch.zeros_like(parameter) if row[at] is None else row[at] for row in self.rows]
                J = torch.stack([gradient.reshape(-1) for gradient in each])
                total += J @ J.T
        return total

    def combined(self, weights: Tensor, scales: str, factor: float = 1.0) -> list[Tensor | None]:
        """factor * sum_t w_t g_t for each parameter; where `scales` is `shared`, w_t is 1 off the shared ones.

        Each lies in memory as its parameter does: fused optimisers read both in the order of their bytes.
        """
        own = torch.ones_like(weights) if scales == "shared" else weights
        found: list[Tensor | None] = []
        for at, shared in enumerate(self.shared):
            terms = [
                (factor * weight) * row[at]
                for weight, row in zip(weights if shared else own, self.rows, strict=True)
                if row[at] is not None
            ]
            found.append(torch.empty_like(self.parameters[at]).copy_(sum(terms)) if terms else None)
        return found


def task_cosines(model: MultiTaskModel, batches: Iterable[Batch], state: TrainState) -> Tensor | None:
    """The mean over batches of the cosines of the task gradients, in evaluation mode (T, T).

    Over the shared parameters; where tasks share none, row t of J is the gradient of loss t by the task's own copies,
    which are aligned with those of the others. None where there are neither.
    """
    model.eval()
    found = []
    for batch in batches:
        losses = compute_losses(model, batch, state)
        gradients = TaskGradients(losses, model.learning)
        if any(gradients.shared) or len(losses) == 1:
            found.append(cosines(gradients.gramian()))
        elif not (copies := learning_copies(model.sharing)):
            break
        else:
            at = {parameter: number for number, parameter in enumerate(gradients.parameters)}
            rows = [[gradients.rows[t][at[each[t]]] for each in copies.values()] for t, _ in enumerate(losses)]
            J = torch.stack([torch.cat([g.reshape(-1) for g in row if g is not None]) for row in rows])
            found.append(cosines(J @ J.T))
    model.train()
    return torch.stack(found).mean(dim=0) if found else None


def compute_losses(model: MultiTaskModel, batch: Batch, state: TrainState) -> list[Tensor]:
    """The T losses of one batch, in the order of the tasks, each 0-dimensional."""
    inputs, targets = batch
    predictions = model(inputs, state)
    for task in model.tasks:
        refuse_broadcasting(task.name, predictions[task.name], targets[task.name])
    return [task.loss(predictions[task.name], targets[task.name]) for task in model.tasks]


def cosines(gramian: Tensor) -> Tensor:
    """G_st / sqrt(G_ss G_tt), with 1 on the diagonal and 0 where a gradient is zero."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    lengths = torch.outer(norms, norms)
    found = torch.where(lengths > 0, gramian / lengths, 0.0).clamp(-1, 1)
    return found.fill_diagonal_(1.0)
