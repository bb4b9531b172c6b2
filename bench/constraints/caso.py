"""Convex alternating structure optimisation: the tasks share a low-dimensional space of predictors.

`aso` with a soft projection; the same penalty as `cluster`, seen from the side of the weights.
"""

from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from bench.api import (
    Constraint,
    Coupled,
    Ge,
    Gt,
    Infinite,
    Replaces,
    Schedule,
    Search,
    refuse_infinite,
    register,
    resolve_strength,
)
from bench.toolbox.spectra import gram_eigen, mix_copies, water_filling
from bench.toolbox.spectral_box import SpectralBox


@register(
    "caso",
    title="convex alternating structure optimisation",
    family="common structure",
    version=2,
    paper="Chen, Tang, Liu, Ye, A Convex Formulation for Learning Shared Structures from Multiple Tasks, ICML 2009; "
    "Ando, Zhang, JMLR 6, 2005",
)
class CASO(Constraint):
    """R(W) = c tr(W^T (eta I + M)^-1 W), 0 <= M <= I, tr M = h: M (P, P) relaxes the projection on a shared space.

    W is (P, T), c = v eta (1 + eta): directions in the shared space weigh v eta, others up to v (1 + eta). M is at its
    exact minimum for the copies at hand after every refresh, and kept by its at most T directions U, M = U diag(m)
    U^T + m_0 (I - U U^T); before the first it is (h / P) I. R shrinks W too; with h >= min(P, T) it is `ridge` with
    v eta. Its minimum over M is that of `cluster` (Zhou, Chen, Ye, NeurIPS 2011).

    The paper has one weight vector per task, so that the shared space is one of input features. On a network each
    coupled tensor, biases included, has an M of its own, over all P entries of the tensor as one vector.

    Of deviations (`coordinates=mean`): copies differ along h directions at a price of v eta, along others at up to
    v (1 + eta). Two tasks have one direction, so that after the first refresh the default holds them together with a
    half-life about 1 + 1 / eta times as long. v = inf ties the copies.

    halflife: updates k after which a deviation that the losses leave alone has halved at the first learning rate, in
        [0, inf]: v = ln 2 / (2 k lr_0 w), w = eta (1 + eta) / (eta + min(1, h / P)), at the M of the start.
    strength: v itself, in [0, inf], instead of a half-life.
    h: dimensions of the shared space, at least 1.
    eta: > 0; the smaller, the freer the shared space.
    form: `prox`, or `penalty`, added to the loss.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    refresh_every = 10
    ties: ClassVar = ("halflife=0", "strength=inf")
    limits: ClassVar = {"strength=0": "single_task", "halflife=inf": "single_task"}
    filled: Tensor
    rest: Tensor
    directions: Tensor

    def __init__(
        self,
        coupled: Coupled,
        *,
        halflife: Annotated[float | None, Ge(0), Infinite(), Search(1, 1e4)] = 100.0,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("halflife")] = None,
        h: Annotated[int, Ge(1), Search(choices=(1, 2, 3, 5))] = 1,
        eta: Annotated[float, Gt(0)] = 0.1,
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.h, self.eta, self.in_loss = h, eta, form == "penalty"
        P, T = torch.Size(coupled.shape).numel(), coupled.tasks
        weight = eta * (1 + eta)
        curvature = weight / (eta + min(1.0, h / P))  # with M = (h / P) I
        self.strength = weight * resolve_strength("caso", halflife, strength, coupled.lr, curvature)
        refuse_infinite("caso:form=penalty", self.strength, self.in_loss)
        # M = U diag(m) U^T + m_0 (I - U U^T) is (P, P), too large to store: m, m_0 and U^T in its place.
        self.register_buffer("filled", torch.zeros(T))
        self.register_buffer("rest", torch.tensor(min(1.0, h / P)))
        self.register_buffer("directions", torch.zeros(T, P))

    def value(self, W: Tensor) -> Tensor:
        """c tr(W^T (eta I + M)^-1 W), computed in the directions U and outside of them; M is never formed."""
        A, outside = W.reshape(-1, W.shape[-1]), 1 / (self.eta + self.rest)
        inside = 1 / (self.eta + self.filled) - outside
        along = (self.directions @ A).square().sum(dim=1)
        return self.strength * (outside * A.square().sum() + (inside * along).sum())

    def prox(self, W: Tensor, step: float) -> Tensor:
        """(I + 2 s c (eta I + M)^-1)^-1 W: a factor for each direction in U, one for all others."""
        if step == 0 or self.strength == 0:  # exactly W, without rounding
            return W
        A, outside = W.reshape(-1, W.shape[-1]), 1 / (1 + 2 * step * self.strength / (self.eta + self.rest))
        inside = 1 / (1 + 2 * step * self.strength / (self.eta + self.filled)) - outside
        along = mix_copies(self.directions.T, inside[:, None] * (self.directions @ A)).reshape(W.shape)
        return outside * W + along

    def refresh(self, W: Tensor) -> None:
        """Set M to its minimum for W: over the left singular vectors of W, by water filling."""
        A = W.reshape(-1, W.shape[-1])
        s, V = gram_eigen(A)
        live = s > 0
        if not live.any():
            return
        rank = int(live.sum())
        # Left singular vectors from the right ones: u_i = W v_i / s_i.
        left = (V.T @ A.T) / s.clamp(min=torch.finfo(s.dtype).tiny)[:, None]
        self.directions.copy_(torch.where(live[:, None], left, 0.0))
        self.filled.zero_()[live] = water_filling(s[live], self.eta, self.h)
        # What h leaves over is spread over the directions that no copy uses.
        self.rest.fill_(
            min(1.0, max(0.0, self.h - float(self.filled.sum())) / (len(A) - rank)) if len(A) > rank else 0.0
        )

    def marginal(self) -> Constraint:
        """The spectral box norm, the penalty with M at its minimum."""
        return SpectralBox(self.coupled, self.strength, self.eta, self.h)
