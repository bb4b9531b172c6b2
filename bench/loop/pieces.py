"""The pieces of a method by themselves: a weighting on any losses, a constraint on anybody's parameters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer

from bench.catalogue.registry import Choice, choose, list_entries
from bench.core.constraint import Constraint, Coupled, write_as_sums
from bench.core.modules import Named
from bench.core.sharing import align_copies
from bench.core.state import TrainState
from bench.core.weighting import Weighting
from bench.errors import UsageError
from bench.loop.gradients import TaskGradients
from bench.loop.held import ConstrainedParameter
from bench.loop.own_losses import Losses, read_losses
from bench.loop.step import weigh_by
from bench.records import Call, parse_call

Copies = Sequence[nn.Module] | Sequence[Parameter] | Mapping[str, Sequence[Parameter]]


def weighted_backward(
    weighting: Weighting, losses: Losses, parameters: Iterable[Parameter], state: TrainState | None = None
) -> Tensor:
    """Add the gradient of sum_t w_t L_t + r to the `grad` of parameters; w and r are what the weighting says.

    Args:
        weighting: of the tasks, as `mtlbench.weightings.PCGrad(["a", "b"])`. Its own parameters, where it has some,
            are the optimiser's to train, without weight decay.
        losses: task -> loss, 0-dimensional; None for a task without a label in the batch.
        parameters: that the losses reach and that learn. Those that two losses reach are shared.
        state: step, budget and generator, for weightings that ask for them.

    Returns:
        The weighted loss, 0-dimensional, without a gradient.

    Raises:
        UsageError: a loss does not fit, or the weighting observes losses after the update, as only a network of
            `share` can show them.
    """
    if weighting.needs_second_forward:
        raise UsageError(
            f"`{type(weighting).__name__}` observes the losses of a batch after its update. Found it by itself; take "
            "`mtlbench.share(..., method=...)`, whose `step` shows them."
        )
    state = state or TrainState(generator=torch.Generator().manual_seed(0))
    each, present = read_losses(weighting.tasks, losses, {})
    learning = [p for p in parameters if p.requires_grad]
    step = weigh_by(
        weighting, each, state, lambda: TaskGradients(each, learning), weighting.regulariser, present=present
    )
    step.backward()
    return step.total.detach()


class Held(nn.Module):
    """A constraint on copies of parameters that belong to somebody else; made by `constrain`.

    Attributes:
        held: each parameter with its copies.
        updates: done so far.
    """

    def __init__(self, constraints: Mapping[str, Constraint], held: Sequence[ConstrainedParameter]) -> None:
        super().__init__()
        self.constraints = Named()
        for name, constraint in constraints.items():
            self.constraints[name.replace(".", "/")] = constraint
        self.held, self.updates = list(held), 0

    def penalty(self) -> Tensor | float:
        """What to add to the loss, 0-dimensional and differentiable; 0 for constraints that act by their prox."""
        return sum((held.penalty() for held in self.held if held.constraint.in_loss), start=0.0)

    def read_rates(self, optimiser: Optimizer | Sequence[Optimizer]) -> list[float]:
        """The learning rates that the copies of each parameter are stepped with. UsageError where it lacks one."""
        optimisers = [optimiser] if isinstance(optimiser, Optimizer) else list(optimiser)
        rates = {id(p): group["lr"] for each in optimisers for group in each.param_groups for p in group["params"]}
        if not all(id(held.copies[0]) in rates for held in self.held):
            raise UsageError(
                "The optimiser should have every constrained parameter. Found one that it lacks; give it the same "
                "parameters as `constrain`."
            )
        return [float(rates[id(held.copies[0])]) for held in self.held]

    def after_step(self, optimiser: Optimizer | Sequence[Optimizer]) -> None:
        """Right after the optimiser's step: the prox with the learning rate of that step, and refreshes when due."""
        self.follow_update(self.read_rates(optimiser))

    def follow_update(self, rates: Sequence[float]) -> None:
        """As `after_step`, with the learning rates that `read_rates` found."""
        self.updates += 1
        for held, rate in zip(self.held, rates, strict=True):
            held.finish_update(rate, 0.0, self.updates)


