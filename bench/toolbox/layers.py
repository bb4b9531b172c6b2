"""Small layers that sharings mix features with: gates, pointwise maps, and features carried to another shape.

Features are rows (n, c, ...), channels first: vectors, sequences, images or volumes. A `Shape` leaves out n.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, pad

from bench.core.task import Shape

LinearMap = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
GRID = 8  # cells per side of the image that a gate looks at, at most: its weights stay few for any resolution
MEMORY = 0.99  # share of the old value in the running mean of a gate, per batch: about the last hundred batches


def pool(x: Tensor, grid: int = GRID) -> Tensor:
    """Rows of features as vectors (n, d): images as the means of at most grid x grid cells per channel."""
    if x.dim() == 4:
        x = adaptive_avg_pool2d(x, (min(x.shape[2], grid), min(x.shape[3], grid)))
    return x.flatten(1)


def pooled_size(shape: Shape, grid: int = GRID) -> int:
    """The d of `pooled` for rows of this shape."""
    cells = [min(side, grid) for side in shape[1:]] if len(shape) == 3 else shape[1:]
    return int(torch.Size([shape[0], *cells]).numel())


def weighted_sum(weights: Tensor, features: Sequence[Tensor]) -> Tensor:
    """sum_e w_e f_e, row by row: weights (n, E) or (E,), features E tensors (n, ...). Returns (n, ...)."""
    last = [1] * (features[0].dim() - 1)
    terms = [w.reshape(-1, *last) * f for w, f in zip(weights.unbind(dim=-1), features, strict=True)]
    return torch.stack(terms).sum(dim=0) if len(terms) > 1 else terms[0]


class Gate(nn.Module):
    """g(x) = softmax(W pooled(x)) over E experts, W = 0 at the start: all experts alike.

    `shape` is the shape of a row of x. `usage` (E,) is the running mean of g over training, a buffer that starts at
    1/E; it is shown in records and takes no part in g.
    """

    usage: Tensor

    def __init__(self, shape: Shape, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(pooled_size(shape), experts, bias=False)
        nn.init.zeros_(self.linear.weight)
        self.register_buffer("usage", torch.full((experts,), 1.0 / experts))

    def forward(self, x: Tensor, counts: bool = True) -> Tensor:
        """g(x), (n, E); rows sum to 1. `counts`: whether x belongs to the gate's task, and is counted in `usage`."""
        gate = torch.softmax(self.linear(pool(x)), dim=-1)
        if self.training and counts:
            self.usage.lerp_(gate.detach().mean(dim=0).to(self.usage), 1 - MEMORY)
        return gate


def linear_map(shape: Shape, outputs: int, size: int = 1, bias: bool = True) -> LinearMap:
    """A fresh convolution of odd `size`, zero-padded to keep the places of sequences (c, l), images and volumes.

    For vectors (c,), which have one place, a fully connected layer. Maps rows of `shape` to `outputs` channels. Raises
    ValueError for features of more axes.
    """
    if len(shape) == 1:
        return nn.Linear(shape[0], outputs, bias=bias)
    if len(shape) > 4:
        raise ValueError(
            f"Features should be vectors, sequences, images or volumes of channels. Found rows of {shape}."
        )
    kinds: dict[int, Callable[..., LinearMap]] = {2: nn.Conv1d, 3: nn.Conv2d, 4: nn.Conv3d}
    return kinds[len(shape)](shape[0], outputs, size, padding=size // 2, bias=bias)


def pointwise_layer(shape: Shape, outputs: int, bias: bool = True) -> LinearMap:
    """A linear map of the channels, the first axis of `shape`, alike at every place: a convolution of size 1."""
    return linear_map(shape, outputs, 1, bias)


def can_carry(source: Shape, target: Shape) -> bool:
    """Whether `carried` maps rows of one shape to the other: images to images, vectors to vectors, and so on."""
    return len(source) == len(target) <= 4


def carry_over(x: Tensor, target: Shape) -> Tensor:
    """Features x (n, ...) brought to the shape `target` without parameters, (n, *target).

    Places are mean-pooled, channels cut or filled up with zeros: a shortcut over layers, as in a residual network.
    """
    if x.shape[2:] != target[1:]:
        pools: dict[int, Callable[..., Tensor]] = {
            2: adaptive_avg_pool1d,
            3: adaptive_avg_pool2d,
            4: adaptive_avg_pool3d,
        }
        x = pools[len(target)](x, target[1:])
    missing = target[0] - x.shape[1]
    if missing > 0:
        return pad(x, (0, 0) * (x.dim() - 2) + (0, missing))
    return x[:, : target[0]]


def gumbel_choice(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """A one-hot draw from softmax(logits) over the last axis, with the gradient of the softmax at this temperature.

    onehot(argmax(logits + g)), g = -log(-log u): the straight-through Gumbel-softmax of Jang, Gu, Poole, ICLR 2017.
    `temperature` > 0; a small one is close to the draw, but its gradients vary more. The answer has the shape, type
    and device of `logits`.
    """
    # On the CPU and in double: equal draws on every device, and logarithms that stay finite after the clamp.
    u = torch.rand(logits.shape, generator=generator, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    noise = -(-u.log()).log().to(logits)
    soft = torch.softmax((logits.log_softmax(dim=-1) + noise) / temperature, dim=-1)
    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())
