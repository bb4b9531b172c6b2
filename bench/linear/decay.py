"""Weight decay: what a model without a constraint is held by."""

from torch import Tensor

from bench.core.constraint import Constraint, Coupled


class Decay(Constraint):
    """R(W) = v |W|^2, each entry by itself."""

    def __init__(self, coupled: Coupled, strength: float) -> None:
        super().__init__(coupled)
        self.strength = strength

    def value(self, W: Tensor) -> Tensor:
        return self.strength * W.square().sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return W / (1 + 2 * step * self.strength)