def constrain(copies: Copies, constraint: str | type[Constraint], *, lr: float, **options: Any) -> Held:
    """Hold the T copies of each parameter together by a constraint.

        held = constrain([adapter_a, adapter_b], "trace_norm:hold=0.1", lr=1e-4)
        (loss + held.penalty()).backward(); optimiser.step(); held.after_step(optimiser)

    Args:
        copies: T modules of one architecture, as towers or adapters; or T copies of one parameter; or
            name -> T copies. Copies of a parameter have one shape.
        constraint: its name with options, or a class as `mtlbench.constraints.TraceNorm`.
        lr: the learning rate at the start, which half-lives are counted at.
        options: of the constraint, beside those in its text.

    Raises:
        UsageError: copies that do not fit together, an unknown constraint or option, or one that writes copies as sums
            of parts, of parameters whose modules are not given.
    """
    chosen = _choose(constraint, options)
    named, owner = _name_copies(copies)
    built: dict[str, Constraint] = {}
    held: list[ConstrainedParameter] = []
    for name, each in named.items():
        shapes = {tuple(copy.shape) for copy in each}
        if len(each) < 2 or len(shapes) > 1:
            raise UsageError(
                f"`copies` should be two or more of one shape. Found {len(each)} of `{name}`, of "
                f"{', '.join(map(str, sorted(shapes)))}."
            )
        part: Constraint = chosen.build(Coupled(tuple(each[0].shape), len(each), lr))
        if not part.applies_to(name, tuple(each[0].shape)):
            continue
        if part.schedule != "constant":
            raise UsageError(
                f"`{chosen.entry.name}` should have a constant schedule. Found `{part.schedule}`, which goes by the "
                "budget of a loop; take `mtlbench.share(..., updates=...)`."
            )
        if (part.parts > 1 or part.offset) and owner is None:
            raise UsageError(
                f"`{chosen.short}` rewrites the copies inside their modules. Found parameters; give the modules."
            )
        further = write_as_sums(owner, list(each), part.parts) if part.parts > 1 and owner is not None else []
        if part.offset:
            raise UsageError(f"`{chosen.short}` needs a mean of its own; take `mtlbench.share`, or another form.")
        built[name] = part.to(each[0].device, each[0].dtype)
        held.append(ConstrainedParameter(part, [*each, *(p for of_tasks in further for p in of_tasks)]))
    if not held:
        raise UsageError(f"`copies` should have a parameter that `{chosen.short}` applies to. Found none.")
    return Held(built, held)


def _choose(constraint: str | type[Constraint], options: Mapping[str, Any]) -> Choice:
    """The constraint with its options. Raises UsageError for an unknown one."""
    text = constraint
    if not isinstance(text, str):
        names = [name for name, entry in list_entries("constraint").items() if entry.cls is constraint]
        if not names:
            raise UsageError(f"`constraint` should be a registered class. Found `{text.__name__}`.")
        [text] = names
    call = parse_call(text)
    written = {name: "none" if value is None else str(value) for name, value in options.items()}
    return choose("constraint", Call(call.name, {**call.options, **written}))


def _name_copies(copies: Copies) -> tuple[dict[str, list[Parameter]], nn.Module | None]:
    """name -> the copies of a parameter that learn, and what holds their modules, where those are given."""
    if isinstance(copies, Mapping):
        return {name: list(each) for name, each in copies.items()}, None
    parts = list(copies)
    if parts and all(isinstance(part, Parameter) for part in parts):
        return {"parameter": parts}, None  # type: ignore[dict-item]
    if len(parts) < 2 or not all(isinstance(part, nn.Module) for part in parts):
        raise UsageError("`copies` should be two or more modules, or copies of one parameter, or name -> copies.")
    modules = nn.ModuleList(parts)  # type: ignore[arg-type]
    names = [list(dict(module.named_parameters())) for module in modules]
    if any(other != names[0] for other in names):
        raise UsageError("`copies` should be modules of one architecture. Found other parameters in one of them.")
    aligned = align_copies(modules)
    return {name: each for name, each in aligned.items() if all(p.requires_grad for p in each)}, modules
