"""A covariance between the tasks, learned from their weights."""

import math
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from bench.api import (
    Constraint,
    Coupled,
    Ge,
    Infinite,
    Interval,
    Replaces,
    Schedule,
    Search,
    refuse_infinite,
    register,
    resolve_strength,
)
from bench.toolbox.proxes import shrink_singular_squared
from bench.toolbox.spectra import mix_copies, sqrt_psd, trace_norm


@register(
    "mtrl",
    title="learned task relationships",
    family="penalised copies",
    version=2,
    paper="Zhang, Yeung, A Convex Formulation for Learning Task Relationships in Multi-Task Learning, UAI 2010",
)
class MTRL(Constraint):
    """R(W) = v/2 tr(W Omega^-1 W^T), Omega (T, T) positive definite with trace 1, the covariance of the tasks.

    Every refresh moves Omega towards its closed-form minimum (W^T W + e I)^(1/2) / tr(.), e = 1e-5 tr(W^T W) / T:
    Omega <- memory Omega + (1 - memory) of it. At the minimum R is v/2 |W|_*^2, the squared trace norm; at Omega = I/T,
    where it starts, `ridge` with v T / 2. Without e a single direction makes every correlation +-1.
    prox_{s R}(W) = W (I + s v Omega^-1)^-1. The paper's further ridge term is left to weight decay.

    The paper has one weight vector per task and one Omega, over vectors without intercepts. On a network there is an
    Omega of its own for each coupled tensor, biases included: no tensor learns from what another says about the tasks.

    Of deviations (`coordinates=mean`) Omega is the covariance of the tasks around their mean: those that deviate
    together are held together. v = inf ties the copies.

    halflife: updates k after which a deviation that the losses leave alone has halved at the first learning rate, in
        [0, inf]: v = ln 2 / (T k lr_0), with Omega = I/T.
    strength: v itself, in [0, inf], instead of a half-life.
    memory: of Omega at a refresh, in [0, 1).
    form: `prox`, or `penalty`, added to the loss.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    refresh_every = 10
    ties: ClassVar = ("halflife=0", "strength=inf")
    limits: ClassVar = {"strength=0": "single_task", "halflife=inf": "single_task"}
    omega: Tensor

    def __init__(
        self,
        coupled: Coupled,
        *,
        halflife: Annotated[float | None, Ge(0), Infinite(), Search(1, 1e4)] = 300.0,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("halflife")] = None,
        memory: Annotated[float, Interval(ge=0, lt=1)] = 0.9,
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength = resolve_strength("mtrl", halflife, strength, coupled.lr, coupled.tasks / 2)
        self.memory, self.in_loss = memory, form == "penalty"
        refuse_infinite("mtrl:form=penalty", self.strength, self.in_loss)
        self.register_buffer("omega", torch.eye(coupled.tasks) / coupled.tasks)

    def value(self, W: Tensor) -> Tensor:
        """v/2 tr(W Omega^-1 W^T) for W (*shape, T), Omega as it is; its gradient is in W only."""
        A = W.reshape(-1, W.shape[-1])
        # Solved rather than inverted: Omega may be close to singular.
        value: Tensor = self.strength / 2 * (torch.linalg.solve(self.omega, A.T) * A.T).sum()
        return value

    def prox(self, W: Tensor, step: float) -> Tensor:
        """W (I + s v Omega^-1)^-1 = W (Omega + s v I)^-1 Omega: no inverse of a nearly singular Omega."""
        if step == 0 or self.strength == 0:  # exactly W, without the rounding of Omega^-1 Omega
            return W
        if math.isinf(self.strength):
            return torch.zeros_like(W)
        eye = torch.eye(len(self.omega), dtype=W.dtype, device=W.device)
        return mix_copies(W, torch.linalg.solve(self.omega + step * self.strength * eye, self.omega))

    def refresh(self, W: Tensor) -> None:
        """Move Omega by 1 - memory of the way to its minimum."""
        self._move(W, 1 - self.memory)

    def refresh_to_optimum(self, W: Tensor) -> None:
        """Move Omega the whole way."""
        self._move(W, 1.0)

    def _move(self, W: Tensor, share: float) -> None:
        """Move Omega by `share` of the way to its minimum; not where all weights are 0, which tell nothing."""
        A = W.reshape(-1, W.shape[-1]).double()  # small eigenvalues of G are squares of small numbers
        G = A.T @ A
        trace = G.trace()
        if trace > 0:
            root = sqrt_psd(G + 1e-5 * trace / len(G) * torch.eye(len(G), dtype=G.dtype, device=G.device))
            self.omega.lerp_((root / root.trace()).to(self.omega.dtype), share)

    def matrices(self) -> dict[str, Tensor]:
        """`covariance` (T, T): Omega, of trace 1."""
        return {"covariance": self.omega.detach()}

    def marginal(self) -> Constraint:
        """v/2 |W|_*^2, the penalty with Omega at its minimum."""
        return SquaredTraceNorm(self.coupled, self.strength)


class SquaredTraceNorm(Constraint):
    """R(W) = v/2 |W|_*^2, W (P, T): `mtrl` with Omega at its minimum, for e -> 0."""

    def __init__(self, coupled: Coupled, strength: float) -> None:
        super().__init__(coupled)
        self.strength = strength

    def value(self, W: Tensor) -> Tensor:
        """v/2 (sum_i s_i)^2, s the singular values of W."""
        return self.strength / 2 * trace_norm(W.reshape(-1, W.shape[-1])).square()

    def prox(self, W: Tensor, step: float) -> Tensor:
        """Soft thresholding of the singular values, at a level that depends on all of them."""
        if math.isinf(self.strength) and step > 0:
            return torch.zeros_like(W)
        return shrink_singular_squared(W, step * self.strength)
