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
        residual: |gradient| at the end over |gradient| at the start, 0 at a minimum.
        iterations: of the optimiser.
        parameters: how many numbers were fitted.
    """

    objective: float
    residual: float
    iterations: int
    parameters: int


class SelfFitting(Sharing):
    """A sharing with an inference of its own: `fit` reads the training rows, and `forward` then predicts.

    For squared loss where a suite's models are fitted by a solver; other suites are refused. Parameters have no
    gradient outside of `fit`. Before `fit`, `forward` returns the prior mean. A fit counts as converged when its
    residual is at most `tolerance`. `packages` are those whose versions can change a number; the record lists them.
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
            targets: task -> (n_t,), float64.
            iterations: of an optimiser, at most.
            generator: the source of everything random.
            on_step: is called with the parts done and the parts in all.
        """

    def weights(self) -> Tensor | None:
        """The weights (d, T), where what was fitted is linear in the inputs; None elsewhere."""
        return None

    def supports(self, suite: Suite) -> str | None:
        if suite.protocol.fit != "solver" or suite.protocol.loss != "squared" or len(suite.input_shape) != 1:
            return "is fitted to all rows at once, in suites whose models are linear, with squared loss."
        return super().supports(suite)
