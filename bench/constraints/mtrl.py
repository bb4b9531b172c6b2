"""A covariance between the tasks, learned from their weights."""

from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from bench.api import (
    Constraint,
    Coupled,
    Ge,
    Interval,
    Schedule,
    mixed,
    register,
    shrink_singular_squared,
    sqrt_psd,
    trace_norm,
)


@register(
    "mtrl",
    paper="Zhang, Yeung, A Convex Formulation for Learning Task Relationships in Multi-Task Learning, UAI 2010",
)
class MTRL(Constraint):
    """R(W) = v/2 tr(W Omega^-1 W^T), Omega (T, T) positive definite with trace 1, the covariance of the tasks.

    Every refresh moves Omega towards its closed-form minimum (W^T W + e I)^(1/2) / tr(.), e = 1e-5 tr(W^T W) / T:
    Omega <- memory Omega + (1 - memory) of it. At the minimum R is v/2 |W|_*^2, the squared trace norm; at Omega = I/T,
    where it starts, `ridge` with v T / 2. Without e a single direction makes every correlation +-1.
    prox_{s R}(W) = W (I + s v Omega^-1)^-1. The paper's further ridge term is left to weight decay.

    strength: v, at least 0.
    memory: of Omega at a refresh, in [0, 1).
    form: `prox`, or `penalty`, added to the loss.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    refresh_every = 10
    limits: ClassVar = {"strength=0": "single_task"}
    omega: Tensor

    def __init__(
        self,
        coupled: Coupled,
        *,
        strength: Annotated[float, Ge(0)] = 1e-3,
        memory: Annotated[float, Interval(ge=0, lt=1)] = 0.9,
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength, self.memory, self.in_loss = strength, memory, form == "penalty"
        self.register_buffer("omega", torch.eye(coupled.tasks) / coupled.tasks)

    def value(self, W: Tensor) -> Tensor:
        A = W.reshape(-1, W.shape[-1])
        value: Tensor = self.strength / 2 * (torch.linalg.solve(self.omega, A.T) * A.T).sum()
        return value

    def prox(self, W: Tensor, step: float) -> Tensor:
        if step == 0 or self.strength == 0:
            return W
        eye = torch.eye(len(self.omega), dtype=W.dtype, device=W.device)
        return mixed(W, torch.linalg.solve(self.omega + step * self.strength * eye, self.omega))

    def refresh(self, W: Tensor) -> None:
        self._move(W, 1 - self.memory)

    def refresh_to_optimum(self, W: Tensor) -> None:
        self._move(W, 1.0)

    def _move(self, W: Tensor, share: float) -> None:
        """Omega moves by `share` of the way to its minimum."""
        A = W.reshape(-1, W.shape[-1]).double()
        G = A.T @ A
        trace = G.trace()
        if trace > 0:
            root = sqrt_psd(G + 1e-5 * trace / len(G) * torch.eye(len(G), dtype=G.dtype, device=G.device))
            self.omega.lerp_((root / root.trace()).to(self.omega.dtype), share)

    def matrices(self) -> dict[str, Tensor]:
        return {"covariance": self.omega.detach()}

    def marginal(self) -> Constraint:
        return SquaredTraceNorm(self.coupled, self.strength)


class SquaredTraceNorm(Constraint):
    """R(W) = v/2 |W|_*^2, W (P, T): `mtrl` with Omega at its minimum, for e -> 0."""

    def __init__(self, coupled: Coupled, strength: float) -> None:
        super().__init__(coupled)
        self.strength = strength

    def value(self, W: Tensor) -> Tensor:
        return self.strength / 2 * trace_norm(W.reshape(-1, W.shape[-1])).square()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return shrink_singular_squared(W, step * self.strength)
