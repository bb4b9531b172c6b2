"""Constraint: what holds the copies of a parameter together.

The contract that `bench/constraints/` and plug-ins implement, and two ways to rewrite the copies (`write_as_offsets`,
`write_as_sums`). The model builds one constraint per coupled tensor; the training step adds its penalty to the loss or
applies its prox. No constraint knows the model, the data or the optimiser.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import parametrize

from bench.core.modules import separate_class

Schedule = Literal["constant", "warmup", "anneal"]


@dataclass(frozen=True)
class Coupled:
    """What a constraint is built from.

    `shape` is the shape of one copy, `tasks` the number T of copies, `lr` the learning rate at the start of the
    schedule, which a constraint needs to turn a half-life in updates into a strength. `deviations` says that W will
    hold what the copies differ by, v_t with sum_t v_t = 0, and not the copies themselves.
    """

    shape: tuple[int, ...]
    tasks: int
    lr: float
    deviations: bool = False


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
    `nonnegative` says that copies with an entry below 0 are not allowed: `value` need not see it, `prox` gives none.

    Where the optimiser works on the mean of the copies and the deviations from it (`coordinates=mean`), W holds the
    deviations alone: at strength 0 the copies are free, at strength inf they are tied, and no strength shrinks what
    they have in common. Not so for sums of `parts`, whose parts would not be told apart, and where `holds_together` is
    False, as for a control that pushes the copies apart: there W holds the copies as ever.

    `schedule` is what training multiplies the strength by: 1 (`constant`), min(1, 10 p) (`warmup`) or 1 - p
    (`anneal`), where p in [0, 1] is the share of the budget spent.

    `limits` claims, options -> method, what `soft` with this constraint equals exactly under SGD without
    momentum and decay, as in {"strength=0": "single_task"}; `ties` lists the options with which it equals `hard` under
    any optimiser that works on mean and deviations (`coordinates=mean`). `mtlbench check` holds it to both.
    """

    in_loss: bool = False
    offset: bool = False
    parts: ClassVar[int] = 1
    holds_together: ClassVar[bool] = True
    by_input: ClassVar[bool] = False
    nonnegative: bool = False
    refresh_every: ClassVar[int | None] = None  # updates between two refreshes; None: never
    limits: ClassVar[Mapping[str, str]] = {}
    ties: ClassVar[Sequence[str]] = ()

    def __init__(self, coupled: Coupled, schedule: Schedule = "constant") -> None:
        super().__init__()
        self.coupled, self.schedule = coupled, schedule

    def factor(self, progress: float) -> float:
        """The factor on the strength when the share `progress`, in [0, 1], of the budget is spent."""
        # `warmup` is over after a tenth of the budget.
        return {"constant": 1.0, "warmup": min(1.0, 10 * progress), "anneal": 1 - progress}[self.schedule]

    @abstractmethod
    def value(self, W: Tensor) -> Tensor:
        """The penalty: differentiable, 0-dimensional, non-negative."""

    def prox(self, W: Tensor, step: float) -> Tensor:
        """argmin_V step * value(V) + 1/2 |V - W|^2, exactly. Only where `in_loss` is false.

        Args:
            W: the copies after the optimiser's update, (*shape, T), or (parts, *shape, T).
            step: the learning rate of this update times `factor`, >= 0.

        Returns:
            The new copies, of the shape of W; W itself is not changed.

        Raises:
            TypeError: the constraint has no prox.
        """
        raise TypeError(f"{type(self).__name__} has no prox; it should set in_loss.")

    @property
    def calibrated(self) -> bool:
        """Whether the strength is known; if not, `calibrate` is called after each update until it is."""
        return True

    def calibrate(self, W: Tensor, step: float) -> None:
        """Measure the scale of the strength on W, right after an optimiser's step of the learning rate `step` > 0."""
        return

    def refresh(self, W: Tensor) -> None:
        """Update auxiliary buffers (covariances, clusters) in closed form, every `refresh_every` updates."""
        return

    def refresh_to_optimum(self, W: Tensor) -> None:
        """Set the auxiliary buffers to their minimum for W, where `refresh` only moves towards it.

        Solvers alternate it with steps in W.
        """
        self.refresh(W)

    def marginal(self) -> "Constraint | None":
        """The minimum of the penalty over its buffers, as a penalty of W alone that has a prox; None without one.

        A solver prefers it: one convex problem in W in place of an alternation between W and the buffers.
        """
        return None

    def dual_norm(self, G: Tensor) -> Tensor | None:
        """R*(G) = max {<G, W>: R(W) <= 1}, 0-dimensional, where R, at its strength, is a norm; None elsewhere.

        With it a convex problem has a duality gap, and a strength from which on W = 0 is its answer.
        """
        return None

    def conjugate(self, G: Tensor) -> Tensor | None:
        """R*(G) = max_W <G, W> - R(W), 0-dimensional, where R is no norm and the maximum is known; None elsewhere.

        With it a convex problem has a duality gap, too.
        """
        return None

    def critical_strength(self, G: Tensor) -> Tensor | None:
        """The least strength from which on W = 0 minimises R(W) - <G, W>, asked at strength 1; None where none does."""
        return self.dual_norm(G)

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        """Whether this parameter of the coupled stages is constrained; by default all are."""
        return True

    def matrices(self) -> dict[str, Tensor]:
        """name -> matrix of what was learned about the tasks, as a covariance (T, T); stored in the record."""
        return {}


