"""The whole model of a run: sharing, heads, constraints and weighting, from one seed.

It knows the parts of a method by their contracts only. The training step asks it for predictions and penalties, the
optimiser for its groups of parameters, the record for the matrices that were learned.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.catalogue.method import Method
from bench.catalogue.registry import Choice
from bench.core.constraint import Constraint, Coupled, write_as_offsets, write_as_sums
from bench.core.fresh import prepare_module
from bench.core.sharing import ParameterGroup, Sharing, collect_groups, learning_copies, own_stream
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.core.weighting import Weighting
from bench.records import Protocol
from bench.training.devices.ranks import Ranks


def lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Give every parameter of four axes (weights of 2D convolutions) this memory format, in place."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=memory_format)


class Named(nn.ModuleDict):
    """A ModuleDict with keys of any name, as names of tasks: `forward` and `keys` too, which torch refuses.

    A key that is an attribute of ModuleDict is stored with MARK before it.
    """

    MARK = "/"

    def __getitem__(self, key: str) -> nn.Module:
        return super().__getitem__(key if key in self._modules else self.MARK + key)

    def __setitem__(self, key: str, module: nn.Module) -> None:
        super().__setitem__(self.MARK + key if key not in self._modules and hasattr(self, key) else key, module)


class ConstrainedParameter:
    """The T copies of one parameter and the constraint on them.

    `copies` has parts * T entries: all copies of the first part, then those of the next. `progress`, in [0, 1], is the
    share of the budget spent, which the constraint's schedule depends on.
    """

    def __init__(self, constraint: Constraint, copies: list[Parameter], mean: Parameter | None = None) -> None:
        """`mean`: of copies that are written as theta_t = mean + v_t with sum_t v_t = 0; `copies` are then the v_t."""
        self.constraint, self.copies, self.mean = constraint, copies, mean

    def penalty(self, progress: float = 0.0) -> Tensor:
        """The constraint's value as scheduled, 0-dimensional, differentiable."""
        value = self.constraint.value(self._stack_copies())
        return value if self.constraint.schedule == "constant" else self.constraint.factor(progress) * value

    @torch.no_grad()
    def apply_prox(self, step: float, progress: float = 0.0) -> None:
        """Replace the copies, in place, by the prox of the constraint as scheduled; `step` is the learning rate."""
        step *= self.constraint.factor(progress)
        result = self.constraint.prox(self._stack_copies(), step)
        if self.mean is not None:
            result = result - result.mean(dim=-1, keepdim=True)  # which a prox of single entries may leave them
        # One kernel for all copies: a copy_ for each would dominate the time of small parameters.
        if self.constraint.parts > 1:
            torch._foreach_copy_(list[Tensor](self.copies), list(result.movedim(-1, 1).flatten(0, 1).unbind()))
            return
        torch._foreach_copy_(list[Tensor](self.copies), list(result.unbind(dim=-1)))

    @torch.no_grad()
    def centre(self) -> None:
        """Make the deviations sum to 0 again after an update; what they have in common is the mean's to learn."""
        if self.mean is not None:
            torch._foreach_sub_(
                list[Tensor](self.copies), [torch.stack(tuple(self.copies)).mean(dim=0)] * len(self.copies)
            )

    @torch.no_grad()
    def calibrate(self, step: float) -> None:
        """Let the constraint measure its strength, as long as it has none; `step` is the learning rate."""
        if step > 0 and not self.constraint.calibrated:
            self.constraint.calibrate(self._stack_copies(), step)

    @torch.no_grad()
    def refresh(self) -> None:
        """Update the constraint's buffers in closed form."""
        self.constraint.refresh(self._stack_copies())

    @torch.no_grad()
    def centre_gradients(self, deviations: Sequence[Parameter]) -> None:
        """Project the gradients of deviations that sum to 0: g_t <- g_t - mean_s g_s.

        That of their mean is the sum of the g_t, as of a trunk, and stays. `deviations` are the copies, or the stacks
        (S, *shape) of several models that they are views of.
        """
        if self.mean is None or all(each.grad is None for each in deviations):
            return
        for each in deviations:
            if each.grad is None:  # of a task without a loss in this batch
                each.grad = torch.zeros_like(each)
        gradients = [each.grad for each in deviations if each.grad is not None]
        torch._foreach_sub_(gradients, [torch.stack(gradients).mean(dim=0)] * len(gradients))

    def _stack_copies(self) -> Tensor:
        """W (*shape, T), of several parts (parts, *shape, T), as a view with the tasks moved to the end.

        In memory one copy lies after the other, which takes a third of the time of interleaving them.
        """
        stacked, parts = torch.stack(tuple(self.copies)), self.constraint.parts
        return stacked.movedim(0, -1) if parts == 1 else stacked.reshape(parts, -1, *stacked.shape[1:]).movedim(1, -1)


