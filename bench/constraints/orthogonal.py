"""Towers are pushed apart: the opposite of sharing, as a control for it."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from bench.api import Constraint, Coupled, Ge, Schedule, register


@register(
    "orthogonal",
    title="orthogonality",
    paper="after the difference loss of Bousmalis et al., Domain Separation Networks, NeurIPS 2016, put on "
    "weights as in Ruder et al., AAAI 2019",
)
class Orthogonal(Constraint):
    """R(W) = v sum_{s<t} |W_s W_t^T|_F^2, W_t (outputs, the rest): filters of different tasks should not overlap.

    Added to the loss; it has no closed prox. A control: what `l2` gains by holding copies together, this should
    lose. Parameters of two axes or more.

    It holds the copies themselves in any coordinates: deviations of two tasks are opposite, and to make them orthogonal
    would be to tie them. At v = 0 it is `single_task` under any optimiser. v has no scale-free form and no limit: the
    penalty is of fourth order in the weights, and its least is 0 at orthogonal copies, of which there are many.

    strength: v, at least 0.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    in_loss = True
    holds_together = False
    limits: ClassVar = {"strength=0": "single_task"}

    def __init__(
        self, coupled: Coupled, *, strength: Annotated[float, Ge(0)] = 1e-3, schedule: Schedule = "constant"
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength = strength

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        """Parameters of two axes or more: biases and norms are left alone."""
        return len(shape) > 1

    def value(self, W: Tensor) -> Tensor:
        """v sum_{s<t} |W_s W_t^T|_F^2; 0 for a single task, with a gradient of 0."""
        copies = [copy.flatten(1) for copy in W.unbind(dim=-1)]
        terms = [(a @ b.T).square().sum() for t, b in enumerate(copies) for a in copies[:t]]
        return self.strength * torch.stack(terms).sum() if terms else 0.0 * W.sum()
