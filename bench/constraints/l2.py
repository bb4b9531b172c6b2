"""Squared distance of the copies to their mean: the dial from single-task to hard sharing.

With `l2_pairwise`, the same penalty written over pairs.
"""

from typing import Annotated, ClassVar, Literal

from torch import Tensor

from bench.api import (
    Added,
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


@register(
    "l2",
    title="distance to the mean",
    family="penalised copies",
    paper="Duong, Cohn, Bird, Cook, Low Resource Dependency Parsing, ACL 2015; "
    "Evgeniou, Pontil, Regularized Multi-task Learning, KDD 2004 (mean-constrained)",
)
class L2(Constraint):
    """R(W) = v sum_t |w_t - mean(w)|^2, of every parameter of the coupled stages.

    Its prox shrinks the deviations from the mean: prox_{s R}(W) = mean + (W - mean) / (1 + 2 s v),
    applied after the optimiser's step with that step's learning rate s. Under sgd without momentum,
    v = 0 is `single_task` exactly, and v -> inf is `hard` with the trunk's rate divided by T. Under `coordinates=mean`
    v -> inf is `hard` under any optimiser. On multidigits the default all but ties the copies (effective sharing .99).

    halflife: updates k after which a deviation that the losses leave alone has halved at the first
        learning rate lr_0, in [0, inf]: v = ln 2 / (2 k lr_0), which leaves (1 + ln 2 / k)^-k of it, a
        half for large k (.512 at k = 10, .5012 at k = 100). inf leaves the copies alone, 0 ties them.
    strength: v itself, in [0, inf], instead of a half-life. Not divided by parameter counts.
    form: `prox` is exact and stable at any strength. `penalty` adds R to the loss, as in the literature;
        sgd diverges for lr v > 1/2, adam rescales it. `offset` writes w_t = mean + v_t with the mean a
        parameter of its own and shrinks v_t, so that the tied limit is `hard` under any optimiser. Its other
        end is not `single_task`: w_t then moves by its own gradient and by the sum of all.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    ties: ClassVar = ("halflife=0", "strength=inf")
    limits: ClassVar = {
        "halflife=inf": "single_task",
        "form=penalty,strength=0": "single_task",
        "form=offset,halflife=0": "hard",
    }

    def __init__(
        self,
        coupled: Coupled,
        *,
        halflife: Annotated[float | None, Ge(0), Infinite(), Search(1, 1e4)] = 100.0,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("halflife")] = None,
        form: Literal["prox", "penalty", "offset"] = "prox",
        schedule: Annotated[Schedule, Added()] = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        self.strength = resolve_strength("l2", halflife, strength, coupled.lr)
        self.in_loss, self.offset = form == "penalty", form == "offset"
        refuse_infinite("l2:form=penalty", self.strength, self.in_loss)

    def _centre(self, W: Tensor) -> Tensor | float:
        """The mean of the copies; 0 for `offset`, where W holds deviations already."""
        return 0.0 if self.offset else W.mean(dim=-1, keepdim=True)

    def value(self, W: Tensor) -> Tensor:
        return self.strength * (W - self._centre(W)).square().sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        if self.strength == 0 or step == 0:  # exactly W, and no NaN for a step of 0 at strength inf
            return W
        centre = self._centre(W)
        return centre + (W - centre) / (1 + 2 * step * self.strength)


@register(
    "l2_pairwise",
    title="distance between pairs",
    family="penalised copies",
    version=2,
    paper="Duong, Cohn, Bird, Cook, Low Resource Dependency Parsing, ACL 2015",
)
class L2Pairwise(Constraint):
    """R(W) = v sum_{s<t} |w_s - w_t|^2: squared distances between all pairs, T times `l2` of the same strength.

    prox_{s R}(W) = mean + (W - mean) / (1 + 2 s T v). v = inf ties the copies.

    halflife: updates k after which a deviation that the losses leave alone has halved at the first learning rate, in
        [0, inf]: v = ln 2 / (2 T k lr_0), so that it is `l2` of the same half-life.
    strength: v itself, in [0, inf], instead of a half-life.
    form: `prox`, or `penalty`, added to the loss, as in the literature.
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
        form: Literal["prox", "penalty"] = "prox",
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        # The sum over pairs is T times the sum of squared distances to the mean.
        given = resolve_strength("l2_pairwise", halflife, strength, coupled.lr, coupled.tasks)
        self.strength, self.in_loss = coupled.tasks * given, form == "penalty"
        refuse_infinite("l2_pairwise:form=penalty", given, self.in_loss)

    def value(self, W: Tensor) -> Tensor:
        return self.strength * (W - W.mean(dim=-1, keepdim=True)).square().sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        if step == 0 or self.strength == 0:  # as for `l2`
            return W
        centre = W.mean(dim=-1, keepdim=True)
        return centre + (W - centre) / (1 + 2 * step * self.strength)
