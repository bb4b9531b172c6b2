"""The whole model of a run: sharing, heads, constraints and weighting, from one seed."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.core.constraint import Constraint, Coupled, write_as_offsets
from bench.core.sharing import ParameterGroup, Sharing, own_stream
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.core.weighting import Weighting
from bench.method import Method
from bench.records import Protocol
from bench.registry import Choice


def lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Give every parameter of four axes this order in memory; the others have no channels to move."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=memory_format)


class Held:
    """The T copies of one parameter and the constraint that holds them."""

    def __init__(self, constraint: Constraint, copies: list[Parameter]) -> None:
        self.constraint, self.copies = constraint, copies

    def penalty(self, progress: float = 0.0) -> Tensor:
        """The constraint's value as scheduled, differentiable."""
        value = self.constraint.value(self._stacked())
        return value if self.constraint.schedule == "constant" else self.constraint.factor(progress) * value

    @torch.no_grad()
    def apply_prox(self, step: float, progress: float = 0.0) -> None:
        """Replace the copies by the prox of the constraint, as scheduled, with this step."""
        step *= self.constraint.factor(progress)
        result = self.constraint.prox(self._stacked(), step)
        torch._foreach_copy_(list[Tensor](self.copies), list(result.unbind(dim=-1)))

    @torch.no_grad()
    def refresh(self) -> None:
        """The constraint's closed-form update of its buffers."""
        self.constraint.refresh(self._stacked())

    def _stacked(self) -> Tensor:
        """W (*shape, T); in memory one copy lies after the other, which costs a third of laying them side by side."""
        return torch.stack(tuple(self.copies)).movedim(0, -1)


class MultiTaskModel(nn.Module):
    """task -> prediction through features that a sharing provides and a head per task."""

    def __init__(self, suite: Suite, method: Method, protocol: Protocol, seed: int) -> None:
        super().__init__()
        self.tasks = list(suite.tasks)
        self.rounded = protocol.precision == "bfloat16"
        self.sharing: Sharing = method.build_sharing(suite, seed)
        self.heads = nn.ModuleDict()
        for task in self.tasks:
            with own_stream(seed, "head", task.name):
                self.heads[task.name] = task.head(self.sharing.output_shape)
        self.weighting: Weighting = method.weighting.build([task.name for task in self.tasks])
        self.means: list[Parameter] = []
        self.held: list[Held] = []
        self._copies: dict[str, tuple[list[Parameter], Parameter | None]] = {}
        self.constraints = nn.ModuleDict()
        for name, copies in self.sharing.coupled().items():
            mean = self._constrain(name, copies, method.constraint, protocol.lr) if method.constraint else None
            self._copies[name] = (copies, mean)

    def _constrain(self, name: str, copies: list[Parameter], choice: Choice, lr: float) -> Parameter | None:
        """Put one constraint on one coupled parameter; the shared mean where it asks for offsets."""
        coupled = Coupled(tuple(copies[0].shape), len(copies), lr)
        constraint: Constraint = choice.build(coupled)
        if not constraint.takes(name, coupled.shape):
            return None
        self.constraints[name.replace(".", "/")] = constraint
        self.held.append(Held(constraint, copies))
        if not constraint.offset:
            return None
        self.means.append(write_as_offsets(self.sharing, copies))
        return self.means[-1]

    @torch.no_grad()
    def copies(self) -> dict[str, Tensor]:
        """name -> the T copies of each coupled parameter as they are now, stacked first."""
        return {
            name: torch.stack(tuple(copies)) + (0 if mean is None else mean)
            for name, (copies, mean) in self._copies.items()
        }

    @property
    def separate(self) -> bool:
        """Whether the tasks are separate models."""
        return self.sharing.separate

    def separate_parameters(self) -> list[list[Parameter]]:
        """Of separate models: the parameters of each task."""
        copies = [copies for copies, _ in self._copies.values()]
        return [
            [*(of_all[t] for of_all in copies), *self.heads[task.name].parameters()]
            for t, task in enumerate(self.tasks)
        ]

    @property
    def learning(self) -> list[Parameter]:
        """What the losses train: the parameters of sharing and heads."""
        return [p for part in (self.sharing, self.heads) for p in part.parameters() if p.requires_grad]

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        if self.rounded:
            with torch.autocast(next(self.parameters()).device.type, torch.bfloat16):
                return {task: output.float() for task, output in self._outputs(inputs, state).items()}
        return self._outputs(inputs, state)

    def _outputs(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        features = self.sharing(inputs, state)
        return {task: self.heads[task](feature) for task, feature in features.items()}

    def parameter_groups(self, protocol: Protocol) -> list[dict[str, Any]]:
        """The optimiser's groups: parameters of one rate and one weight decay."""
        means = {id(mean) for mean in self.means}
        groups = [
            ParameterGroup([p for p in group.parameters if id(p) not in means], group.role, group.lr_factor)
            for group in self.sharing.parameter_groups(protocol.optimiser)
        ]
        groups += [
            ParameterGroup(self.means, role="trunk"),
            ParameterGroup(list(self.heads.parameters())),
            ParameterGroup([*self.weighting.parameters(), *self.constraints.parameters()], role="coupling"),
        ]
        trunk = protocol.trunk_lr / (len(self.tasks) if protocol.trunk_lr_rule == "mean" else 1)
        decay = {"trunk": protocol.trunk_weight_decay, "tower": 1.0, "coupling": 0.0}
        alike: dict[tuple[float, float], list[Parameter]] = {}  # one call of the optimiser's kernel for each
        for group in groups:
            rate = protocol.lr * group.lr_factor * (trunk if group.role == "trunk" else 1.0)
            alike.setdefault((rate, protocol.weight_decay * decay[group.role]), []).extend(group.parameters)
        return [
            {"params": parameters, "lr": rate, "weight_decay": weight_decay}
            for (rate, weight_decay), parameters in alike.items()
            if parameters
        ]

    def matrices(self) -> Iterable[tuple[str, Tensor]]:
        """What was learned about sharing, by name."""
        yield from self.sharing.matrices().items()
        for name, constraint in self.constraints.items():
            for key, matrix in constraint.matrices().items():  # type: ignore[operator,union-attr]
                yield f"{key}.{name.replace('/', '.')}", matrix
