"""Strengths whose meaning depends on neither suite nor learning rate: half-lives of squares, holds of norms.

The numbers that users set, `halflife` and `hold`, both in [0, inf]; an option `strength` beside them replaces them.
"""

import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from bench.core.constraint import Constraint, Coupled, Schedule


def resolve_strength(
    name: str, halflife: float | None, strength: float | None, lr: float, curvature: float = 1.0
) -> float:
    """The strength v of a penalty that is v `curvature` |V|^2 at the start, from its half-life unless it is given.

    v = ln 2 / (2 k lr curvature): each prox, V / (1 + 2 lr v curvature), then leaves a deviation that the losses leave
    alone with (1 + ln 2 / k)^-k of its size after k updates, a half for large k (.512 at k = 10, .5012 at k = 100).

    Args:
        name: of the constraint, for the sentence.
        halflife: k, in updates at the rate `lr`, in [0, inf]; None where the strength is given.
        strength: v, which replaces it; None where it is not given.
        lr: the learning rate at the start.
        curvature: of the penalty at strength 1, with its buffers as at the start, > 0.

    Raises:
        ValueError: neither is given.
    """
    if strength is not None:
        return strength
    if halflife is None:
        raise ValueError(f"`{name}` should be given a `halflife` or a `strength`. Found neither.")
    return math.log(2) / (2 * halflife * lr * curvature) if halflife else math.inf


class NormConstraint(Constraint):
    """R(W) = v N(W), N a norm, with v = `hold` times the critical strength, or given as `strength`.

    Critical is the least strength at which no copy could have moved on its own in the first update: N*(V) / s, with V
    (*shape, T) the copies less their mean right after the optimiser's step, s its learning rate and N* the dual norm,
    so that the prox of s v N at V is 0 from there on. Until copies differ for the first time v is 0. It is measured
    once for each parameter, and stored with the state.

    hold: in [0, inf]; 0 leaves the copies alone. None where `strength` is given.
    strength: v itself, in [0, inf].

    Raises:
        ValueError: neither is given.
    """

    def __init__(self, coupled: Coupled, schedule: Schedule, *, hold: float | None, strength: float | None) -> None:
        super().__init__(coupled, schedule)
        if hold is None and strength is None:
            raise ValueError("A constraint should be given a `hold` or a `strength`. Found neither.")
        self.hold, self.given = hold, strength
        self.critical = 0.0  # 0 as long as no copy has moved on its own

    @property
    def strength(self) -> float:
        """v; 0 before it is measured."""
        if self.given is not None:
            return self.given
        assert self.hold is not None
        return self.hold * self.critical if math.isfinite(self.hold) else self.hold  # inf * 0 would be NaN

    @property
    def calibrated(self) -> bool:
        return self.given is not None or self.hold in (0.0, math.inf) or self.critical > 0

    @torch.no_grad()
    def calibrate(self, W: Tensor, step: float) -> None:
        """Measure the critical strength, N*(W - mean) / step."""
        self.critical = float(self.dual(W - W.mean(dim=-1, keepdim=True))) / step

    def get_extra_state(self) -> dict[str, float]:
        """The critical strength. A number and no buffer: reading it from a device at every update would wait for it."""
        return {"critical": self.critical}

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` returned."""
        self.critical = float(state["critical"])

    @abstractmethod
    def norm(self, W: Tensor) -> Tensor:
        """N(W), 0-dimensional."""

    @abstractmethod
    def dual(self, G: Tensor) -> Tensor:
        """N*(G) = max {<G, W>: N(W) <= 1}, 0-dimensional; an upper bound of it where N* has no closed form."""

    def value(self, W: Tensor) -> Tensor:
        """v N(W)."""
        return self.strength * self.norm(W)

    def dual_norm(self, G: Tensor) -> Tensor | None:
        """N*(G) / v; None at strength 0."""
        return self.dual(G) / self.strength if self.strength else None


class LayerwiseNorm(NormConstraint):
    """A norm of layers, as parameters of two axes or more; of deviations from a mean, of all parameters.

    Copies of biases would stay apart at strength inf otherwise. Both ends are exact: at 0 the copies are free, and at
    inf tied, where they are written as mean and deviations.
    """

    ties: ClassVar = ("hold=inf", "strength=inf")
    limits: ClassVar = {"strength=0": "single_task", "hold=0": "single_task"}

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        """Parameters of two axes or more; of deviations all."""
        return len(shape) > 1 or self.coupled.deviations

    @property
    def group_axes(self) -> tuple[int, ...]:
        """The axes of W (outputs, inputs, ..., T) inside a group, which is everything that reads one input.

        A bias reads one input, the constant.
        """
        inputs = 1 if len(self.coupled.shape) > 1 else None
        return tuple(axis for axis in range(len(self.coupled.shape) + 1) if axis != inputs)
