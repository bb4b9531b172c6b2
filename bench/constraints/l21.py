"""Joint feature selection: an input is used by all tasks or by none."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from bench.api import Coupled, Ge, Infinite, LayerwiseNorm, Replaces, Schedule, Search, refuse_infinite, register
from bench.toolbox.proxes import largest_group, shrink_groups


@register(
    "l21",
    title="group lasso (l2,1)",
    family="common structure",
    version=2,
    paper="Argyriou, Evgeniou, Pontil, Multi-Task Feature Learning, NeurIPS 2006; Obozinski, Taskar, Jordan, Joint "
    "Covariate Selection, Statistics and Computing 20, 2010; for layers after Scardapane et al., Neurocomputing 2017",
)
class L21(LayerwiseNorm):
    """R(W) = v sum_j |W_j|, W_j everything that reads input j: all outputs, all kernel positions, all tasks.

    prox_{s R}(W)_j = max(1 - s v / |W_j|, 0) W_j: inputs that are not worth it are dropped for all tasks at once. In
    a linear suite j is a feature. Parameters of two axes or more (outputs first, inputs second).

    Of deviations (`coordinates=mean`): few inputs are read differently by different tasks; a bias is held as one more
    input, the constant. v = inf ties the copies.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf].
    strength: v itself, in [0, inf], instead.
    form: `prox`, or `penalty`: v sum_j sqrt(|W_j|^2 + smooth^2) - smooth, added to the loss, without exact zeros.
    smooth: of the penalty, > 0 there for a gradient at 0.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True

    def __init__(
        self,
        coupled: Coupled,
        *,
        hold: Annotated[float | None, Ge(0), Infinite(), Search(0.01, 1.0)] = 0.1,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("hold")] = None,
        form: Literal["prox", "penalty"] = "prox",
        smooth: Annotated[float, Ge(0)] = 1e-4,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule, hold=hold, strength=strength)
        self.in_loss = form == "penalty"
        refuse_infinite("l21:form=penalty", self.strength, self.in_loss)
        self.smooth = smooth if self.in_loss else 0.0  # a prox needs no gradient
        self.axes = self.group_axes

    def norm(self, W: Tensor) -> Tensor:
        """sum_j |W_j|, or its smooth form."""
        if not self.smooth:
            norm: Tensor = torch.linalg.vector_norm(W, dim=self.axes).sum()
            return norm
        squares = W.square().sum(dim=self.axes)
        return ((squares + self.smooth**2).sqrt() - self.smooth).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        if step == 0 or self.strength == 0:  # at strength inf a step of 0 would be NaN
            return W
        return shrink_groups(W, self.axes, step * self.strength)

    def dual(self, G: Tensor) -> Tensor:
        """max_j |G_j|."""
        return largest_group(G, self.axes)
