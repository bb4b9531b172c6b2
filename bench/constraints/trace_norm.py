"""The trace norm: the tasks' weights span few directions.

The convex relative of a low rank, which `dmtrl` fixes in advance.
"""

from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from bench.api import Coupled, Ge, Infinite, LayerwiseNorm, Replaces, Schedule, Search, refuse_infinite, register
from bench.toolbox.proxes import shrink_singular, spectral_norm
from bench.toolbox.spectra import trace_norm, unfoldings


@register(
    "trace_norm",
    title="trace norm (low rank)",
    family="common structure",
    version=3,
    paper="Yang, Hospedales, Trace Norm Regularised Deep Multi-Task Learning, ICLR Workshop 2017; "
    "for linear tasks Argyriou, Evgeniou, Pontil, NeurIPS 2006",
)
class TraceNorm(LayerwiseNorm):
    """R(W) = v * mean over unfoldings of |W_(k)|_*, the sum of singular values of W (shape, T) as a matrix.

    mode=last has one unfolding, (P, T), and an exact prox, which shrinks singular values: U max(S - s v, 0) V^T.
    v -> inf leads to W = 0 through rank 1, not to `hard`: a stack of T equal copies w has norm sqrt(T) |w|, the
    least at its length. The other modes have no closed prox and are penalties. Parameters of two axes or more.

    The linear paper has one matrix, a weight vector for each task. On a network there is a norm for each coupled
    tensor, whose v `hold` sets for each by itself: nothing makes layers of low rank together.

    Of deviations (`coordinates=mean`), biases included: they are of low rank, copies differ along few directions, and
    of two tasks along one, whose length is all that is left to shrink. v -> inf leads through rank 1 to `hard`.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf]; for
        mode=tucker and tt of a bound of that strength from above.
    strength: v itself, in [0, inf], instead.
    mode: `last` axis against all others; `tucker`, every axis against all others; `tt`, the first axes against the
        rest, for every cut.
    form: of mode=last: `prox`, or `penalty`: sum sqrt(S^2 + smooth^2) - smooth, added to the loss, as published.
    smooth: of penalties, > 0 there for a gradient at 0.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    limits: ClassVar = LayerwiseNorm.limits | {"mode=tucker,strength=0": "single_task"}

    def __init__(
        self,
        coupled: Coupled,
        *,
        hold: Annotated[float | None, Ge(0), Infinite(), Search(0.01, 1.0)] = 0.05,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("hold")] = None,
        mode: Literal["last", "tucker", "tt"] = "last",
        form: Literal["prox", "penalty"] = "prox",
        smooth: Annotated[float, Ge(0)] = 1e-4,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule, hold=hold, strength=strength)
        self.mode = mode
        self.in_loss = form == "penalty" or mode != "last"
        refuse_infinite(f"trace_norm:form={form},mode={mode}", self.strength, self.in_loss)
        self.smooth = smooth if self.in_loss else 0.0  # a prox needs no gradient

    def norm(self, W: Tensor) -> Tensor:
        """The mean over unfoldings of sum_i sqrt(s_i^2 + smooth^2) - smooth."""
        norms = [trace_norm(matrix, self.smooth) for matrix in unfoldings(W, self.mode)]
        return torch.stack(norms).mean()

    def prox(self, W: Tensor, step: float) -> Tensor:
        """U max(S - s v, 0) V^T, for mode=last."""
        if step == 0 or self.strength == 0:  # exactly W, without the rounding of a decomposition
            return W
        return shrink_singular(W, step * self.strength)

    def dual_norm(self, G: Tensor) -> Tensor | None:
        """The largest singular value of G as a matrix (P, T), over v; None for other modes and at strength 0."""
        return super().dual_norm(G) if self.mode == "last" else None

    def dual(self, G: Tensor) -> Tensor:
        """The largest singular value of any unfolding of G."""
        return torch.stack([spectral_norm(matrix) for matrix in unfoldings(G, self.mode)]).max()
