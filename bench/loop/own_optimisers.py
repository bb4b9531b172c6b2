"""The optimisers that a user steps a network with: whose parameters they have, and at which rate they step them."""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch.nn import Parameter
from torch.optim import Optimizer

from bench.errors import UsageError, add_article
from bench.loop.network import SharedNetwork

Optimisers = Optimizer | Sequence[Optimizer]


def list_optimisers(optimiser: Any) -> list[Optimizer]:
    """One optimiser or several as a list. Raises UsageError for anything else."""
    several = [optimiser] if isinstance(optimiser, Optimizer) else optimiser
    if isinstance(several, list | tuple) and several and all(isinstance(each, Optimizer) for each in several):
        return list(several)
    other = several[0] if isinstance(several, list | tuple) and several else several
    kind = f"the class `{other.__name__}`" if isinstance(other, type) else add_article(type(other).__name__)
    raise UsageError(
        f"`optimiser` should be an optimiser of torch, or a list of them. Found {'none' if several == [] else kind}; "
        "give `torch.optim.AdamW(net.parameter_groups(lr=...))`, say."
    )


class OptimiserGroups:
    """The groups of the optimisers of one network, read when they change.

    Attributes:
        of: id of a parameter -> its group.
    """

    def __init__(self) -> None:
        self.of: dict[int, dict[str, Any]] = {}
        self._read_from: list[tuple[list[dict[str, Any]], int]] = []  # lists that `of` has, and their lengths

    def read(self, network: SharedNetwork, optimisers: Sequence[Optimizer], rated: bool) -> None:
        """Read the groups. Raises UsageError where they are not the parameters of the network.

        rated: whether the constraint knows the rate that its half-lives are counted at.
        """
        # Another optimiser has another list, also after a load; one that was given a further group has a longer one.
        lists = [(each.param_groups, len(each.param_groups)) for each in optimisers]
        if len(lists) == len(self._read_from) and all(
            own is read and length == before
            for (own, length), (read, before) in zip(lists, self._read_from, strict=True)
        ):
            return
        if not rated:
            raise UsageError(
                "The optimiser should be made of `net.parameter_groups(lr=...)`, which tells the constraint the rate "
                "that its half-lives are counted at. Found another; or give `share` the `lr`."
            )
        for each in optimisers:
            _refuse_idle_decay(each)
        of: dict[int, dict[str, Any]] = {}
        twice = 0
        for group in (group for each in optimisers for group in each.param_groups):
            twice += sum(id(parameter) in of for parameter in group["params"])
            of.update({id(parameter): group for parameter in group["params"]})
        left = [name for name, p in network.named_parameters() if p.requires_grad and id(p) not in of]
        if left:
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            raise UsageError(
                "The optimiser should have every parameter that learns. Found none of "
                f"{', '.join(f'`{name}`' for name in left[:3])}{more}; make it of `net.parameter_groups(lr=...)`."
            )
        if twice:
            raise UsageError(
                f"A parameter should be in one group of one optimiser. Found {twice} in two; give each optimiser "
                "groups of its own."
            )
        find_rates([held.copies for held in network.held], of.values())
        self.of, self._read_from = of, lists


def find_rates(copies: Iterable[Sequence[Parameter]], groups: Iterable[dict[str, Any]]) -> list[float | None]:
    """The learning rate that the copies of each constrained parameter are stepped with; None of those that are frozen.

    Raises UsageError where one of them is in no group, or they have several rates: a prox has one.
    """
    rate_of = {id(parameter): float(group["lr"]) for group in groups for parameter in group["params"]}
    rates: list[float | None] = []
    for each in copies:
        own = {rate_of.get(id(copy)) for copy in each if copy.requires_grad}
        if None in own:
            raise UsageError(
                "The optimiser should have every constrained parameter. Found one that it lacks; give it the same "
                "parameters as `constrain`."
            )
        known = sorted(rate for rate in own if rate is not None)
        if len(known) > 1:
            raise UsageError(
                "Copies that a constraint holds together should have one learning rate. Found "
                f"{' and '.join(f'{rate:g}' for rate in known)}; put them into one group of the optimiser."
            )
        rates.append(known[0] if known else None)
    return rates


def refuse_closures(optimisers: Iterable[Optimizer]) -> None:
    """Raise UsageError for an optimiser that computes the gradient several times in a step, as LBFGS."""
    for each in optimisers:
        if _asks_for_closure(type(each).step):
            raise UsageError(
                "An optimiser should take one gradient a step. Found "
                f"`{type(each).__name__}`, which asks for a closure; take another, as `torch.optim.AdamW`."
            )


@functools.cache
def _asks_for_closure(step: Callable[..., Any]) -> bool:
    """Whether a step has to be given a closure."""
    closure = inspect.signature(step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def _refuse_idle_decay(optimiser: Optimizer) -> None:
    """Raise UsageError where a weight decay was given to the optimiser, whose groups have one of their own of 0."""
    given = optimiser.defaults.get("weight_decay")
    usual = inspect.signature(type(optimiser).__init__).parameters.get("weight_decay")
    if usual is None or not given or given == usual.default:
        return
    if all(group.get("weight_decay") == 0 for group in optimiser.param_groups):
        raise UsageError(
            f"`weight_decay` should be given to `net.parameter_groups`, which knows what decays. Found {given} given "
            f"to `{type(optimiser).__name__}`, which no group takes; write `net.parameter_groups(lr=..., "
            f"weight_decay={given})`."
        )
