"""The squared norm: nothing is held together, everything shrinks."""

from typing import Annotated, ClassVar, Literal

from torch import Tensor

from bench.api import Constraint, Coupled, Ge, Infinite, Schedule, refuse_infinite, register


@register("ridge")
class Ridge(Constraint):
    """R(W) = v |W|^2, each copy by itself: the uncoupled twin of every constraint that also shrinks.

    prox_{s R}(W) = W / (1 + 2 s v). A gain of `cluster`, `caso`, `mtrl` or `mrn` that `ridge` has too is no sharing.

    strength: v, in [0, inf].
    form: `prox`, or `penalty`, added to the loss.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    limits: ClassVar = {"strength=0": "single_task"}

    def __init__(
        self,
        coupled: Coupled,
        *,
        strength: Annotated[float, Ge(0), Infinite()] = 1e-3,
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength, self.in_loss = strength, form == "penalty"
        refuse_infinite("ridge:form=penalty", strength, self.in_loss)

    def value(self, W: Tensor) -> Tensor:
        return self.strength * W.square().sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return W if step == 0 or self.strength == 0 else W / (1 + 2 * step * self.strength)
