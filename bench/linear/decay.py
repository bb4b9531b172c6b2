"""Weight decay: the penalty of a model without a constraint, whose strength is chosen like any other."""

from torch import Tensor

from bench.core.constraint import Constraint, Coupled


class Decay(Constraint):
    """R(W) = v |W|^2, each entry by itself: ridge regression with one strength for all tasks.

    Not in the registry: `single_task` and `hard` get it from the solver, as deep models get weight decay
    from the optimiser. prox(W) = W / (1 + 2 step v).
    """

    def __init__(self, coupled: Coupled, strength: float) -> None:
        super().__init__(coupled)
        self.strength = strength

    def value(self, W: Tensor) -> Tensor:
        return self.strength * W.square().sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        return W / (1 + 2 * step * self.strength)