class MultiTaskModel(nn.Module):
    """task -> prediction through features that a sharing provides and a head per task.

    Every part draws its weights from a stream of its own, derived from `seed`: a method cannot shift the heads of
    another.

    Attributes:
        held: the constrained parameters, in the order of the sharing's `coupled`.
        means: shared means of copies that a constraint asked to write as mean + deviation.
        ranks: the processes that share each batch; None for one process.
        partly_labelled: tasks with a missing label among the training rows, which are known once these are read; the
            losses of all others are called as on complete data.
    """

    def __init__(self, suite: Suite, method: Method, protocol: Protocol, seed: int) -> None:
        super().__init__()
        self.tasks = list(suite.tasks)
        self.sharing: Sharing = method.build_sharing(suite, seed)
        self.heads = Named()
        for task in self.tasks:
            with own_stream(seed, "head", task.name):
                head = task.head(self.sharing.output_shape)
                self.heads[task.name] = prepare_module(head, self.sharing.output_shape, f"The head of `{task.name}`")
        self.weighting: Weighting = method.weighting.build([task.name for task in self.tasks])
        self.ranks: Ranks | None = None
        self.partly_labelled: frozenset[str] = frozenset()
        self.low = protocol.precision == "bf16"
        self.means: list[Parameter] = []
        self.held: list[ConstrainedParameter] = []
        # name -> copies, and what is added to each in a sum or in mean + deviation, [addend][task].
        self._copies: dict[str, tuple[list[Parameter], list[list[Parameter]]]] = {}
        self.constraints = Named()
        coupled = learning_copies(self.sharing)
        held = suite.held(list(coupled)) if method.constraint else ()
        for name, copies in coupled.items():
            addends = self._constrain(name, copies, method.constraint, protocol) if name in held else []
            self._copies[name] = (copies, addends)

    def _constrain(
        self, name: str, copies: list[Parameter], choice: Choice | None, protocol: Protocol
    ) -> list[list[Parameter]]:
        """Build the constraint of one coupled parameter, and rewrite its copies as sums or offsets where asked to.

        Args:
            name: of the parameter among the coupled ones.
            copies: its T copies.
            choice: the constraint with its options.
            protocol: has the learning rate at the start, and in which coordinates copies are trained.

        Returns:
            The parameters to add to the copies for their values, [addend][task]; empty where copies are the values.
        """
        assert choice is not None
        cls: type[Constraint] = choice.entry.cls
        centred = protocol.coordinates == "mean" and cls.parts == 1 and cls.holds_together
        coupled = Coupled(tuple(copies[0].shape), len(copies), protocol.lr, centred)
        constraint: Constraint = choice.build(coupled)
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

    @torch.no_grad()
    def copies(self) -> dict[str, Tensor]:
        """name -> the current values of the T copies of each coupled parameter, (T, *shape)."""
        return {
            name: sum((torch.stack(tuple(part)) for part in addends), start=torch.stack(tuple(copies)))
            for name, (copies, addends) in self._copies.items()
        }

    @property
    def reported(self) -> list[str]:
        """The names under which scores are reported: tasks, or the pools that tasks are scored in."""
        return list(dict.fromkeys(task.reported for task in self.tasks))

    @property
    def separate(self) -> bool:
        """Whether the tasks are separate models."""
        return self.sharing.separate

    def separate_parameters(self) -> list[list[Parameter]]:
        """The parameters of each task, where tasks are separate models."""
        copies = [copies for copies, _ in self._copies.values()]
        return [
            [*(of_all[t] for of_all in copies), *self.heads[task.name].parameters()]
            for t, task in enumerate(self.tasks)
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

    def join(self, ranks: Ranks) -> None:
        """Train as one of several processes.

        In training mode `forward` then runs the rows of this process, and returns the predictions of the whole batch.
        """
        self.ranks = ranks
        ranks.join_statistics(self)

    def sync_buffers(self) -> None:
        """Average the buffers (running means) over all processes, before an evaluation or a snapshot."""
        if self.ranks:
            kept = [b for part in (self.sharing, self.heads) for b in part.buffers() if b.is_floating_point()]
            self.ranks.sync_buffers(list(self.parameters()), kept)

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> prediction (n, ...), of the tasks in `inputs`, task -> rows (n, ...)."""
        ranks = self.ranks if self.training else None  # evaluation runs on rank 0 alone
        predictions = self._predict(ranks.take_own_rows(inputs) if ranks else inputs, state)
        return ranks.gather(predictions) if ranks else predictions

    def _predict(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> head outputs, in the type of the parameters: losses in bfloat16 would lose their digits."""
        if not self.low:
            return {task: self.heads[task](feature) for task, feature in self.sharing(inputs, state).items()}
        with torch.autocast(next(self.parameters()).device.type, torch.bfloat16):
            predictions = {task: self.heads[task](feature) for task, feature in self.sharing(inputs, state).items()}
        return {task: prediction.float() for task, prediction in predictions.items()}

    @torch.no_grad()
    def centre_gradients(self) -> None:
        """As `ConstrainedParameter.centre_gradients`, of every constrained parameter."""
        for held in self.held:
            held.centre_gradients(held.copies)

    def parameter_groups(self, protocol: Protocol) -> list[dict[str, Any]]:
        """The optimiser's groups: parameters of one learning rate and one weight decay.

        Rates are at the start of the schedule: lr * lr_factor, times the trunk's factor for trunks (1/T of it under
        the rule `mean`). Trunks have their own share of the weight decay, coupling parameters none.
        """
        means = {id(mean) for mean in self.means}
        groups = [
            ParameterGroup([p for p in group.parameters if id(p) not in means], group.role, group.lr_factor)
            for group in collect_groups(self.sharing, protocol.optimiser)
        ]
        # A mean at 1/T of the towers' rate moves every copy by its own gradient, together with the deviations: under
        # sgd the free end is then `single_task` exactly. Under adam, which knows no such sum, the mean is a trunk.
        apart = [held for held in self.held if held.mean is not None and protocol.optimiser == "sgd"]
        slow = {id(held.mean) for held in apart}
        groups += [
            ParameterGroup([mean for mean in self.means if id(mean) not in slow], role="trunk"),
            ParameterGroup(list(self.heads.parameters())),
            ParameterGroup([*self.weighting.parameters(), *self.constraints.parameters()], role="coupling"),
        ]
        trunk = protocol.trunk_lr / (len(self.tasks) if protocol.trunk_lr_rule == "mean" else 1)
        decay = {"trunk": protocol.trunk_weight_decay, "tower": 1.0, "coupling": 0.0}
        alike: dict[tuple[float, float], list[Parameter]] = {}  # merged: each group is a kernel call of its own
        for group in groups:
            rate = protocol.lr * group.lr_factor * (trunk if group.role == "trunk" else 1.0)
            alike.setdefault((rate, protocol.weight_decay * decay[group.role]), []).extend(group.parameters)
        for held in apart:
            assert held.mean is not None
            count = len(held.copies)  # rate times decay is the towers': each copy decays as it would by itself
            alike.setdefault((protocol.lr / count, protocol.weight_decay * count), []).append(held.mean)
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
