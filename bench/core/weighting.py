"""Weighting: how T losses become one step.

The contract that `bench/weightings/` and plug-ins implement, and the two forms most rules have: the derivative of a
scalarisation (`Scalarised`), and a function of the Gramian (`GramianWeighting`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn

from bench.core.state import StepState, draw_from
from bench.errors import UsageError

C = TypeVar("C")


class Weighting(nn.Module, ABC):
    """Maps T losses to T weights. Its own parameters, if any, train with the model, without weight decay.

    `needs_gramian` asks for the Gramian of the task gradients, `state.gramian`. `scales` says what a weight
    multiplies: `losses`, a whole loss; `shared`, the gradient of a loss by the shared parameters only, while what
    a single loss reaches (heads) keeps its own gradient. `needs_second_forward` asks for `observe`.

    Losses are summed, so that weights of T like tasks are 1 each and sum to T, as those of `uniform` do: any other
    scale would be another learning rate. `sum_of_weights` is what a rule's own answer sums to where the tasks are
    alike: `T`, `1` for a mean or a convex combination, `1/T` for a mean of a mean. `Scalarised` and `GramianWeighting`
    multiply it by `sum_factor(T)`; a class with a `forward` of its own answers in the scale of a sum. A rule whose step
    is not that of `uniform` where losses and gradients are equal says why in `unlike_uniform`; `mtlbench check` holds
    all others to it.

    Tasks without a label in a batch are left out of what `forward` sees, and T is then the number of those that are
    there: weights are (P,), and sum to P where the tasks are alike. What a rule remembers of each task it reads through
    `state.take`, and leaves as it is for the others.
    """

    needs_gramian: ClassVar[bool] = False
    scales: ClassVar[Literal["losses", "shared"]] = "losses"
    needs_second_forward: ClassVar[bool] = False
    sum_of_weights: ClassVar[Literal["T", "1", "1/T"]] = "T"
    unlike_uniform: ClassVar[str] = ""

    def __init__(self, tasks: list[str]) -> None:
        super().__init__()
        if isinstance(tasks, str):
            raise UsageError(f"Tasks should be a list of names. Found the text `{tasks}`; write `[{tasks!r}, ...]`.")
        self.tasks = tasks

    def sum_factor(self, T: int) -> int:
        """The factor that brings a sum of `sum_of_weights` to the number T of weights: 1, T or T^2."""
        return {"T": 1, "1": T, "1/T": T * T}[self.sum_of_weights]

    @abstractmethod
    def forward(self, state: StepState) -> Tensor:
        """The weights, in the shape of `state.losses`, (T,), on their device; the step's loss is weights . losses."""

    def regulariser(self) -> Tensor | float:
        """A term of the weighting's own, 0-dimensional, added to the weighted losses."""
        return 0.0

    def observe(self, losses: Tensor) -> None:
        """Receive the losses of the same batch and tasks after the optimiser's step, (T,), without a gradient.

        Called only with `needs_second_forward`.
        """
        return


class Scalarised(Weighting):
    """Weights that are the derivative of a scalarisation S by the losses: w_t = k dS/dL_t.

    k is `sum_factor(T)`. Losses below 1e-12 count as 1e-12, so that logarithms and ratios exist. What k S adds beyond
    weights . losses is constant in the model's parameters; where S has parameters of its own it is the regulariser
    that trains them.
    """

    def __init__(self, tasks: list[str], scalarisation: nn.Module) -> None:
        super().__init__(tasks)
        self.scalarisation = scalarisation
        self._rest: Tensor | float = 0.0

    def forward(self, state: StepState) -> Tensor:
        """k dS/dL (T,); with a graph where S has parameters that the regulariser trains."""
        losses = clamp_losses(state.losses).requires_grad_()
        learned = not self.needs_second_forward and any(p.requires_grad for p in self.scalarisation.parameters())
        with torch.enable_grad(), draw_from(state.train.generator):
            total = self.sum_factor(len(losses)) * self.scalarise(losses, state)
            [weights] = torch.autograd.grad(total, losses, create_graph=learned)
        # The rest makes weights . losses + rest equal k S, whose gradient by S's own parameters is then the right one.
        self._rest = total - weights @ losses.detach() if learned else 0.0
        return weights

    def scalarise(self, losses: Tensor, state: StepState) -> Tensor:
        """S of the losses that are there, 0-dimensional; a rule with numbers for each task overrides it."""
        scalar: Tensor = self.scalarisation(losses)
        return scalar

    def regulariser(self) -> Tensor | float:
        return self._rest


class GramianWeighting(Weighting):
    """Weights of the shared parameters' task gradients that are a function of their Gramian.

    A rule is given G / tr G, and its answer is multiplied by (tr G)^degree: thresholds inside it then mean the same
    at every size of gradients. `degree` is the degree of the rule, w(c G) = c^degree w(G), 0 where only directions
    matter, and by `sum_factor`. A single task has weight 1. Where G is zero, or nothing is shared in a phase, the
    weights are those of `uniform`, 1 each; so they are where a rule has no finite answer.
    """

    needs_gramian = True
    scales = "shared"
    degree: float = 0.0

    def __init__(self, tasks: list[str], rule: Callable[[Tensor], Tensor]) -> None:
        super().__init__(tasks)
        self.rule = rule

    def forward(self, state: StepState) -> Tensor:
        """The weights of the rule in the scale of a sum, or 1 each where it has no finite answer."""
        if state.gramian is None:
            raise TypeError("A Gramian weighting should be given the Gramian.")
        G, even = state.gramian.detach(), torch.ones_like(state.losses)
        # Rules compute in units of the trace: their thresholds are absolute numbers.
        trace = G.trace()
        if len(even) == 1 or not (trace > 0 and trace.isfinite()):
            return even
        with torch.no_grad(), draw_from(state.train.generator):
            weights = (self.sum_factor(len(even)) * self.rule(G / trace) * trace**self.degree).to(even)
        return torch.where(weights.isfinite().all(), weights, even)


def clamp_losses(losses: Tensor) -> Tensor:
    """Losses without a gradient, at least 1e-12, so that their logarithms and ratios are finite."""
    return losses.detach().clamp(min=1e-12)


def call_solver(make: Callable[[], C]) -> C:
    """Call `make`, which imports an optional solver, and return its result.

    Raises ValueError with the install command where the solver is missing.
    """
    try:
        return make()
    except ImportError as error:
        raise ValueError(
            f"A solver is missing ({error.name or str(error).split('. ')[0]}): install it with "
            "`pip install 'torchjd[full]'`."
        ) from error
