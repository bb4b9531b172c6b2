"""Self-fitting sharings: fitted to all rows at once by their own inference, not by gradient updates.

`bench.training.full_batch.infer` runs them; a Gaussian process is one.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from bench.core.sharing import Sharing
from bench.core.suite import Suite

OnStep = Callable[[int, int], None]  # parts done, parts in all


@dataclass(frozen=True)
class Found:
    """How a fit ended.

    Args:
        objective: the value that was minimised, at the end.
        residual: |gradient| at the end over |gradient| at the start; 0 at a minimum, and where there is no gradient.
        iterations: of the optimiser.
        parameters: how many numbers were fitted.
    """

    objective: float
    residual: float
    iterations: int
    parameters: int


class SelfFitting(Sharing):
    """A sharing with an inference of its own: `fit` reads the training rows, and `forward` then predicts.

    `forward` gives predictions, in the shape that the head of each task gives: no head follows. Parameters have no
    gradient outside of `fit`. Before `fit`, `forward` returns the prior mean. A fit counts as converged when its
    residual is at most `tolerance`. `packages` are those whose versions can change a number; the record lists them.
    Rows of images are refused.
    """

    tolerance: ClassVar[float]
    packages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def fit(
        self,
        inputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        iterations: int,
        generator: torch.Generator,
        on_step: OnStep | None = None,
    ) -> Found:
        """Fit everything that is not an option to the training rows of all tasks.

        Args:
            inputs: task -> (n_t, d), float64.
            targets: task -> (n_t,), float64, or whole numbers for classes; every row has a label.
            iterations: of an optimiser, at most.
            generator: the source of everything random.
            on_step: is called with the parts done and the parts in all.
        """

    def weights(self) -> Tensor | None:
        """The weights (d, T), where what was fitted is linear in the inputs; None elsewhere."""
        return None

    def supports(self, suite: Suite) -> str | None:
        if len(suite.input_shape) != 1:
            return f"is fitted to all rows of a table at once (here a row has the shape {suite.input_shape})."
        return super().supports(suite)
