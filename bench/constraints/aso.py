"""Alternating structure optimisation: directions that all tasks may use are free, all others are shrunk.

`caso` is its convex relative.
"""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from bench.api import Constraint, Coupled, Ge, Infinite, Replaces, Schedule, Search, register, resolve_strength
from bench.toolbox.proxes import scale_singular, singular_values
from bench.toolbox.spectra import gram_eigen


@register(
    "aso",
    title="alternating structure optimisation",
    family="common structure",
    version=2,
    paper="Ando, Zhang, A Framework for Learning Predictive Structures, JMLR 6, 2005",
)
class ASO(Constraint):
    """R(W) = v |W - U U^T W|^2, W (P, T), U (P, h) orthonormal: w_t = u_t + U z_t, and only u_t costs.

    Every refresh sets U to the first h left singular vectors of W, where R is v times the sum of the further squared
    singular values. Before the first, R is `ridge` with v; with h >= min(P, T) nothing is shrunk after it. Not
    convex; `caso` is its convex relative. prox_{s R}(W) = U U^T W + (W - U U^T W) / (1 + 2 s v).

    Of deviations (`coordinates=mean`): copies may differ along h directions, found while training, and are held
    together in all others. Deviations of T copies span T - 1 directions at most, so that h >= T - 1 holds nothing after
    the first refresh, as the default does for two tasks. v = inf ties the copies, since U is 0 before it.

    halflife: updates k after which a deviation that the losses leave alone has halved at the first learning rate, in
        [0, inf]: v = ln 2 / (2 k lr_0), R as before the first refresh.
    strength: v itself, in [0, inf], instead of a half-life.
    h: dimensions of the shared space, at least 1.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    refresh_every = 10
    ties: ClassVar = ("halflife=0", "strength=inf")
    limits: ClassVar = {"strength=0": "single_task", "halflife=inf": "single_task"}
    directions: Tensor

    def __init__(
        self,
        coupled: Coupled,
        *,
        halflife: Annotated[float | None, Ge(0), Infinite(), Search(1, 1e4)] = 300.0,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("halflife")] = None,
        h: Annotated[int, Ge(1), Search(choices=(1, 2, 3, 5))] = 1,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength = resolve_strength("aso", halflife, strength, coupled.lr)
        P = torch.Size(coupled.shape).numel()
        # U^T: rows are directions. There are at most min(P, T), the rank of W.
        self.register_buffer("directions", torch.zeros(min(h, P, coupled.tasks), P))

    def _project(self, W: Tensor) -> Tensor:
        """U U^T W, in the shape of W; 0 before the first refresh."""
        return (self.directions.T @ (self.directions @ W.reshape(-1, W.shape[-1]))).reshape(W.shape)

    def value(self, W: Tensor) -> Tensor:
        """v |W - U U^T W|^2, with U as it is."""
        return self.strength * (W - self._project(W)).square().sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        """U U^T W + (W - U U^T W) / (1 + 2 s v)."""
        if step == 0 or self.strength == 0:  # exactly W, without the rounding of the projection
            return W
        inside = self._project(W)
        return inside + (W - inside) / (1 + 2 * step * self.strength)

    def refresh(self, W: Tensor) -> None:
        """Set U to the first h left singular vectors of W, or to 0 where the singular value is 0."""
        A = W.reshape(-1, W.shape[-1])
        s, V = gram_eigen(A)  # ascending
        first = slice(-len(self.directions), None)
        left = (V.T[first] @ A.T) / s[first, None].clamp(min=torch.finfo(s.dtype).tiny)
        if s.any():  # weights of 0 have no directions
            self.directions.copy_(torch.where(s[first, None] > 0, left, 0.0).flip(0))

    def marginal(self) -> Constraint:
        """v times the squares of all but the largest h singular values."""
        return Tail(self.coupled, self.strength, len(self.directions))


class Tail(Constraint):
    """R(W) = v sum_{i > h} s_i^2, s the singular values of W (P, T), falling: `aso` with U at its minimum.

    Its prox leaves the first h as they are, and divides the others by 1 + 2 s v; of equal ones any may be the first.
    """

    def __init__(self, coupled: Coupled, strength: float, h: int) -> None:
        super().__init__(coupled)
        self.strength, self.h = strength, h

    def value(self, W: Tensor) -> Tensor:
        """v sum_{i > h} s_i^2."""
        value: Tensor = self.strength * singular_values(W)[: -self.h].square().sum()
        return value

    def prox(self, W: Tensor, step: float) -> Tensor:
        """Singular values beyond the largest h, divided by 1 + 2 s v."""

        def factor(s: Tensor) -> Tensor:
            """What each singular value, ascending, is multiplied by."""
            scaled = torch.full_like(s, 1 / (1 + 2 * step * self.strength))
            scaled[-self.h :] = 1
            return scaled

        return scale_singular(W, factor)
