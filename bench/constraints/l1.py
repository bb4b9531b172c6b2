"""The sum of absolute values: single weights go to zero, each task for itself.

A control: a gain of `l21` or `trace_norm` that `l1` has too is no sharing.
"""

from typing import Annotated, ClassVar, Literal

from torch import Tensor

from bench.api import Constraint, Coupled, Ge, Infinite, Schedule, refuse_infinite, register


@register("l1", paper="Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 58, 1996")
class L1(Constraint):
    """R(W) = v sum |W|, entry by entry: the uncoupled twin of `l21` and `trace_norm`.

    prox_{s R}(W) = sign(W) max(|W| - s v, 0): exact zeros.

    strength: v, in [0, inf].
    form: `prox`, or `penalty`: v sum sqrt(W^2 + smooth^2) - smooth, added to the loss, without exact zeros.
    smooth: of the penalty, > 0 there for a gradient at 0.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True
    limits: ClassVar = {"strength=0": "single_task"}

    def __init__(
        self,
        coupled: Coupled,
        *,
        strength: Annotated[float, Ge(0), Infinite()] = 1e-4,
        form: Literal["prox", "penalty"] = "prox",
        smooth: Annotated[float, Ge(0)] = 1e-4,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength, self.in_loss = strength, form == "penalty"
        refuse_infinite("l1:form=penalty", strength, self.in_loss)
        self.smooth = smooth if self.in_loss else 0.0  # a prox needs no gradient

    def value(self, W: Tensor) -> Tensor:
        if not self.smooth:
            return self.strength * W.abs().sum()
        return self.strength * ((W.square() + self.smooth**2).sqrt() - self.smooth).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return W if step == 0 or self.strength == 0 else W.sign() * (W.abs() - step * self.strength).clamp(min=0)

    def dual_norm(self, G: Tensor) -> Tensor | None:
        """max |G| / v; None at strength 0."""
        return G.abs().max() / self.strength if self.strength else None
