"""The gradient of every loss by every parameter, computed once: their Gramian, and one step from all of them.

A step asks for them where the weighting asks for the Gramian; records report their cosines.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.errors import UsageError
from bench.loop.ranks import Ranks

STRETCH = 1 << 18  # numbers of a gradient that are worked on at once: a few of them fit into the cache of a processor


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
        retain: bool = True,
    ) -> None:
        """Run one backward pass per loss.

        Args:
            losses: T separate tensors, 0-dimensional. Not the entries of a stack: through it every loss would reach
                every parameter, with zeros, and all would count as shared.
            parameters: that learn.
            ranks: the processes that share the batch; gradients are then averaged over them.
            scale: of the losses on the way back, so that small gradients of float16 stay above 0; taken off again.
            reach: for each loss which parameters it reaches, where autograd cannot tell, as behind a compiled graph.
            retain: keep the graph after the last loss; without it memory is freed on the way back.
        """
        last = len(losses) - 1
        rows = [self._differentiate(loss, parameters, scale, retain or t < last) for t, loss in enumerate(losses)]
        if reach is not None:
            rows = [
                [g if known else None for g, known in zip(*of, strict=True)] for of in zip(rows, reach, strict=True)
            ]
        if ranks:
            means = iter(ranks.average([gradient for row in rows for gradient in row if gradient is not None]))
            rows = [tuple(None if gradient is None else next(means) for gradient in row) for row in rows]
        self._hold(parameters, rows)

    @staticmethod
    def _differentiate(
        loss: Tensor, parameters: Sequence[Parameter], scale: float, retain: bool
    ) -> Sequence[Tensor | None]:
        """The gradient of one loss by every parameter; None where it does not reach, as a loss that is no function."""
        if not (loss.requires_grad and parameters):
            return [None] * len(parameters)
        plain = scale == 1.0
        scaled = loss if plain else loss * scale
        try:
            found = torch.autograd.grad(scaled, parameters, retain_graph=retain, allow_unused=True)
        except RuntimeError as error:
            if "use_reentrant=True" not in str(error):
                raise
            raise UsageError(
                "Checkpoints should be made with `use_reentrant=False` under a weighting that looks at each task's "
                "gradient. Found one with `use_reentrant=True`, through which torch computes no such gradient."
            ) from error
        # A sparse one, as of an embedding, knows no inner products.
        row = [gradient.to_dense() if gradient is not None and gradient.is_sparse else gradient for gradient in found]
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
        if all(gradient is None for row in rows for gradient in row):
            raise refuse_unreached()
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
                flat = [gradient.reshape(-1) for gradient in each]
                # In stretches that stay in the cache: stacked whole, J would be written to memory and read again.
                for begin in range(0, parameter.numel(), STRETCH):
                    J = torch.stack([gradient[begin : begin + STRETCH] for gradient in flat])
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
                (factor * weight, row[at])
                for weight, row in zip(weights if shared else own, self.rows, strict=True)
                if row[at] is not None
            ]
            sums.append(_sum_weighted(terms, self.parameters[at]) if terms else None)
        return sums


def _sum_weighted(terms: Sequence[tuple[Tensor, Tensor]], like: Tensor) -> Tensor:
    """sum_i w_i g_i of (w, g) in the shape and memory format of `like`."""
    total = torch.empty_like(like)
    if any(gradient.stride() != total.stride() for _, gradient in terms) or not _is_dense(total):
        return total.copy_(torch.as_tensor(sum(weight * gradient for weight, gradient in terms)))
    # Elementwise in the order of memory, a stretch at a time, so that products are added while they are in the cache.
    out, parts = _flatten_memory(total), [(weight, _flatten_memory(gradient)) for weight, gradient in terms]
    (first, begin_with), *others = parts
    for begin in range(0, len(out), STRETCH):
        stretch = out[begin : begin + STRETCH]
        torch.mul(begin_with[begin : begin + STRETCH], first, out=stretch)
        for weight, gradient in others:
            stretch.add_(gradient[begin : begin + STRETCH] * weight)
    return total


def _is_dense(x: Tensor) -> bool:
    """Whether the numbers of a tensor lie in one stretch of memory without gaps, in whatever order of its axes."""
    return x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))


def _flatten_memory(x: Tensor) -> Tensor:
    """A dense tensor as a vector in the order of memory, without a copy."""
    return x.view(-1) if x.is_contiguous() else x.permute(0, 2, 3, 1).reshape(-1)


def refuse_unreached() -> UsageError:
    """The one sentence on losses that train nothing, to be raised."""
    return UsageError(
        "Losses should depend on parameters that learn. Found none that they reach; compute them from the predictions "
        "of the same network."
    )


def cosines(gramian: Tensor) -> Tensor:
    """G_st / sqrt(G_ss G_tt) of a Gramian (T, T), with 1 on the diagonal and 0 where a gradient is zero."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    lengths = torch.outer(norms, norms)
    angles = torch.where(lengths > 0, gramian / lengths, 0.0).clamp(-1, 1)  # rounding may leave [-1, 1]
    return angles.fill_diagonal_(1.0)
