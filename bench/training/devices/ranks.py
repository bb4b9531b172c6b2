"""One batch on several processes: each runs the model on its own rows, and all take one and the same step."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bench.core.data import by_input
from bench.errors import UsageError


class Ranks:
    """The `size` processes of a run, of which this one is number `rank`; torch's default process group joins them.

    A process computes the predictions of its rows, r of `size` equal stretches of every input, and is given those of
    all others. So every process has the losses of the whole batch, exactly as one process has them, whatever a loss
    is a mean over (valid pixels differ in number between rows). Gradients flow into the own rows alone, `size` times
    what they are, and the mean over the processes is the gradient of the whole batch: for what is reached through
    the rows, and for what every process reaches alike (regularisers, penalties, learned weights).
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def own(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The rows of this process; tasks that look at one tensor still do. Raises UsageError where rows are left."""
        found: dict[str, Tensor] = {}
        for x, tasks in by_input(inputs):
            share, rest = divmod(len(x), self.size)
            if rest:
                raise UsageError(
                    f"`devices={self.size}` should divide the rows that each input gives to a batch. Found {len(x)}."
                )
            found.update(dict.fromkeys(tasks, x[self.rank * share : (self.rank + 1) * share]))
        return {task: found[task] for task in inputs}

    def whole(self, predictions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The predictions of all processes, in the order of the batch; one message for all tasks."""
        flat = torch.cat([own.detach().reshape(-1) for own in predictions.values()])
        parts = [torch.empty_like(flat) for _ in range(self.size)]
        dist.all_gather(parts, flat)
        sizes = [own.numel() for own in predictions.values()]
        parted = zip(*(torch.split(part, sizes) for part in parts), strict=True)
        found = {}
        for (task, own), pieces in zip(predictions.items(), parted, strict=True):
            rows = [piece.view(own.shape) for piece in pieces]
            rows[self.rank] = _Fold.apply(self.size, own)
            found[task] = torch.cat(rows)
        return found

    def mean(self, x: Tensor) -> Tensor:
        """The mean over the processes, differentiable."""
        found: Tensor = _Mean.apply(self, x)
        return found

    def averaged(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The means over the processes, without a gradient; one message for all of them."""
        if not tensors:
            return []
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat.div_(self.size), [tensor.numel() for tensor in tensors])
        return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]

    @torch.no_grad()
    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes its mean over the processes; where it lies in memory stays as it is."""
        for tensor, mean in zip(tensors, self.averaged(tensors), strict=True):
            tensor.copy_(mean)

    def sync_buffers(self, parameters: Sequence[Tensor], running: Sequence[Tensor]) -> None:
        """Average what each process kept of its own rows (running means of gates).

        Raises RuntimeError where the parameters of the processes have parted, which no built-in method lets happen.
        """
        self.average_(running)
        with torch.no_grad():
            sums = torch.stack([parameter.double().square().sum() for parameter in parameters])
        [mean] = self.averaged([sums])
        if not torch.allclose(sums, mean, rtol=1e-6, atol=0.0, equal_nan=True):
            raise RuntimeError(
                "The processes of a run should hold the same parameters. Found different ones: a part of the method "
                "draws from torch's own generator instead of `state.generator`, or the devices are of different kinds."
            )

    def join_statistics(self, model: nn.Module) -> None:
        """Let every BatchNorm of `model` take its statistics, in training, over the rows of all processes."""
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.forward = _Joined(module, self)  # type: ignore[method-assign,assignment]


class _Joined:
    """The forward pass of a BatchNorm over the rows of all processes: one mean and one biased variance per channel."""

    def __init__(self, norm: _BatchNorm, ranks: Ranks) -> None:
        self.norm, self.ranks, self.alone = norm, ranks, norm.forward

    def __call__(self, x: Tensor) -> Tensor:
        norm = self.norm
        if not norm.training:
            return self.alone(x)
        wide = x if x.dtype == torch.float64 else x.float()  # as torch computes them for bfloat16, too
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        mean = self.ranks.mean(wide.mean(dim=axes))
        centred = wide - mean.view(shape)
        variance = self.ranks.mean(centred.square().mean(dim=axes))
        self._remember(mean, variance, self.ranks.size * x.numel() // x.shape[1])
        found = centred * (variance + norm.eps).rsqrt().view(shape)
        return (found * norm.weight.view(shape) + norm.bias.view(shape) if norm.affine else found).to(x)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Running statistics as torch keeps them, with the unbiased variance."""
        norm = self.norm
        if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
            return
        norm.num_batches_tracked.add_(1)
        share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean, share)
        norm.running_var.lerp_(variance * (count / (count - 1)), share)


class _Fold(torch.autograd.Function):
    """x -> x; backwards `size` times the gradient."""

    @staticmethod
    def forward(ctx: Any, size: int, x: Tensor) -> Tensor:
        ctx.size = size
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, ctx.size * gradient


class _Mean(torch.autograd.Function):
    """x -> the mean of x over the processes; backwards the same."""

    @staticmethod
    def forward(ctx: Any, ranks: Ranks, x: Tensor) -> Tensor:
        ctx.ranks = ranks
        ctx.set_materialize_grads(False)  # what a loss does not reach stays unreached
        return ranks.averaged([x])[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[None, Tensor | None]:
        return None, None if gradient is None else ctx.ranks.averaged([gradient])[0]
