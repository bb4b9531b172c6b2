"""Multilinear relationships: a tensor-normal prior with a covariance for every axis, tasks among them.

`mtrl` has the covariance of the tasks only.
"""

import math
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

MAX_AXIS = 512  # a longer axis keeps the identity: decomposing its covariance takes too long


@register(
    "mrn",
    title="multilinear relationships",
    family="penalised copies",
    version=3,
    paper="Long, Cao, Wang, Yu, Learning Multiple Tasks with Multilinear Relationship Networks, NeurIPS 2017",
)
class MRN(Constraint):
    """R(W) = v/2 vec(W)^T (S_1 x ... x S_K)^-1 vec(W): a covariance S_k for outputs, inputs, kernel and tasks.

    Every refresh is one round of the flip-flop algorithm: S_k <- C / mean(diag C) + smooth I with C = W_(k)
    (x_{j != k} S_j)^-1 W_(k)^T, scaled to mean eigenvalue 1, so that v alone sets the strength. At the start all
    are I, and R is `ridge` with v / 2. The prox is exact in the covariances' eigenvectors, where R is a weighted sum
    of squares. The authors' code updates the task covariance only and stores its thresholded inverse. Kernel
    positions are one axis; an axis longer than 512 keeps I. Parameters of two axes or more.

    The paper puts the prior on task-specific layers, which lie above a trunk that all tasks share; here `soft` couples
    the whole backbone and leaves heads free. Each tensor has its own covariances, as each layer there.

    Of deviations (`coordinates=mean`), biases included: tasks, outputs and inputs along which copies differ much may go
    on to differ, the others are held together. v = inf ties the copies.

    halflife: updates k after which a deviation that the losses leave alone has halved at the first learning rate, in
        [0, inf]: v = ln 2 / (k lr_0), R as at the start.
    strength: v itself, in [0, inf], instead of a half-life.
    smooth: added to every covariance, relative to its mean variance, at least 1e-6.
    form: `prox`, or `penalty`, added to the loss.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    refresh_every = 100
    ties: ClassVar = ("halflife=0", "strength=inf")
    limits: ClassVar = {"strength=0": "single_task", "halflife=inf": "single_task"}

    def __init__(
        self,
        coupled: Coupled,
        *,
        halflife: Annotated[float | None, Ge(0), Infinite(), Search(1, 1e4)] = 300.0,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("halflife")] = None,
        smooth: Annotated[float, Ge(1e-6)] = 1e-2,
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength = resolve_strength("mrn", halflife, strength, coupled.lr, 0.5)
        self.smooth, self.in_loss = smooth, form == "penalty"
        refuse_infinite("mrn:form=penalty", self.strength, self.in_loss)
        kernel = coupled.shape[2:]  # all of its positions are one axis
        self.sizes = [*coupled.shape[:2], *([math.prod(kernel)] if kernel else []), coupled.tasks]
        for axis, size in enumerate(self.sizes):
            if size <= MAX_AXIS:  # S_k as its eigenvalues and eigenvectors
                self.register_buffer(f"values{axis}", torch.ones(size))
                self.register_buffer(f"vectors{axis}", torch.eye(size))

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        """Parameters of two axes or more; of deviations all, or copies of biases would stay apart at strength inf."""
        return len(shape) > 1 or self.coupled.deviations

    def _axes(self) -> list[int]:
        """The axes with a covariance."""
        return [axis for axis, size in enumerate(self.sizes) if size <= MAX_AXIS]

    def _rotate(self, W: Tensor, back: bool = False) -> Tensor:
        """W in the eigenvectors of the covariances, axis by axis, or `back` from there."""
        for axis in self._axes():
            Q = getattr(self, f"vectors{axis}")
            W = _multiply_axis(W, axis, Q.T if back else Q)
        return W

    def _multiply_eigenvalues(self, W: Tensor, without: int | None = None) -> Tensor:
        """For every entry of W the product of its eigenvalues over all axes but `without`; broadcasts to W."""
        product = W.new_ones(())
        for axis in self._axes():
            if axis != without:
                values = getattr(self, f"values{axis}")
                product = product * values.reshape([-1 if k == axis else 1 for k in range(W.dim())])
        return product

    def value(self, W: Tensor) -> Tensor:
        """v/2 sum of the squares of W in the eigenvectors, each over its product of eigenvalues."""
        rotated = self._rotate(W.reshape(self.sizes))
        return self.strength / 2 * (rotated.square() / self._multiply_eigenvalues(rotated)).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        """In the eigenvectors, every entry over 1 + s v / its product of eigenvalues."""
        if step == 0 or self.strength == 0:  # exactly W, without the rounding of two rotations
            return W
        rotated = self._rotate(W.reshape(self.sizes))
        rotated = rotated / (1 + step * self.strength / self._multiply_eigenvalues(rotated))
        return self._rotate(rotated, back=True).reshape(W.shape)

    def refresh(self, W: Tensor) -> None:
        """One round of flip-flop: each covariance in turn, given the others."""
        W = W.reshape(self.sizes)
        if not W.square().sum() > torch.finfo(W.dtype).tiny:
            return  # nothing to learn from
        for axis in self._axes():
            rotated = self._rotate(W)
            scaled = (rotated / self._multiply_eigenvalues(rotated, without=axis).sqrt()).movedim(axis, 0).flatten(1)
            Q = getattr(self, f"vectors{axis}")
            covariance = Q @ (scaled @ scaled.T / scaled.shape[1]) @ Q.T
            covariance = covariance / covariance.diagonal().mean()  # so that `smooth` is relative
            eye = torch.eye(len(Q), dtype=W.dtype, device=W.device)
            values, vectors = torch.linalg.eigh(covariance + self.smooth * eye)
            values = values.clamp(min=self.smooth / 2)  # eigenvalues are at least `smooth`, but for rounding
            getattr(self, f"values{axis}").copy_(values / values.mean())
            Q.copy_(vectors)

    def matrices(self) -> dict[str, Tensor]:
        """`covariance` (T, T) of the tasks, of mean eigenvalue 1."""
        axis = len(self.sizes) - 1
        if axis not in self._axes():
            return {}
        Q = getattr(self, f"vectors{axis}")
        return {"covariance": ((Q * getattr(self, f"values{axis}")) @ Q.T).detach()}


def _multiply_axis(W: Tensor, axis: int, Q: Tensor) -> Tensor:
    """sum_i W_(..., i, ...) Q_ij along one axis of W (outputs, [inputs, [kernel,]] tasks).

    In memory the tasks come first and the inputs last, where products of matrices are fast on all axes.
    """
    order = [W.dim() - 1, 0, *range(2, W.dim() - 1), *range(1, min(2, W.dim() - 1))]
    X = W.permute(order).contiguous()
    at = order.index(axis)
    before, after = math.prod(X.shape[:at]), math.prod(X.shape[at + 1 :])
    moved = X.reshape(-1, len(Q)) @ Q if after == 1 else Q.T @ X.reshape(before, len(Q), after)
    return moved.reshape(X.shape).permute([order.index(k) for k in range(W.dim())])
