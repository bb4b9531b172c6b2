"""One trunk, and for each task a low-rank update of every weight in it.

Between `hard` (rank 0) and a tower for each task: how far a task can leave the trunk is a matter of rank.
"""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import Parameter
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from bench.api import (
    Blueprint,
    Ge,
    Gt,
    Modules,
    ParameterGroup,
    Sharing,
    TrainState,
    UsageError,
    group_by_input,
    register,
)


@register(
    "lora",
    title="Low-rank adapters (LoRA)",
    family="trunk and task parts",
    paper="Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022; for several tasks "
    "after Agiza, Neseem, Reda, MTLoRA, CVPR 2024",
)
class LoRA(Sharing):
    """One trunk for all tasks, and a low-rank update of its weights for each.

    W_t = W_0 + (scale / r) B_t A_t for every weight of two axes or more, flattened to (outputs, the rest).
    The trunk W_0 trains, with biases and norms, on all losses; A_t starts uniform as torch's linear layers do, B_t
    at zero: the start is `hard`, and with rank=0 it stays so. Known forms keep W_0 frozen after pre-training and
    adapt a part of the layers; here everything trains from the start and every layer is adapted. The trunk runs
    once per task.

    rank: r, at most the smaller side of the weight; 0 is `hard`.
    scale: of the update, > 0.
    rate: factor on the learning rate of A and B, at least 0.

    It has no muted form: W_0 for each task would add parameters. `single_task_narrow` is its twin, with the parameters
    of the trunk; `single_task` takes as much arithmetic.
    """

    limits: ClassVar = {"rank=0": "hard"}
    twin = "single_task_narrow"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        rank: Annotated[int, Ge(0)] = 4,
        scale: Annotated[float, Gt(0)] = 1.0,
        rate: Annotated[float, Ge(0)] = 1.0,
    ) -> None:
        super().__init__()
        self.tasks, self.rank, self.scale, self.rate = blueprint.tasks, rank, scale, rate
        stages = blueprint.backbone()
        self.output_shape = stages[-1].output_shape
        self.trunk = nn.Sequential(*stages)
        if rank and any(map(_is_computed, self.trunk.modules())):
            raise ValueError(
                "Weights should be parameters for `lora` to add to. Found some that are computed, as by weight or "
                "spectral norm; take `cross_stitch`, `soft` or `hard`."
            )
        weights = {name: p for name, p in self.trunk.named_parameters() if p.dim() > 1} if rank else {}
        self._runs = False  # whether the trunk is run with the weights of a task
        if rank:
            for module in self.trunk.modules():
                if any(p.dim() > 1 for p in module.parameters(recurse=False)):
                    module.register_forward_pre_hook(self._refuse_other_runs)
        self.down: Modules[nn.ParameterDict] = Modules()
        self.up: Modules[nn.ParameterDict] = Modules()
        for task in self.tasks:
            down, up = nn.ParameterDict(), nn.ParameterDict()
            for name, weight in weights.items():
                rows, columns = len(weight), weight[0].numel()
                r, key = min(rank, rows, columns), name.replace(".", "/")  # torch refuses dots in keys
                bound = 1 / math.sqrt(columns)
                generator = blueprint.generator(f"lora/{task}/{name}")
                down[key] = Parameter(torch.empty(r, columns).uniform_(-bound, bound, generator=generator))
                up[key] = Parameter(torch.zeros(rows, r))  # so that W_t = W_0 at the start
            self.down.append(down)
            self.up.append(up)

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features of the trunk with the weights W_t."""
        if not self.rank:  # no updates: the trunk runs once per distinct input, as in `hard`
            shared = {task: z for x, tasks in group_by_input(inputs) for z in [self.trunk(x)] for task in tasks}
            return {task: shared[task] for task in inputs}
        # Every place has a name of its own: a layer that is used in two stages must not be replaced twice.
        self._runs = True
        features = {
            task: functional_call(self.trunk, self._weights(self.tasks.index(task)), (x,), tie_weights=False)
            for task, x in inputs.items()
        }
        self._runs = False
        return features

    def _refuse_other_runs(self, *_: object) -> None:
        """Raise UsageError where a layer is run again in the backward pass, which would be with the weights W_0."""
        if not self._runs:
            raise UsageError(
                "Layers should be run once for `lora`, whose weights are those of a task while it runs. Found one that "
                "is run again, as by a checkpoint; take checkpoints off, or another method."
            )

    def _weights(self, t: int) -> dict[str, Tensor]:
        """name -> W_t of task number t, for every module that a weight is used in; each module counts once."""
        places = [
            (f"{path}.{name}", parameter)
            for path, module in self.trunk.named_modules()
            for name, parameter in module.named_parameters(recurse=False)
        ]
        updated = self._weights_by_id(t)
        return {place: updated[id(parameter)] for place, parameter in places if id(parameter) in updated}

    def _weights_by_id(self, t: int) -> dict[int, Tensor]:
        """id of W_0 -> W_t = W_0 + (scale / r) B_t A_t, in the shape of W_0."""
        plain = dict(self.trunk.named_parameters())
        weights = {}
        for key, down in self.down[t].items():
            name = key.replace("/", ".")
            update = (self.scale / len(down)) * (self.up[t][key] @ down)
            weights[id(plain[name])] = plain[name] + update.view_as(plain[name])
        return weights

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """W_0 as a trunk; A_t and B_t as towers, at `rate` times the learning rate."""
        return [
            ParameterGroup(list(self.trunk.parameters()), role="trunk"),
            ParameterGroup([*self.down.parameters(), *self.up.parameters()], lr_factor=self.rate),
        ]


def _is_computed(module: nn.Module) -> bool:
    """Whether a weight of a layer is a function of other parameters, as under weight or spectral norm."""
    hooks = module._forward_pre_hooks.values()
    return parametrize.is_parametrized(module) or any(isinstance(hook, SpectralNorm | WeightNorm) for hook in hooks)
