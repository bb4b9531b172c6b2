"""The network of a method in a loop of one's own, and an update of it; `bench.loop.share` makes it."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bench.catalogue.method import Method
from bench.core.data import group_by_input
from bench.core.sharing import Sharing
from bench.core.state import TrainState
from bench.errors import UsageError
from bench.loop.gradients import TaskGradients, come_from_compiled
from bench.loop.held import ConstrainedParameter
from bench.loop.network import GroupRates, SharedNetwork
from bench.loop.own_losses import Losses, read_losses
from bench.loop.own_stages import move_like
from bench.loop.own_state import LoopState
from bench.loop.replay import Replay
from bench.loop.step import Step, clip_gradients, finish_update, has_regulariser, observe_again, weigh
from bench.toolbox.named_inputs import hold_named_inputs
from bench.toolbox.tracing import hold_mode

Optimisers = Optimizer | Sequence[Optimizer]


class OwnNetwork(SharedNetwork):
    """A method on a user's stages and heads; made by `share`.

    Attributes:
        state: updates done, the budget, the phase, and the generator of everything random in the method.
    """

    def __init__(
        self,
        method: Method,
        sharing: Sharing,
        heads: Mapping[str, nn.Module],
        state: LoopState,
        example: Any,
        *,
        lr: float | None,
        centred: bool,
        mean: bool,
    ) -> None:
        weighting = method.weighting.build(list(heads))
        super().__init__(
            *(sharing, heads.items(), weighting, method.constraint), lr=1.0 if lr is None else lr, centred=centred
        )
        self.state, self.mean, self._rated = state, mean, lr is not None or not self.held
        self.phases = tuple(sharing.phases())
        state.phase = self.phases[0].name
        ends = itertools.accumulate(phase.share for phase in self.phases[:-1])
        self._starts = [0, *(round(share * state.updates) for share in ends)]
        self._entered = False  # whether a phase began since the last update
        self._example = example
        self._reach: dict[str, list[list[bool]]] = {}  # phase -> for each task which parameters it reaches
        self._predictions: dict[str, Tensor] = {}
        self._replay: Replay | None = None
        self._taken: Step | None = None
        self._groups: dict[int, dict[str, Any]] = {}  # id of a parameter -> its group
        self._read_from: list[tuple[list[dict[str, Any]], int]] = []  # lists that `_groups` has, and their lengths

    def forward(self, x: Any) -> dict[str, Tensor]:
        """task -> prediction, what its head returns.

        x: a batch for all tasks, a tensor or the named inputs of the first stage; or task -> batch, for tasks with
            rows of their own. Tasks that share rows hold the same object.
        """
        if self.training:
            self._enter_phase()
            if self.weighting.needs_second_forward:
                self._replay = Replay(self, self.state.generator)
        state = self.state if self.training else replace(self.state, generator=None)
        inputs = self._by_task(x)
        predictions: dict[str, Tensor] = {}
        if all(isinstance(rows, Tensor) for rows in inputs.values()):
            # A compiled graph would break there, and a stage of it has no names to read.
            with nullcontext() if torch.compiler.is_compiling() else hold_named_inputs(None):
                predictions = self.predict(inputs, state)
        else:  # every input by itself, since stages read the rest of it
            for rows, tasks in group_by_input(inputs):
                predictions.update(self._predict_named(rows, tasks, state))
        if self.training and torch.is_grad_enabled():
            self._predictions.update(predictions)
        return predictions

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # a graph would hold for this batch only
    def _predict_named(self, rows: Any, tasks: Sequence[str], state: TrainState) -> dict[str, Tensor]:
        """`predict` of tasks that share rows, which stages read the names of."""
        with hold_named_inputs(rows):
            return self.predict(dict.fromkeys(tasks, rows), state)

    def _by_task(self, x: Any) -> dict[str, Any]:
        """task -> rows."""
        if isinstance(x, Mapping) and set(x) <= set(self.names):
            if not x:
                raise UsageError("An input should have rows. Found an empty dictionary.")
            return {name: x[name] for name in self.names if name in x}
        return dict.fromkeys(self.names, x)

    def _enter_phase(self) -> None:
        """Tell the sharing that a phase begins, where one does."""
        number = max(n for n, start in enumerate(self._starts) if start <= self.state.step)
        name = self.phases[number].name
        if name != self.state.phase:
            self.state.phase, self._entered = name, True
            with torch.no_grad():
                self.sharing.begin(name)

    def parameter_groups(
        self,
        lr: float,
        weight_decay: float = 0.0,
        optimiser: Literal["adam", "sgd"] = "adam",
        trunk_lr: float = 1.0,
        trunk_lr_rule: Literal["sum", "mean"] = "sum",
        trunk_weight_decay: float = 1.0,
    ) -> list[dict[str, Any]]:
        """Groups for any optimiser: parameters of one learning rate and one weight decay, each parameter once.

        The constraint is told `lr`, which its half-lives are counted at. Arguments as of `GroupRates`.
        """
        if not lr > 0:
            raise UsageError(f"`lr` should be above 0. Found {lr}.")
        if self.held and self.state.step == 0:
            self.set_rate(lr)
        self._rated = True
        rates = GroupRates(lr, weight_decay, optimiser, trunk_lr, trunk_lr_rule, trunk_weight_decay)
        return self.group_parameters(rates)

    def step(
        self,
        losses: Losses,
        optimiser: Optimisers,
        *,
        clip_norm: float | None = None,
        scaler: torch.amp.GradScaler | None = None,
        again: Callable[[], Losses] | None = None,
    ) -> Tensor:
        """One update: gradients of zero, weights, backward pass, clipping, the optimiser's step, prox, refreshes.

        Args:
            losses: task -> its loss on this batch, 0-dimensional, of the predictions of this network; None for a task
                without a label in the batch.
            optimiser: of `parameter_groups`; or several, each with some of the groups.
            clip_norm: largest norm of the whole gradient.
            scaler: of gradients, for float16; a step that it skips is no update.
            again: computes the losses of the batch once more, for a weighting that observes them after the step.

        Returns:
            The weighted loss with all penalties, 0-dimensional, without a gradient.

        Raises:
            UsageError: in one sentence, what of losses or optimisers does not fit.
        """
        for each in self._read_optimisers(optimiser):
            each.zero_grad()
        total = self.backward(losses, scaler=scaler)
        self.update(optimiser, clip_norm=clip_norm, scaler=scaler, again=again)
        return total

    def backward(self, losses: Losses, *, share: float = 1.0, scaler: torch.amp.GradScaler | None = None) -> Tensor:
        """The first half of a step: add the gradient of the weighted losses to the `grad` of every parameter.

        share: of the batch in the update, where gradients are accumulated over several: 1/k for k of them.
        """
        scale = float(scaler.scale(torch.ones(()))) if scaler and scaler.is_enabled() else 1.0
        step = self.weigh_losses(losses, scale)
        step.backward(share * scale)
        return step.total.detach()

    def weigh_losses(self, losses: Losses, scale: float = 1.0) -> Step:
        """The losses as one step, before its backward pass; `update` goes on from it.

        scale: of a `GradScaler`. Gradients that a Gramian weighting asks for are computed at this scale, as float16
            needs it, and taken back in float32, where thresholds have their meaning.
        """
        each, present = read_losses(self.names, losses, self._predictions)
        gradients = None
        # Only the forward pass is for low precision: weights, penalties and Gramians have float32 here.
        with torch.autocast(each[0].device.type, enabled=False):
            if self.weighting.needs_gramian and not self.separate:
                reach = self._find_reach() if come_from_compiled(each) else None
                retain = has_regulariser(self)
                gradients = TaskGradients(each, self.learning, scale=scale, reach=reach, retain=retain)
            self._taken = weigh(self, each, self.state, self.mean, gradients, present)
        self._predictions.clear()
        return self._taken

    def update(
        self,
        optimiser: Optimisers,
        *,
        clip_norm: float | None = None,
        scaler: torch.amp.GradScaler | None = None,
        again: Callable[[], Losses] | None = None,
    ) -> None:
        """The second half of a step: clip, step, prox and refreshes, with the gradients that are there."""
        optimisers = self.prepare_update(optimiser, again is not None)
        if scaler:
            for each in optimisers:
                scaler.unscale_(each)
        if clip_norm is not None:
            clip_gradients(self, clip_norm)
        for each in optimisers:
            if scaler:
                scaler.step(each)
            else:
                each.step()
        if scaler and scaler.is_enabled():
            before = scaler.get_scale()
            scaler.update()
            if scaler.get_scale() < before:
                self._taken = None
                return  # gradients were infinite, and nothing moved
        self.follow_update(again)

    def prepare_update(self, optimiser: Optimisers, shows_again: bool = False) -> list[Optimizer]:
        """What comes before clipping and the optimiser's step; returns the optimisers.

        shows_again: whether the losses of the batch can be computed once more.
        """
        optimisers = self._read_optimisers(optimiser)
        if self._taken is None:
            raise UsageError("`update` should follow `backward`. Found no gradients of this network; use `step`.")
        if not shows_again and self.weighting.needs_second_forward and not self.separate:
            raise UsageError(
                "`again` should be given, since this weighting observes the losses of a batch after its update. Found "
                "none; add `again=lambda: ...`, which computes the losses of the batch once more."
            )
        self.centre_gradients()
        if self._entered:  # a phase begins with an optimiser that remembers nothing
            for each in optimisers:
                each.state.clear()
            self._entered = False
        return optimisers

    def follow_update(self, again: Callable[[], Losses] | None = None) -> None:
        """What follows the optimiser's step: prox, refreshes, and a second look where the weighting asks for it."""
        taken, self._taken = self._taken, None
        assert taken is not None
        finish_update(self, self.state, self._find_rate)
        if again is not None and self.weighting.needs_second_forward and self._replay:
            losses = self._replay.compute(lambda: read_losses(self.names, again(), {}, differentiable=False)[0])
            observe_again(self, losses, taken.present)
            self._predictions.clear()

    def _find_reach(self) -> list[list[bool]]:
        """For each task which of the parameters that learn its features and its head are made of.

        The backward pass of a compiled graph gives a gradient of zero where there is none, and everything would count
        as shared. Found once for each phase, on the example, by a pass that is not compiled.
        """
        if self.state.phase not in self._reach:
            parameters, sharing = self.learning, [p for p in self.sharing.parameters() if p.requires_grad]
            example = move_like(self._example, sharing[0])
            with hold_mode(self.sharing), torch.random.fork_rng(devices=[]), hold_named_inputs(example):
                features = self.sharing(dict.fromkeys(self.names, example), replace(self.state, generator=None))
                reach = []
                for name in self.names:
                    found = torch.autograd.grad(features[name].sum(), sharing, retain_graph=True, allow_unused=True)
                    own = {id(p) for p, gradient in zip(sharing, found, strict=True) if gradient is not None}
                    own |= {id(p) for p in self.heads[name].parameters()}
                    reach.append([id(p) in own for p in parameters])
            self._reach[self.state.phase] = reach
        return self._reach[self.state.phase]

    def _find_rate(self, held: ConstrainedParameter) -> float:
        """The learning rate that the optimiser has for the copies of a constrained parameter."""
        return float(self._groups[id(held.copies[0])]["lr"])

    def _read_optimisers(self, optimiser: Optimisers) -> list[Optimizer]:
        """The optimisers as a list. Raises UsageError where their groups are not the parameters of this network."""
        optimisers = [optimiser] if isinstance(optimiser, Optimizer) else list(optimiser)
        # Another optimiser has another list, also after a load; one that was given a further group has a longer one.
        lists = [(each.param_groups, len(each.param_groups)) for each in optimisers]
        if len(lists) == len(self._read_from) and all(
            own is read and length == before
            for (own, length), (read, before) in zip(lists, self._read_from, strict=True)
        ):
            return optimisers
        if not self._rated:
            raise UsageError(
                "The optimiser should be made of `net.parameter_groups(lr=...)`, which tells the constraint the rate "
                "that its half-lives are counted at. Found another; or give `share` the `lr`."
            )
        groups: dict[int, dict[str, Any]] = {}
        twice = 0
        for group in (group for each in optimisers for group in each.param_groups):
            twice += sum(id(parameter) in groups for parameter in group["params"])
            groups.update({id(parameter): group for parameter in group["params"]})
        left = [name for name, p in self.named_parameters() if p.requires_grad and id(p) not in groups]
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
        self._groups, self._read_from = groups, lists
        return optimisers

    def get_extra_state(self) -> dict[str, Any]:
        """Updates done, phase and random numbers: with the optimiser's state a loop goes on as if it never stopped."""
        generator = self.state.generator
        return {"step": self.state.step, "generator": generator and generator.get_state()}

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` returned, entering every phase that is passed."""
        for number, start in enumerate(self._starts[1:], start=1):
            if start < state["step"]:
                self.state.step = start
                self._enter_phase()
                assert self.state.phase == self.phases[number].name
        self.state.step = state["step"]
        if self.state.generator and state["generator"] is not None:
            self.state.generator.set_state(state["generator"])
        self._entered = False
