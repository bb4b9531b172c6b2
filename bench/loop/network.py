"""The network that a method makes of stages and heads: sharing, heads, constraints and weighting.

It knows the parts of a method by their contracts only. A step asks it for predictions and penalties, an optimiser for
its groups of parameters, a record for the matrices that were learned.
"""

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.utils._pytree import tree_map

from bench.catalogue.registry import Choice
from bench.core.constraint import Constraint, Coupled, write_as_offsets, write_as_sums
from bench.core.modules import Named
from bench.core.sharing import ParameterGroup, Sharing, collect_groups, learning_copies
from bench.core.state import TrainState
from bench.core.weighting import Weighting
from bench.loop.held import ConstrainedParameter
from bench.loop.ranks import Ranks


class Rates(Protocol):
    """What the groups of parameters depend on; a suite's protocol has it, and so has `GroupRates`."""

    @property
    def lr(self) -> float: ...
    @property
    def optimiser(self) -> Literal["adam", "sgd"]: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def trunk_lr(self) -> float: ...
    @property
    def trunk_lr_rule(self) -> Literal["sum", "mean"]: ...
    @property
    def trunk_weight_decay(self) -> float: ...


@dataclass(frozen=True)
class GroupRates:
    """Learning rates and weight decays by the role of a parameter.

    Args:
        lr: the learning rate of towers and heads at the start, above 0.
        weight_decay: of all but coupling parameters, which have none.
        optimiser: `sgd` for plain or momentum SGD; `adam` for those whose steps do not depend on the size of gradients.
        trunk_lr: a factor on the rate of parameters that several tasks own.
        trunk_lr_rule: `mean` divides that rate by the number of tasks.
        trunk_weight_decay: a factor on the weight decay of parameters that several tasks own.
    """

    lr: float
    weight_decay: float = 0.0
    optimiser: Literal["adam", "sgd"] = "adam"
    trunk_lr: float = 1.0
    trunk_lr_rule: Literal["sum", "mean"] = "sum"
    trunk_weight_decay: float = 1.0


