"""The gradient of every loss by every parameter, computed once: their Gramian, and one step from all of them.

A step asks for them where the weighting asks for the Gramian; records report their cosines.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.loop.ranks import Ranks


class TaskGradients:
    """The gradients of T losses by the parameters of a model.

    A parameter is shared where autograd finds it reached by two losses or more; T backward passes in all, and
    no further one when a step is made.

    Attributes:
        parameters: in the order given.
        rows: T lists with a gradient per parameter, None where the loss does not reach it.
        shared: for every parameter, whether two losses or more reach it.
    """

    def __init__(
        self,
        losses: Sequence[Tensor],
        parameters: Sequence[Parameter],
        ranks: Ranks | None = None,
        scale: float = 1.0,
        reach: Sequence[Sequence[bool]] | None = None,
    ) -> None:
        """Run one backward pass per loss.

        Args:
            losses: T separate tensors, 0-dimensional. Not the entries of a stack: through it every loss would reach
                every parameter, with zeros, and all would count as shared.
            parameters: that learn.
            ranks: the processes that share the batch; gradients are then averaged over them.
            scale: of the losses on the way back, so that small gradients of float16 stay above 0; taken off again.
            reach: for each loss which parameters it reaches, where autograd cannot tell, as behind a compiled graph.
        """
        rows = [self._differentiate(loss, parameters, scale) for loss in losses]
        if reach is not None:
            rows = [
                [g if known else None for g, known in zip(*of, strict=True)] for of in zip(rows, reach, strict=True)
            ]
        if ranks:
            means = iter(ranks.average([gradient for row in rows for gradient in row if gradient is not None]))
            rows = [tuple(None if gradient is None else next(means) for gradient in row) for row in rows]
        self._hold(parameters, rows)

    @staticmethod
    def _differentiate(loss: Tensor, parameters: Sequence[Parameter], scale: float) -> Sequence[Tensor | None]:
        """The gradient of one loss by every parameter; None where it does not reach, as a loss that is no function."""
        if not loss.requires_grad:
            return [None] * len(parameters)
        plain = scale == 1.0
        scaled = loss if plain else loss * scale
        row = torch.autograd.grad(scaled, parameters, retain_graph=True, allow_unused=True)
        return row if plain else [None if gradient is None else gradient / scale for gradient in row]

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


def cosines(gramian: Tensor) -> Tensor:
    """G_st / sqrt(G_ss G_tt) of a Gramian (T, T), with 1 on the diagonal and 0 where a gradient is zero."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    lengths = torch.outer(norms, norms)
    angles = torch.where(lengths > 0, gramian / lengths, 0.0).clamp(-1, 1)  # rounding may leave [-1, 1]
    return angles.fill_diagonal_(1.0)
