"""Neighbours in a given graph of tasks are alike."""

from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from bench.api import (
    Constraint,
    Coupled,
    Ge,
    Infinite,
    Replaces,
    Schedule,
    Search,
    refuse_infinite,
    register,
    resolve_strength,
)
from bench.toolbox.spectra import mix_copies


@register(
    "graph",
    title="graph of tasks",
    family="penalised copies",
    version=3,
    paper="Evgeniou, Micchelli, Pontil, Learning Multiple Tasks with Kernel Methods, JMLR 6, 2005",
)
class Graph(Constraint):
    """R(W) = v tr(W L W^T) = v sum_{s<t} A_st |w_s - w_t|^2, L = diag(A 1) - A the Laplacian of the graph A.

    prox_{s R}(W) = W (I + 2 s v L)^-1. v = inf ties every connected part. On the complete graph it is `l2_pairwise`,
    and `l2` with T v. The mean of the copies costs nothing, so that it holds deviations in any coordinates.

    halflife: updates k after which a deviation that the losses leave alone has halved at the first learning rate, in
        [0, inf]: v = ln 2 / (2 k lr_0 l), l the mean of the eigenvalues of L that are not 0: of the complete graph all
        are T, and all deviations halve alike; in others those between distant tasks halve later, others sooner.
    strength: v itself, in [0, inf], instead of a half-life.
    edges: the graph: `complete`; `chain` or `ring`, neighbours in the order of the tasks; `star`, all to the first.
    weights: A_st >= 0 instead, T (T - 1) / 2 numbers, row by row above the diagonal, as in 1/0/0.5 for three tasks.
    form: `prox`, or `penalty`, added to the loss (sgd diverges for lr v > 1 / largest eigenvalue of L).
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    ties: ClassVar = ("halflife=0", "strength=inf")
    limits: ClassVar = {
        "halflife=inf": "single_task",
        "strength=0": "single_task",
        "strength=inf": "soft+l2:halflife=0",
    }

    def __init__(
        self,
        coupled: Coupled,
        *,
        halflife: Annotated[float | None, Ge(0), Infinite(), Search(1, 1e4)] = 300.0,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("halflife")] = None,
        edges: Literal["complete", "chain", "ring", "star"] = "complete",
        weights: tuple[Annotated[float, Ge(0)], ...] | None = None,
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        A = _adjacency(coupled.tasks, edges, weights)
        values, vectors = torch.linalg.eigh(torch.diag(A.sum(dim=1)) - A)
        # Each connected part has an eigenvalue 0; as rounding it would shrink the part's mean at strength inf.
        values = torch.where(values > 1e-12 * max(1.0, float(values[-1])), values, 0.0)
        live = values[values > 0]
        curvature = float(live.mean()) if len(live) else 1.0  # of a graph without edges any will do
        self.strength = resolve_strength("graph", halflife, strength, coupled.lr, curvature)
        self.in_loss = form == "penalty"
        refuse_infinite("graph:form=penalty", self.strength, self.in_loss)
        # By type and device, filled on demand; not buffers, since they are constant and need double.
        self.eigen = {(torch.float64, torch.device("cpu")): (values, vectors)}

    def _eigen(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Eigenvalues and eigenvectors of L in the type and on the device of `like`."""
        key = like.dtype, like.device
        if key not in self.eigen:
            values, vectors = self.eigen[torch.float64, torch.device("cpu")]
            self.eigen[key] = values.to(like), vectors.to(like)
        return self.eigen[key]

    def value(self, W: Tensor) -> Tensor:
        """v sum_i l_i |W q_i|^2 over eigenvalues l_i and eigenvectors q_i of L."""
        values, vectors = self._eigen(W)
        return self.strength * (mix_copies(W, vectors).square() * values).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        """W Q diag(1 / (1 + 2 s v l)) Q^T."""
        if step == 0 or self.strength == 0:  # exactly W, without the rounding of Q Q^T
            return W
        values, vectors = self._eigen(W)
        scale = torch.where(values > 0, 1 / (1 + 2 * step * self.strength * values), 1.0)  # inf * 0 would be NaN
        return mix_copies(W, (vectors * scale) @ vectors.T)


def _adjacency(tasks: int, edges: str, weights: tuple[float, ...] | None) -> Tensor:
    """A (T, T), symmetric, zero on the diagonal. Raises ValueError for `weights` of another number of tasks."""
    A = torch.zeros(tasks, tasks, dtype=torch.float64)
    rows, columns = torch.triu_indices(tasks, tasks, offset=1)
    if weights is not None:
        if len(weights) != len(rows):
            raise ValueError(
                f"`weights` of `graph` should hold {len(rows)} numbers for {tasks} tasks. Found {len(weights)}."
            )
        A[rows, columns] = torch.tensor(weights, dtype=torch.float64)
    elif edges == "complete":
        A[rows, columns] = 1.0
    elif edges == "star":
        A[0, 1:] = 1.0
    else:
        A[range(tasks - 1), range(1, tasks)] = 1.0
        if edges == "ring" and tasks > 2:  # of two tasks the ring is the chain, or its edge would count twice
            A[0, tasks - 1] = 1.0
    return A + A.T
