"""Self-fitting sharings: fitted to all rows at once by their own inference, not by gradient updates."""

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
    """How a fit ended: its objective, |gradient| there over |gradient| at the start, what it took, and what it set."""

    objective: float
    residual: float
    iterations: int
    parameters: int


class SelfFitting(Sharing):
    """A sharing with an inference of its own: `fit` reads the training rows, and `forward` then predicts.

    For squared loss where a suite's models are fitted by a solver; other suites are refused. Parameters have no
    gradient outside of `fit`. Before `fit`, `forward` returns the prior mean. `tolerance` is that of the
    residual, `packages` are those whose versions can change a number.
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
        """Choose everything that is open by `inputs` (n_t, d) and `targets` (n_t,) of all tasks, float64.

        At most `iterations` of an optimiser. What is random comes from `generator`.
        """

    def weights(self) -> Tensor | None:
        """The weights (d, T), where what was fitted is linear in the inputs; None elsewhere."""
        return None

    def supports(self, suite: Suite) -> str | None:
        if suite.protocol.fit != "solver" or suite.protocol.loss != "squared" or len(suite.input_shape) != 1:
            return "is fitted to all rows at once, in suites whose models are linear, with squared loss."
        return super().supports(suite)
