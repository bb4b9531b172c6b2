"""Constraint: what holds the copies of a parameter together."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import parametrize

Schedule = Literal["constant", "warmup", "anneal"]


@dataclass(frozen=True)
class Coupled:
    """What a constraint is built from: the shape of the parameter, the number of tasks, the first learning rate."""

    shape: tuple[int, ...]
    tasks: int
    lr: float


def refuse_infinite(name: str, strength: float, in_loss: bool) -> None:
    """Raise ValueError where a penalty in the loss would be infinite; a prox takes any strength."""
    if in_loss and math.isinf(strength):
        raise ValueError(f"`{name}` should have a finite strength. Found `strength = inf`.")


class Constraint(nn.Module, ABC):
    """Holds the T copies of one parameter. One instance per coupled tensor.

    W has shape (*parameter.shape, T), tasks last. `in_loss` says that `value` is added to the loss;
    otherwise `prox` is applied inside the optimiser step. `offset` asks for copies written as a shared
    mean plus deviations, theta_t = theta_bar + v_t: W then holds the deviations v_t. `parts` > 1 asks for copies
    written as sums, theta_t = P_t + Q_t + ...: W then has a first axis over the parts, (parts, *shape, T). `by_input`
    says that the penalty is a sum over inputs, the second axis of shape, which a solver may look at one by one.

    `schedule` is what training multiplies the strength by: 1 (`constant`), min(1, 10 p) (`warmup`) or 1 - p
    (`anneal`), where p in [0, 1] is the share of the budget spent.

    `limits` claims, options -> method, what `soft` with this constraint equals exactly under SGD without
    momentum and decay, as in {"strength=0": "single_task"}; `mtlbench check` holds it to that.
    """

    in_loss: bool = False
    offset: bool = False
    parts: ClassVar[int] = 1
    by_input: ClassVar[bool] = False
    refresh_every: ClassVar[int | None] = None  # updates between two refreshes; None: never
    limits: ClassVar[Mapping[str, str]] = {}

    def __init__(self, coupled: Coupled, schedule: Schedule = "constant") -> None:
        super().__init__()
        self.coupled, self.schedule = coupled, schedule

    def factor(self, progress: float) -> float:
        """What the strength is multiplied by when this share of the budget is spent."""
        return {"constant": 1.0, "warmup": min(1.0, 10 * progress), "anneal": 1 - progress}[self.schedule]

    @abstractmethod
    def value(self, W: Tensor) -> Tensor:
        """The penalty: differentiable, 0-dimensional, non-negative."""

    def prox(self, W: Tensor, step: float) -> Tensor:
        """argmin_V step * value(V) + 1/2 |V - W|^2, exactly. Only where `in_loss` is false."""
        raise TypeError(f"{type(self).__name__} has no prox; it should set in_loss.")

    def refresh(self, W: Tensor) -> None:
        """Closed-form update of auxiliary buffers (covariances, clusters)."""
        return

    def refresh_to_optimum(self, W: Tensor) -> None:
        """The auxiliary buffers at their minimum for W, where `refresh` only moves towards it."""
        self.refresh(W)

    def marginal(self) -> "Constraint | None":
        """The least of the penalty over its buffers, as a penalty of W alone with a prox; None where that has none."""
        return None

    def dual_norm(self, G: Tensor) -> Tensor | None:
        """R*(G) = max {<G, W>: R(W) <= 1}, 0-dimensional, where R, at its strength, is a norm; None elsewhere.

        With it a convex problem has a duality gap, and a strength from which on W = 0 is its answer.
        """
        return None

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        """Whether this parameter of the coupled stages is constrained; by default all are."""
        return True

    def matrices(self) -> dict[str, Tensor]:
        """What was learned about the tasks, for the record."""
        return {}


class _Offset(nn.Module):
    """theta_t = theta_bar + v_t with a shared theta_bar."""

    def __init__(self, mean: Parameter) -> None:
        super().__init__()
        self.mean = mean

    def forward(self, deviation: Tensor) -> Tensor:
        return self.mean + deviation

    def right_inverse(self, value: Tensor) -> Tensor:
        return value - self.mean.detach()


def write_as_offsets(module: nn.Module, copies: list[Parameter]) -> Parameter:
    """Rewrite `copies`, parameters inside `module`, as mean + deviation; returns the mean.

    The parameters themselves become the deviations, in place.
    """
    owners = _owners(module)
    first = copies[0].detach()
    mean = Parameter(first + torch.stack([copy.detach() - first for copy in copies]).mean(dim=0))  # exact where tied
    for copy in copies:
        owner, name = owners[id(copy)]
        parametrize.register_parametrization(owner, name, _Offset(mean))  # keeps `copy` as its original
    return mean


class _Sum(nn.Module):
    """theta_t = P_t + Q_t + ..., the further parts starting at 0."""

    def __init__(self, like: Tensor, further: int) -> None:
        super().__init__()
        self.further = nn.ParameterList(torch.zeros_like(like) for _ in range(further))

    def forward(self, first: Tensor) -> Tensor:
        total: Tensor = sum(self.further, start=first)
        return total

    def right_inverse(self, value: Tensor) -> Tensor:
        return value  # the others are 0 when this is asked


def write_as_sums(module: nn.Module, copies: list[Parameter], parts: int) -> list[list[Parameter]]:
    """Rewrite `copies`, parameters inside `module`, as sums of `parts`; returns the further parts, [part][task].

    The parameters themselves become the first part, in place.
    """
    owners, found = _owners(module), []
    for copy in copies:
        owner, name = owners[id(copy)]
        sums = _Sum(copy.detach(), parts - 1)
        parametrize.register_parametrization(owner, name, sums)
        found.append(list(sums.further))
    return [list(part) for part in zip(*found, strict=True)]


def _owners(module: nn.Module) -> dict[int, tuple[nn.Module, str]]:
    """id of a parameter -> the module that holds it, and its name there."""
    return {id(p): (owner, name) for owner in module.modules() for name, p in owner.named_parameters(recurse=False)}
