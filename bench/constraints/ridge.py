"""The squared norm: nothing is held together, everything shrinks."""

from typing import Annotated, ClassVar, Literal

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


@register("ridge", title="ridge of each task", version=2)
class Ridge(Constraint):
    """R(W) = v |W|^2, each copy by itself: the uncoupled twin of every constraint that also shrinks.

    prox_{s R}(W) = W / (1 + 2 s v). A gain of `cluster`, `caso`, `mtrl` or `mrn` that `ridge` has too is no sharing.

    Of deviations (`coordinates=mean`) it is `l2`, of the same half-life, and no control: what it shrinks then is what
    the copies differ by. v = inf ties them.

    halflife: updates k after which a deviation that the losses leave alone has halved at the first learning rate, in
        [0, inf]: v = ln 2 / (2 k lr_0).
    strength: v itself, in [0, inf], instead of a half-life.
    form: `prox`, or `penalty`, added to the loss.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    ties: ClassVar = ("halflife=0", "strength=inf")
    limits: ClassVar = {"strength=0": "single_task", "halflife=inf": "single_task"}

    def __init__(
        self,
        coupled: Coupled,
        *,
        halflife: Annotated[float | None, Ge(0), Infinite(), Search(1, 1e4)] = 300.0,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("halflife")] = None,
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength = resolve_strength("ridge", halflife, strength, coupled.lr)
        self.in_loss = form == "penalty"
        refuse_infinite("ridge:form=penalty", self.strength, self.in_loss)

    def value(self, W: Tensor) -> Tensor:
        return self.strength * W.square().sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return W if step == 0 or self.strength == 0 else W / (1 + 2 * step * self.strength)
