"""The sum of absolute values: single weights go to zero, each task for itself.

A control: a gain of `l21` or `trace_norm` that `l1` has too is no sharing.
"""

from typing import Annotated, ClassVar, Literal

from torch import Tensor

from bench.api import Coupled, Ge, Infinite, NormConstraint, Replaces, Schedule, Search, refuse_infinite, register


@register(
    "l1",
    title="lasso of each task",
    version=2,
    paper="Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 58, 1996",
)
class L1(NormConstraint):
    """R(W) = v sum |W|, entry by entry: the uncoupled twin of `l21` and `trace_norm`.

    prox_{s R}(W) = sign(W) max(|W| - s v, 0): exact zeros.

    Of deviations (`coordinates=mean`) it shares, and is no control: few weights differ between tasks, all others are
    tied. The prox is followed by a projection on deviations that sum to 0. v = inf ties the copies.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf].
    strength: v itself, in [0, inf], instead.
    form: `prox`, or `penalty`: v sum sqrt(W^2 + smooth^2) - smooth, added to the loss, without exact zeros.
    smooth: of the penalty, > 0 there for a gradient at 0.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True
    ties: ClassVar = ("hold=inf", "strength=inf")
    limits: ClassVar = {"strength=0": "single_task", "hold=0": "single_task"}

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
        refuse_infinite("l1:form=penalty", self.strength, self.in_loss)
        self.smooth = smooth if self.in_loss else 0.0  # a prox needs no gradient

    def norm(self, W: Tensor) -> Tensor:
        """sum |W|, or its smooth form."""
        if not self.smooth:
            return W.abs().sum()
        return ((W.square() + self.smooth**2).sqrt() - self.smooth).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return W if step == 0 or self.strength == 0 else W.sign() * (W.abs() - step * self.strength).clamp(min=0)

    def dual(self, G: Tensor) -> Tensor:
        """max |G|."""
        return G.abs().max()
