"""Sparse selection of experts: each task learns which k of them it uses.

The choice of an expert is written as the bits of its number, so that it is differentiable and sparse at once.
"""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.api import (
    Added,
    Blueprint,
    Ge,
    Gt,
    Modules,
    ParameterGroup,
    Sharing,
    TrainState,
    group_by_input,
    register,
    run_stages,
)
from bench.toolbox.layers import weighted_sum
from bench.toolbox.muting import deal_out, list_reads


def smooth_step(z: Tensor, width: float) -> Tensor:
    """S(z): 0 below -width/2, 1 above width/2, and -2 z^3 / width^3 + 3 z / (2 width) + 1/2 between."""
    inside = -2 / width**3 * z**3 + 3 / (2 * width) * z + 0.5
    return torch.where(z <= -width / 2, 0.0, torch.where(z >= width / 2, 1.0, inside))


@register(
    "dselect_k",
    title="DSelect-k",
    family="experts and gates",
    paper="Hazimeh et al., DSelect-k: Differentiable Selection in the Mixture of Experts with Applications to "
    "Multi-Task Learning, NeurIPS 2021",
)
class DSelectK(Sharing):
    """Whole backbones as experts of which every task learns to use at most k.

    f_t(x) = sum_e g_te f_e(x), g_t = sum_{i<k} softmax(w_t)_i r(z_ti). r(z)_e = prod_j [S(z_j) if bit j of e is 1
    else 1 - S(z_j)], over the m = ceil(log2 E) bits of the expert's number, S the smooth step of width `gamma`:
    exactly 0 or 1 beyond it, so that a settled gate is exactly sparse and no longer moves. The gates do not depend
    on the input (the paper's static gates). Two terms are added to the loss, for every task: entropy * sum_i
    H(r(z_ti)), and, where E is no power of 2, sum_i 1 / sum_{e<E} r(z_ti)_e, which keeps codes off experts that do
    not exist. Widely used code adds them for the last task only.

    experts: E, at least 1; `none` takes as many as there are tasks.
    k: experts that a task may use, at most E.
    gamma: width of the smooth step, > 0.
    entropy: factor of the entropy term, at least 0.
    muted: 1 cuts the path between tasks, a control: experts are dealt out among the tasks, and a gate weighs its task's
        own ones in the place of the others. It needs an expert for each task.
    """

    limits: ClassVar = {"experts=1": "hard"}
    twin = "muted=1"
    codes: Tensor  # (E, m): the bits of every expert's number

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        experts: Annotated[int | None, Ge(1)] = None,
        k: Annotated[int, Ge(1)] = 2,
        gamma: Annotated[float, Gt(0)] = 1.0,
        entropy: Annotated[float, Ge(0)] = 0.01,
        muted: Annotated[Literal[0, 1], Added()] = 0,
    ) -> None:
        super().__init__()
        self.tasks, self.gamma, self.entropy = blueprint.tasks, gamma, entropy
        count = len(self.tasks) if experts is None else experts
        self.experts = Modules(blueprint.backbone(copy=e) for e in range(count))
        self.reads = list_reads(deal_out(count, len(self.tasks)), len(self.tasks), muted)
        self.output_shape = self.experts[0][-1].output_shape
        bits = math.ceil(math.log2(count))
        numbers = torch.arange(count)[:, None] >> torch.arange(bits)
        self.register_buffer("codes", (numbers & 1).bool())  # (E, m): the bits of every expert's number
        if bits:  # a single expert needs no choice
            generators, k = [blueprint.generator(f"dselect_k/{task}") for task in self.tasks], min(k, count)
            # Near 0, where the smooth step is 1/2 and steepest; not at 0, where all selectors would stay equal.
            z = [torch.empty(k, bits).uniform_(-gamma / 100, gamma / 100, generator=g) for g in generators]
            w = [torch.empty(k).uniform_(-0.05, 0.05, generator=g) for g in generators]
            self.z, self.w = Parameter(torch.stack(z)), Parameter(torch.stack(w))

    def selections(self) -> Tensor:
        """r(z) (T, k, E): the experts that each of a task's k selectors points at."""
        step = smooth_step(self.z, self.gamma)[:, :, None, :]
        return torch.where(self.codes, step, 1 - step).prod(dim=-1)

    def gates(self) -> Tensor:
        """g (T, E): the weights of the experts; rows sum to 1 where E is a power of 2, else to at most 1."""
        if len(self.experts) == 1:
            return torch.ones(len(self.tasks), 1, dtype=next(self.parameters()).dtype, device=self.codes.device)
        return torch.einsum("tk,tke->te", torch.softmax(self.w, dim=-1), self.selections())

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> sum_e g_te f_e(x). All experts run, also those that no task selects any more."""
        gates, features = self.gates(), {}
        for x, tasks in group_by_input(inputs):
            experts = [run_stages(expert, x) for expert in self.experts]
            for task in tasks:
                t = self.tasks.index(task)
                features[task] = weighted_sum(gates[t], [experts[e] for e in self.reads[t]])
        return {task: features[task] for task in inputs}

    def regulariser(self) -> Tensor | float:
        """entropy * sum_ti H(r(z_ti)) and, where E is no power of 2, sum_ti 1 / sum_{e<E} r(z_ti)_e."""
        if len(self.experts) == 1:
            return 0.0
        r = self.selections()
        tiny = torch.finfo(r.dtype).tiny  # 0 log 0 = 0, with a finite gradient
        total = self.entropy * -(r * r.clamp(min=tiny).log()).sum()
        if len(self.experts) < 2 ** self.codes.shape[1]:
            total = total + (1 / r.sum(dim=-1).clamp(min=1e-6)).sum()  # finite where a code is all on missing experts
        return total

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Experts as a trunk; z and w of the gates without weight decay."""
        own = {id(p) for p in self.experts.parameters()}  # with one expert there are no z and w
        return [
            ParameterGroup(list(self.experts.parameters()), role="trunk"),
            ParameterGroup([p for p in self.parameters() if id(p) not in own], role="coupling"),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """`gate` (T, E)."""
        return {"gate": self.gates().detach()}
