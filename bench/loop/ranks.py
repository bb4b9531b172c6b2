"""One batch on several processes: each runs the model on its own rows, and all take one and the same step.

The model sends and gathers rows, the training step averages gradients, BatchNorm shares its statistics; all through a
`Ranks`. A method needs to know nothing of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bench.core.data import group_by_input
from bench.errors import UsageError


class Ranks:
    """The `size` processes of a run, of which this one is number `rank`; torch's default process group joins them.

    A process computes the predictions of its rows, one of `size` equal stretches of every input, and receives those of
    the others. So every process has the losses of the whole batch, exactly as a single process has them, whatever a
    loss averages over (the number of valid pixels differs between rows).

    Gradients flow back into the own rows only, multiplied by `size`. Their mean over the processes is the gradient of
    the whole batch: for parameters reached through the rows, and for those that every process reaches in the same way
    (regularisers, penalties, learned weights), whose gradients are equal and not multiplied.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def take_own_rows(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """task -> the rows of this process; tasks that share an input still hold one tensor.

        Raises UsageError where the rows of an input cannot be divided by the number of processes.
        """
        own: dict[str, Tensor] = {}
        for x, tasks in group_by_input(inputs):
            share, rest = divmod(len(x), self.size)
            if rest:
                raise UsageError(
                    f"`devices={self.size}` should divide the rows that each input gives to a batch. Found {len(x)}."
                )
            own.update(dict.fromkeys(tasks, x[self.rank * share : (self.rank + 1) * share]))
        return {task: own[task] for task in inputs}

    def gather(self, predictions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The predictions of all processes, in the order of the batch; one message for all tasks.

        Only the rows of this process carry a gradient, `size` times their own.
        """
        flat = torch.cat([own.detach().reshape(-1) for own in predictions.values()])
        parts = [torch.empty_like(flat) for _ in range(self.size)]
        dist.all_gather(parts, flat)
        sizes = [own.numel() for own in predictions.values()]
        parted = zip(*(torch.split(part, sizes) for part in parts), strict=True)
        whole = {}
        for (task, own), pieces in zip(predictions.items(), parted, strict=True):
            rows = [piece.view(own.shape) for piece in pieces]
            rows[self.rank] = _ScaleGradient.apply(self.size, own)
            whole[task] = torch.cat(rows)
        return whole

    def mean(self, x: Tensor) -> Tensor:
        """The mean of x over the processes, differentiable; the same on all of them.

        Every process has to call it, in the same order, as all functions here that exchange tensors.
        """
        mean: Tensor = _Mean.apply(self, x)
        return mean

    def average(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The means of tensors over the processes, without a gradient; one message for all of them."""
        if not tensors:
            return []
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat.div_(self.size), [tensor.numel() for tensor in tensors])
        return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]

    @torch.no_grad()
    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Set each tensor, in place, to its mean over the processes."""
        # A copy keeps the memory format of gradients, which fused optimisers expect to be that of their parameters.
        for tensor, mean in zip(tensors, self.average(tensors), strict=True):
            tensor.copy_(mean)

    def sync_buffers(self, parameters: Sequence[Tensor], running: Sequence[Tensor]) -> None:
        """Average the `running` buffers, which each process keeps of its own rows (running means of gates).

        Raises RuntimeError where the `parameters` of the processes differ, which no built-in method lets happen.
        """
        self.average_(running)
        # Sums of squares in place of the parameters: one small message, and a difference shows in them all the same.
        with torch.no_grad():
            sums = torch.stack([parameter.double().square().sum() for parameter in parameters])
        [mean] = self.average([sums])
        if not torch.allclose(sums, mean, rtol=1e-6, atol=0.0, equal_nan=True):
            raise RuntimeError(
                "The processes of a run should hold the same parameters. Found different ones: a part of the method "
                "draws from torch's own generator instead of `state.generator`, or the devices are of different kinds."
            )

    def join_statistics(self, model: nn.Module) -> None:
        """Let every BatchNorm of `model` take its statistics, in training, over the rows of all processes.

        As a single process does: otherwise the model would depend on how many processes train it.
        """
        # torch's SyncBatchNorm works on GPUs only.
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.forward = _JointBatchNorm(module, self)  # type: ignore[method-assign,assignment]


class _JointBatchNorm:
    """The forward pass of a BatchNorm over the rows of all processes: one mean and one biased variance per channel.

    y = (x - mean) / sqrt(variance + eps) * weight + bias for x (n, c, ...).
    """

    def __init__(self, norm: _BatchNorm, ranks: Ranks) -> None:
        self.norm, self.ranks, self.own_forward = norm, ranks, norm.forward

    def __call__(self, x: Tensor) -> Tensor:
        norm = self.norm
        if not norm.training:
            return self.own_forward(x)
        wide = x if x.dtype == torch.float64 else x.float()  # torch, too, computes statistics of bfloat16 in float32
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        mean = self.ranks.mean(wide.mean(dim=axes))
        centred = wide - mean.view(shape)
        variance = self.ranks.mean(centred.square().mean(dim=axes))
        self._update_running(mean, variance, self.ranks.size * x.numel() // x.shape[1])
        standard = centred * (variance + norm.eps).rsqrt().view(shape)
        return (standard * norm.weight.view(shape) + norm.bias.view(shape) if norm.affine else standard).to(x)

    @torch.no_grad()
    def _update_running(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as torch does, with the unbiased variance of `count` values per channel."""
        norm = self.norm
        if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
            return
        norm.num_batches_tracked.add_(1)
        share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean, share)
        norm.running_var.lerp_(variance * (count / (count - 1)), share)


class _ScaleGradient(torch.autograd.Function):
    """x -> x; backwards the gradient times `size`."""

    @staticmethod
    def forward(ctx: Any, size: int, x: Tensor) -> Tensor:
        """x, as a view: autograd wants an output that is not the input itself."""
        ctx.size = size
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        """No gradient by `size`."""
        return None, ctx.size * gradient


class _Mean(torch.autograd.Function):
    """x -> the mean of x over the processes; backwards the mean of the gradients."""

    @staticmethod
    def forward(ctx: Any, ranks: Ranks, x: Tensor) -> Tensor:
        """The mean of x, by a message."""
        ctx.ranks = ranks
        ctx.set_materialize_grads(False)  # or zeros would make every loss reach every parameter
        return ranks.average([x])[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[None, Tensor | None]:
        """The mean of the gradients, by a message; none where no process has one."""
        return None, None if gradient is None else ctx.ranks.average([gradient])[0]
