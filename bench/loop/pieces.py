"""The pieces of a method by themselves: a weighting on any losses, a constraint on anybody's parameters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.catalogue.registry import Choice, choose, list_entries
from bench.core.constraint import Constraint, Coupled, write_as_sums
from bench.core.modules import Named
from bench.core.sharing import align_copies
from bench.core.state import TrainState
from bench.core.weighting import Weighting
from bench.errors import UsageError, add_article, require_number
from bench.loop.gradients import TaskGradients
from bench.loop.held import ConstrainedParameter, refuse_late_freezing
from bench.loop.own_losses import Losses, read_losses
from bench.loop.own_optimisers import Optimisers, find_rates, list_optimisers
from bench.loop.own_state import LoopState
from bench.loop.step import weigh_by
from bench.records import Call, parse_call

Copies = Sequence[nn.Module] | Sequence[Parameter] | Mapping[str, Sequence[Parameter]]


def weighted_backward(
    weighting: Weighting,
    losses: Losses,
    parameters: Iterable[Parameter],
    state: TrainState | None = None,
    *,
    steps_per_epoch: int | None = None,
) -> Tensor:
    """Add the gradient of sum_t w_t L_t + r to the `grad` of parameters; w and r are what the weighting says.

    Args:
        weighting: of the tasks, as `mtlbench.weightings.PCGrad(["a", "b"])`. Its own parameters, where it has some,
            are the optimiser's to train, without weight decay.
        losses: task -> loss, 0-dimensional; None for a task without a label in the batch.
        parameters: that the losses reach and that learn. Those that two losses reach are shared.
        state: step, budget and generator, for weightings that ask for them. By default the weighting has a state of its
            own, which counts a step for each call and draws on from call to call.
        steps_per_epoch: of the default state, for weightings that compare epochs.

    Returns:
        The weighted loss, 0-dimensional, without a gradient.

    Raises:
        UsageError: an argument does not fit, or the weighting observes losses after the update, as only a network of
            `share` can show them.
    """
    if not isinstance(weighting, Weighting):
        raise UsageError(
            "`weighting` should be made for its tasks, as `mtlbench.weightings.PCGrad(['a', 'b'])`. Found "
            f"{_describe(weighting)}."
        )
    if weighting.needs_second_forward:
        raise UsageError(
            f"`{type(weighting).__name__}` observes the losses of a batch after its update. Found it by itself; take "
            "`mtlbench.share(..., method=...)`, whose `step` shows them."
        )
    learning = _list_learning(parameters)
    own = state is None
    state = state or _find_own_state(weighting, steps_per_epoch)
    each, present = read_losses(weighting.tasks, losses, {})
    step = weigh_by(
        weighting, each, state, lambda: TaskGradients(each, learning), weighting.regulariser, present=present
    )
    step.backward()
    if own:
        state.step += 1
    return step.total.detach()


def _find_own_state(weighting: Weighting, steps_per_epoch: int | None) -> LoopState:
    """The state that a weighting by itself keeps from call to call."""
    fresh = LoopState(generator=torch.Generator().manual_seed(0), known=False, paced=False)
    state: LoopState = vars(weighting).setdefault("_own_state", fresh)
    if steps_per_epoch is not None:
        require_number("steps_per_epoch", steps_per_epoch, least=1, whole=True)
        state.steps_per_epoch, state.paced = steps_per_epoch, True
    return state


def _list_learning(parameters: Any) -> list[Parameter]:
    """The parameters that learn. Raises UsageError for what is no list of parameters."""
    each = [] if isinstance(parameters, Parameter) else _list_parts(parameters)
    if isinstance(parameters, Parameter) or not all(isinstance(p, Parameter) for p in each):
        other = next((p for p in each if not isinstance(p, Parameter)), parameters)
        raise UsageError(f"`parameters` should be a list of them, as `model.parameters()`. Found {_describe(other)}.")
    return [p for p in each if p.requires_grad]


def _list_parts(given: Any) -> list[Any]:
    """What is in a list or another iterable; anything else, as a tensor, is a part by itself."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, Tensor) else [given]


def _describe(value: Any) -> str:
    """What an argument is, for a sentence."""
    return f"the class `{value.__name__}`" if isinstance(value, type) else add_article(type(value).__name__)


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

    def read_rates(self, optimiser: Optimisers) -> list[float | None]:
        """The learning rates that the copies of each parameter are stepped with; None of those that are frozen.

        Raises UsageError where it lacks a copy, or has copies of one parameter at several rates.
        """
        refuse_late_freezing(self.held, ())
        groups = (group for each in list_optimisers(optimiser) for group in each.param_groups)
        return find_rates([held.copies for held in self.held], groups)

    def after_step(self, optimiser: Optimisers) -> None:
        """Right after the optimiser's step: the prox with the learning rate of that step, and refreshes when due."""
        self.follow_update(self.read_rates(optimiser))

    def follow_update(self, rates: Sequence[float | None]) -> None:
        """As `after_step`, with the learning rates that `read_rates` found."""
        self.updates += 1
        for held, rate in zip(self.held, rates, strict=True):
            if rate is not None:
                held.finish_update(rate, 0.0, self.updates)

    def get_extra_state(self) -> dict[str, int]:
        """The updates done, by which refreshes fall due."""
        return {"updates": self.updates}

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` returned."""
        self.updates = state["updates"]


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
    require_number("lr", lr, above=0)
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
        if len({id(copy) for copy in each}) < len(each):
            raise UsageError(f"`copies` should be parameters of their own. Found `{name}` of two that are one.")
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
            raise UsageError(f"`constraint` should be a name or a registered class. Found {_describe(text)}.")
        [text] = names
    call = parse_call(text)
    written = {name: "none" if value is None else str(value) for name, value in options.items()}
    return choose("constraint", Call(call.name, {**call.options, **written}))


def _name_copies(copies: Copies) -> tuple[dict[str, list[Parameter]], nn.Module | None]:
    """name -> the copies of a parameter that learn, and what holds their modules, where those are given."""
    if isinstance(copies, Mapping):
        named = {name: _list_parts(each) for name, each in copies.items()}
        if all(isinstance(copy, Parameter) for each in named.values() for copy in each):
            return named, None
    parts = _list_parts(copies)
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
