"""Clusters of tasks that are alike, found while training.

The same penalty as `caso`, seen from the side of the tasks: M here is (T, T), and can be stored and shown.
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
    "cluster",
    title="clustered tasks",
    family="penalised copies",
    version=3,
    paper="Jacob, Bach, Vert, Clustered Multi-Task Learning: A Convex Formulation, NeurIPS 2008; the "
    "relaxation of Zhou, Chen, Ye, NeurIPS 2011",
)
class Cluster(Constraint):
    """R(W) = c tr(W (eta I + M)^-1 W^T), 0 <= M <= I, tr M = k: M (T, T) relaxes the k clusters' projection.

    c = v eta (1 + eta), so that directions inside the clusters' span weigh v eta, others up to v (1 + eta). M is at
    its exact minimum for the copies at hand after every refresh: M = V diag(m) V^T over the right singular vectors
    of W, m_i = clip(a s_i - eta, 0, 1) (public code takes gradient steps in M). Before the first, M = (k / T) I. R
    shrinks W too; with k >= T it is `ridge` with v eta. prox_{s R}(W) = W (I + 2 s c (eta I + M)^-1)^-1. Its minimum
    over M is that of `caso`.

    The papers cluster tasks of one weight vector each, with one M. On a network there is an M of its own for each
    coupled tensor, biases included, so that the layers of a network may cluster the tasks differently.

    Of deviations (`coordinates=mean`): k clusters of tasks differ from the mean in k - 1 directions, so that k counts
    those directions, one less than the clusters. v = inf ties the copies.

    halflife: updates k after which a deviation that the losses leave alone has halved at the first learning rate, in
        [0, inf]: v = ln 2 / (2 k lr_0 w), w = eta (1 + eta) / (eta + min(1, k / T)), at the M of the start.
    strength: v itself, in [0, inf], instead of a half-life.
    k: number of clusters, at least 1.
    eta: > 0; the smaller, the freer the span of the clusters.
    form: `prox`, or `penalty`, added to the loss.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    refresh_every = 10
    ties: ClassVar = ("halflife=0", "strength=inf")
    limits: ClassVar = {"strength=0": "single_task", "halflife=inf": "single_task"}
    filled: Tensor
    vectors: Tensor

    def __init__(
        self,
        coupled: Coupled,
        *,
        halflife: Annotated[float | None, Ge(0), Infinite(), Search(1, 1e4)] = 300.0,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("halflife")] = None,
        k: Annotated[int, Ge(1), Search(choices=(1, 2, 3, 5))] = 1,
        eta: Annotated[float, Gt(0)] = 0.1,
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.k, self.eta, self.in_loss = k, eta, form == "penalty"
        weight = eta * (1 + eta)
        curvature = weight / (eta + min(1.0, k / coupled.tasks))  # with M = (k / T) I
        self.strength = weight * resolve_strength("cluster", halflife, strength, coupled.lr, curvature)
        refuse_infinite("cluster:form=penalty", self.strength, self.in_loss)
        # M = V diag(m) V^T: eigenvalues m in `filled`, eigenvectors as columns of `vectors`.
        self.register_buffer("filled", torch.full((coupled.tasks,), min(1.0, k / coupled.tasks)))
        self.register_buffer("vectors", torch.eye(coupled.tasks))

    def value(self, W: Tensor) -> Tensor:
        """c sum_i |W v_i|^2 / (eta + m_i) over the eigenvectors v_i of M."""
        return self.strength * (mix_copies(W, self.vectors).square() / (self.eta + self.filled)).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        """W V diag((eta + m) / (eta + m + 2 s c)) V^T."""
        if step == 0 or self.strength == 0:  # exactly W, without the rounding of V V^T
            return W
        scale = 1 / (1 + 2 * step * self.strength / (self.eta + self.filled))
        return mix_copies(W, (self.vectors * scale) @ self.vectors.T)

    def refresh(self, W: Tensor) -> None:
        """Set M to its minimum for W: over the right singular vectors of W, by water filling."""
        s, V = gram_eigen(W.reshape(-1, W.shape[-1]))
        if s.any():  # weights of 0 have no clusters
            self.vectors.copy_(V)
            self.filled.copy_(water_filling(s, self.eta, self.k))

    def marginal(self) -> Constraint:
        """The spectral box norm, the penalty with M at its minimum."""
        return SpectralBox(self.coupled, self.strength, self.eta, self.k)

    def matrices(self) -> dict[str, Tensor]:
        """`cluster` (T, T): M. Where copies are equal inside k clusters, 1 / size inside each and 0 between them."""
        return {"cluster": ((self.vectors * self.filled) @ self.vectors.T).detach()}
