"""Nash-MTL: the bargaining solution among the tasks."""

import warnings
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from bench.api import Ge, GramianWeighting, StepState, register, with_solver


@register(
    "nash_mtl",
    version=2,
    paper="Navon et al., Multi-Task Learning as a Bargaining Game, ICML 2022, algorithm 1",
)
class NashMTL(GramianWeighting):
    """Weights that solve G w = 1 / w: the direction in a ball that maximises the product of the tasks' gains.

    By a sequence of convex problems (ECOS through cvxpy), started from the last weights; where the solver fails the
    last weights stay, as in the authors' code. They are those of G / tr G, so that a start means the same at every
    size of gradients, where the authors start from weights of another size. By TorchJD.

    clip: largest norm of the combined gradient of the shared parameters; 0 leaves it as it is.
    iterations: convex problems per step, at least 1.
    """

    degree = -0.5

    def __init__(
        self, tasks: list[str], *, clip: Annotated[float, Ge(0)] = 1.0, iterations: Annotated[int, Ge(1)] = 20
    ) -> None:
        from torchjd.aggregation import NashMTL as Aggregator

        aggregator = with_solver(lambda: Aggregator(len(tasks), 0.0, 1, iterations))
        super().__init__(tasks, self._solve)
        self.clip = clip
        self._weighting: Any = (aggregator.weighting,)  # in a tuple: no part of the state

    def forward(self, state: StepState) -> Tensor:
        weights = super().forward(state)
        if not self.clip or len(self.tasks) == 1 or state.gramian is None:
            return weights
        length = (weights @ state.gramian.detach().to(weights) @ weights).clamp(min=0).sqrt()
        return weights * (self.clip / length).clamp(max=1.0)

    def _solve(self, G: Tensor) -> Tensor:
        """The aggregator takes gradients: rows with the same Gramian are as good as the real ones."""
        values, vectors = torch.linalg.eigh(G.double())
        rows = vectors * values.clamp(min=0).sqrt()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cvxpy's advice on how the aggregator should have put its problem
            weights: Tensor = self._weighting[0](rows)
        return weights

    def get_extra_state(self) -> dict[str, Any]:
        [rule] = self._weighting
        return {"step": float(rule.step), "last": [float(value) for value in rule.prvs_alpha]}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        [rule] = self._weighting
        if state["step"]:
            rule._init_optim_problem()
        rule.step, rule.prvs_alpha = state["step"], np.array(state["last"])