class _Offset(nn.Module):
    """Parametrization theta_t = theta_bar + v_t with a shared theta_bar."""

    def __init__(self, mean: Parameter) -> None:
        super().__init__()
        self.mean = mean

    def forward(self, deviation: Tensor) -> Tensor:
        return self.mean + deviation

    def right_inverse(self, value: Tensor) -> Tensor:
        return value - self.mean.detach()


def write_as_offsets(module: nn.Module, copies: list[Parameter]) -> Parameter:
    """Rewrite `copies`, parameters inside `module`, as mean + deviation; returns the mean.

    The parameters themselves become the deviations, in place: whoever holds `copies` now holds v_t, and the modules
    compute with theta_bar + v_t. The values of theta_t do not change.
    """
    places = _find_places(module)
    # As the first copy plus the mean difference: tied copies then have deviations of exactly 0, without rounding.
    first = copies[0].detach()
    mean = Parameter(first + torch.stack([copy.detach() - first for copy in copies]).mean(dim=0))
    for copy in copies:
        _parametrize(places[id(copy)], _Offset(mean))
    return mean


class _Sum(nn.Module):
    """Parametrization theta_t = P_t + Q_t + ..., in which the further parts start at 0."""

    def __init__(self, like: Tensor, further: int) -> None:
        super().__init__()
        self.further = nn.ParameterList(torch.zeros_like(like) for _ in range(further))

    def forward(self, first: Tensor) -> Tensor:
        total: Tensor = sum(self.further, start=first)
        return total

    def right_inverse(self, value: Tensor) -> Tensor:
        return value  # torch asks once, at registration, when the further parts are 0


def write_as_sums(module: nn.Module, copies: list[Parameter], parts: int) -> list[list[Parameter]]:
    """Rewrite `copies`, parameters inside `module`, as sums of `parts`; returns the further parts, [part][task].

    The parameters themselves become the first part, in place. The values of theta_t do not change.
    """
    places, further = _find_places(module), []
    for copy in copies:
        sums = _Sum(copy.detach(), parts - 1)
        _parametrize(places[id(copy)], sums)
        further.append(list(sums.further))
    return [list(part) for part in zip(*further, strict=True)]


def _find_places(module: nn.Module) -> dict[int, list[tuple[nn.Module, str]]]:
    """id of a parameter -> the modules that hold it, and its name there: several where weights are tied."""
    places: dict[int, list[tuple[nn.Module, str]]] = {}  # by identity, since tensors compare element by element
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False, remove_duplicate=False):
            places.setdefault(id(parameter), []).append((owner, name))
    return places


def _parametrize(places: list[tuple[nn.Module, str]], part: nn.Module) -> None:
    """Compute the parameter at `places` by `part`; it stays where it is, as the original."""
    (first, first_name), *others = places
    for owner, _ in places:
        separate_class(owner)
    parametrize.register_parametrization(first, first_name, part)
    for owner, name in others:  # tied to it: registered by themselves they would have the mean taken off once more
        owner._parameters[name] = Parameter(getattr(owner, name).detach().clone())
        parametrize.register_parametrization(owner, name, part)
        owner.parametrizations[name] = first.parametrizations[first_name]  # type: ignore[index,operator,union-attr]
