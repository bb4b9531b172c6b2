"""GradVac: task gradients are turned towards each other until they are as similar as they use to be."""

from typing import Annotated, Any

import torch
from torch import Tensor

from bench.api import GramianWeighting, Interval, StepState, register


@register(
    "gradvac",
    title="gradient vaccine",
    family="combined gradients",
    paper="Wang, Tsvetkov, Firat, Cao, Gradient Vaccine: Investigating and Improving Multi-task Optimization in "
    "Massively Multilingual Models, ICLR 2021",
)
class GradVac(GramianWeighting):
    """Each gradient is turned towards every other whose cosine with it is below its running mean; then they add.

    The running mean of the cosine of tasks i and j starts at 0, where the first steps are those of `pcgrad`. One
    mean for all shared parameters, where the paper keeps one per layer. By TorchJD.

    beta: how fast the running mean follows, in [0, 1].
    """

    similarity: Tensor

    def __init__(self, tasks: list[str], *, beta: Annotated[float, Interval(ge=0, le=1)] = 0.5) -> None:
        from torchjd.aggregation import GradVacWeighting

        super().__init__(tasks, GradVacWeighting(beta))
        self.register_buffer("similarity", torch.zeros(len(tasks), len(tasks)))

    def forward(self, state: StepState) -> Tensor:
        """Weigh, with the running means of TorchJD's rule kept in a buffer, which checkpoints save."""
        rule: Any = self.rule
        dtype = state.losses.dtype
        # The running means of the tasks that are there, (P, P); those of the others stay.
        rows = torch.arange(len(self.tasks)) if state.present is None else state.present.to(self.similarity.device)
        place = rows[:, None], rows
        # TorchJD starts anew where the key, tasks and type, is not the one it last saw.
        rule._phi_t, rule._state_key = self.similarity[place].to("cpu", dtype, copy=True), (len(rows), dtype)
        weights = super().forward(state)
        self.similarity[place] = rule._phi_t.to(self.similarity)
        rule._phi_t = None  # kept in the buffer alone
        return weights