class SharedNetwork(nn.Module):
    """task -> prediction, through features that a sharing provides and a head per task.

    Attributes:
        names: of the T tasks, in the order of every (T, ...) tensor.
        held: the constrained parameters, in the order of the sharing's `coupled`.
        means: shared means of copies that a constraint asked to write as mean + deviation.
        ranks: the processes that share each batch, and compute all of its losses; None for one process.
        average: of losses (T,) over processes that have rows of their own; None where losses are of the whole batch.
    """

    def __init__(
        self,
        sharing: Sharing,
        heads: Iterable[tuple[str, nn.Module]],
        weighting: Weighting,
        constraint: Choice | None = None,
        *,
        held: Collection[str] | None = None,
        lr: float = 1.0,
        centred: bool = False,
    ) -> None:
        """Put the parts together, and rewrite copies that the constraint holds where it asks to.

        Args:
            sharing: of the trunk, towers or experts; its features go to the heads.
            heads: (task, module), for every task, in order. Made one by one, after the sharing.
            weighting: of the losses.
            constraint: on the coupled parameters of the sharing, with its options.
            held: names of the coupled parameters that it may hold; None for all.
            lr: learning rate at the start, which turns half-lives into strengths.
            centred: the optimiser sees copies as their mean and the deviations from it.
        """
        super().__init__()
        self.sharing = sharing
        self.heads, self.names = Named(), list[str]()
        for name, head in heads:
            self.heads[name] = head
            self.names.append(name)
        self.weighting = weighting
        self.ranks: Ranks | None = None
        self.average: Callable[[Tensor], Tensor] | None = None
        self.means: list[Parameter] = []
        self.held: list[ConstrainedParameter] = []
        # name -> copies, and what is added to each in a sum or in mean + deviation, [addend][task].
        self._copies: dict[str, tuple[list[Parameter], list[list[Parameter]]]] = {}
        self.constraints = Named()
        self._choice, self._centred = constraint, centred
        for name, copies in learning_copies(sharing).items():
            may_hold = constraint is not None and (held is None or name in held)
            addends = self._constrain(name, copies, lr) if may_hold else []
            self._copies[name] = (copies, addends)

    def _constrain(self, name: str, copies: list[Parameter], lr: float) -> list[list[Parameter]]:
        """Build the constraint of one coupled parameter, and rewrite its copies as sums or offsets where asked to.

        Returns the parameters to add to the copies for their values, [addend][task]; empty where copies are the values.
        """
        assert self._choice is not None
        cls: type[Constraint] = self._choice.entry.cls
        centred = self._centred and cls.parts == 1 and cls.holds_together
        coupled = Coupled(tuple(copies[0].shape), len(copies), lr, centred)
        constraint: Constraint = self._choice.build(coupled)
        if not constraint.applies_to(name, coupled.shape):
            return []
        self.constraints[name.replace(".", "/")] = constraint  # torch refuses dots in the names of modules
        parts = write_as_sums(self.sharing, copies, constraint.parts) if constraint.parts > 1 else []
        self.held.append(
            ConstrainedParameter(constraint, [*copies, *(part for of_tasks in parts for part in of_tasks)])
        )
        if not (constraint.offset or centred):
            return parts
        self.means.append(write_as_offsets(self.sharing, copies))
        if centred and not constraint.offset:
            self.held[-1].mean = self.means[-1]
        return [self.means[-1:] * len(copies)]

    def set_rate(self, lr: float) -> None:
        """Build every constraint anew for the learning rate `lr` at the start; before the first update."""
        for key, held in zip(list(self.constraints), self.held, strict=True):
            assert self._choice is not None
            new: Constraint = self._choice.build(replace(held.constraint.coupled, lr=lr))
            held.constraint = new.to(held.copies[0].device, held.copies[0].dtype).train(held.constraint.training)
            self.constraints._modules[key] = held.constraint

    @torch.no_grad()
    def copies(self) -> dict[str, Tensor]:
        """name -> the current values of the T copies of each coupled parameter, (T, *shape)."""
        return {
            name: sum((torch.stack(tuple(part)) for part in addends), start=torch.stack(tuple(copies)))
            for name, (copies, addends) in self._copies.items()
        }

    @property
    def separate(self) -> bool:
        """Whether the tasks are separate models."""
        return self.sharing.separate

    def separate_parameters(self) -> list[list[Parameter]]:
        """The parameters of each task, where tasks are separate models."""
        copies = [copies for copies, _ in self._copies.values()]
        return [
            [*(of_all[t] for of_all in copies), *self.heads[name].parameters()] for t, name in enumerate(self.names)
        ]

    @property
    def learning(self) -> list[Parameter]:
        """The parameters that the losses train: those of sharing and heads that are not frozen."""
        return [p for part in (self.sharing, self.heads) for p in part.parameters() if p.requires_grad]

    def count_parameters(self) -> int:
        """How many numbers are trained, each that follows from others left out.

        Deviations from a mean sum to 0, so that the mean and T of them are as many numbers as T copies.
        """
        trained = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        return trained - sum(held.mean.numel() for held in self.held if held.mean is not None)

    def compute_features(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features (n, ...) that its head reads, of the tasks in `inputs`."""
        features: dict[str, Tensor] = self.sharing(inputs, state)
        return features

    def predict(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Any]:
        """task -> head outputs (n, ...) of the tasks in `inputs`, task -> rows (n, ...).

        Under autocast they are in the type of the parameters: losses in bfloat16 would lose their digits.
        """
        predictions = {
            task: self.heads[task](feature) for task, feature in self.compute_features(inputs, state).items()
        }
        like = next(self.parameters(), None)  # what fits itself has none
        if like is None or not torch.is_autocast_enabled(like.device.type):
            return predictions
        widen = functools.partial(_widen, dtype=like.dtype)
        return {task: tree_map(widen, prediction) for task, prediction in predictions.items()}

    @torch.no_grad()
    def centre_gradients(self) -> None:
        """As `ConstrainedParameter.centre_gradients`, of every constrained parameter."""
        for held in self.held:
            held.centre_gradients(held.copies)

    def group_parameters(self, rates: Rates) -> list[dict[str, Any]]:
        """The optimiser's groups: parameters of one learning rate and one weight decay.

        Rates are at the start of the schedule: lr * lr_factor, times the trunk's factor for trunks (1/T of it under
        the rule `mean`). Trunks have their own share of the weight decay, coupling parameters none.
        """
        means = {id(mean) for mean in self.means}
        groups = [
            ParameterGroup([p for p in group.parameters if id(p) not in means], group.role, group.lr_factor)
            for group in collect_groups(self.sharing, rates.optimiser)
        ]
        # A mean at 1/T of the towers' rate moves every copy by its own gradient, together with the deviations: under
        # sgd the free end is then `single_task` exactly. Under adam, which knows no such sum, the mean is a trunk.
        apart = [held for held in self.held if held.mean is not None and rates.optimiser == "sgd"]
        slow = {id(held.mean) for held in apart}
        groups += [
            ParameterGroup([mean for mean in self.means if id(mean) not in slow], role="trunk"),
            ParameterGroup(list(self.heads.parameters())),
            ParameterGroup([*self.weighting.parameters(), *self.constraints.parameters()], role="coupling"),
        ]
        trunk = rates.trunk_lr / (len(self.names) if rates.trunk_lr_rule == "mean" else 1)
        decay = {"trunk": rates.trunk_weight_decay, "tower": 1.0, "coupling": 0.0}
        alike: dict[tuple[float, float], list[Parameter]] = {}  # merged: each group is a kernel call of its own
        for group in groups:
            rate = rates.lr * group.lr_factor * (trunk if group.role == "trunk" else 1.0)
            alike.setdefault((rate, rates.weight_decay * decay[group.role]), []).extend(group.parameters)
        for held in apart:
            assert held.mean is not None
            count = len(held.copies)  # rate times decay is the towers': each copy decays as it would by itself
            alike.setdefault((rates.lr / count, rates.weight_decay * count), []).append(held.mean)
        return [
            {"params": parameters, "lr": rate, "weight_decay": weight_decay}
            for (rate, weight_decay), parameters in alike.items()
            if parameters
        ]

    def matrices(self) -> Iterable[tuple[str, Tensor]]:
        """(name, matrix) of everything that sharing and constraints learned about tasks, for the record."""
        yield from self.sharing.matrices().items()
        for name, constraint in self.constraints.items():
            for key, matrix in constraint.matrices().items():  # type: ignore[operator,union-attr]
                yield f"{key}.{name.replace('/', '.')}", matrix


def _widen(x: Any, dtype: torch.dtype) -> Any:
    """Real numbers in a type; anything else as it is."""
    return x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x
