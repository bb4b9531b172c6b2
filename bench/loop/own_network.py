"""The network of a method in a loop of one's own, and an update of it; `bench.loop.share` makes it."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bench.catalogue.method import Method
from bench.core.data import group_by_input
from bench.core.sharing import Sharing
from bench.core.state import TrainState
from bench.errors import UsageError, require_choice, require_number
from bench.loop.compiled import come_from_compiled, find_reach
from bench.loop.gradients import TaskGradients, refuse_unreached
from bench.loop.held import ConstrainedParameter, refuse_late_freezing
from bench.loop.network import GroupRates, SharedNetwork
from bench.loop.own_inputs import explain_misfit, read_inputs
from bench.loop.own_losses import Losses, read_losses
from bench.loop.own_optimisers import OptimiserGroups, Optimisers, list_optimisers, refuse_closures
from bench.loop.own_processes import average_losses, count_processes
from bench.loop.own_state import LoopState
from bench.loop.replay import Replay
from bench.loop.step import Step, clip_gradients, finish_update, has_regulariser, observe_again, weigh
from bench.toolbox.named_inputs import hold_named_inputs


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
        coupled = sharing.coupled() if method.constraint else {}
        frozen = [p for copies in coupled.values() for p in copies if not p.requires_grad]
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
        self._frozen = frozen  # weights that the constraint does not hold, since they do not learn
        self._fits = False  # whether a batch has passed
        self._predictions: dict[str, Any] = {}
        self._replay: Replay | None = None
        self._taken: Step | None = None
        self._groups = OptimiserGroups()

    def forward(self, x: Any) -> dict[str, Any]:
        """task -> prediction, what its head returns: a tensor, or tensors in tuples and dictionaries.

        x: a batch for all tasks, a tensor or the named inputs of the first stage; or task -> batch, for tasks with
            rows of their own. Tasks that share rows hold the same object.
        """
        if self.training:
            self._enter_phase()
            if not torch.compiler.is_compiling():
                self.join_processes(count_processes())
            if self.weighting.needs_second_forward:
                self._replay = Replay(self, self.state.generator)
        state = self.state if self.training else replace(self.state, generator=None)
        inputs = read_inputs(self.names, x, self._example)
        predictions: dict[str, Any] = {}
        if all(isinstance(rows, Tensor) for rows in inputs.values()):
            if torch.compiler.is_compiling():  # a graph would break at the names, which a stage of it does not read
                predictions = self.predict(inputs, state)
            else:
                with hold_named_inputs(None), explain_misfit(None if self._fits else self.sharing.output_shape):
                    predictions = self.predict(inputs, state)
                self._fits = True
        else:  # every input by itself, since stages read the rest of it
            for rows, tasks in group_by_input(inputs):
                predictions.update(self._predict_named(rows, tasks, state))
        if self.training and torch.is_grad_enabled():
            self._predictions.update(predictions)
        return predictions

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # a graph would hold for this batch only
    def _predict_named(self, rows: Any, tasks: Sequence[str], state: TrainState) -> dict[str, Tensor]:
        """`predict` of tasks that share rows, which stages read the names of."""
        with hold_named_inputs(rows), explain_misfit(None if self._fits else self.sharing.output_shape):
            predictions = self.predict(dict.fromkeys(tasks, rows), state)
        self._fits = True
        return predictions

    def join_processes(self, count: int) -> None:
        """Let weightings see the mean of the losses over `count` processes, each of which has rows of its own.

        Raises UsageError for a weighting that needs the gradient of every loss, which `ddp` does not average.
        """
        if count == 1 or self.average is not None:
            return
        if self.weighting.needs_gramian and not self.separate:
            raise UsageError(
                f"`{type(self.weighting).__name__}` should be trained by one process, since it needs the gradient of "
                f"every loss, which `ddp` does not average. Found {count}; take one device, or a weighting of losses."
            )
        self.average = average_losses

    def _find_phase(self) -> str:
        """The phase of the next update."""
        return self.phases[max(n for n, start in enumerate(self._starts) if start <= self.state.step)].name

    def _enter_phase(self) -> None:
        """Tell the sharing that a phase begins, where one does."""
        name = self._find_phase()
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
        for name, number in {"lr": lr, "trunk_lr": trunk_lr}.items():
            require_number(name, number, above=0)
        for name, number in {"weight_decay": weight_decay, "trunk_weight_decay": trunk_weight_decay}.items():
            require_number(name, number, least=0)
        require_choice("optimiser", optimiser, ("adam", "sgd"))
        require_choice("trunk_lr_rule", trunk_lr_rule, ("sum", "mean"))
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
        if clip_norm is not None:
            require_number("clip_norm", clip_norm, above=0)
        optimisers = self._read_optimisers(optimiser)
        refuse_closures(optimisers)
        for each in optimisers:
            each.zero_grad()
        total = self.backward(losses, scaler=scaler)
        self.update(optimisers, clip_norm=clip_norm, scaler=scaler, again=again)
        return total

    def backward(self, losses: Losses, *, share: float = 1.0, scaler: torch.amp.GradScaler | None = None) -> Tensor:
        """The first half of a step: add the gradient of the weighted losses to the `grad` of every parameter.

        share: of the batch in the update, where gradients are accumulated over several: 1/k for k of them.
        """
        require_number("share", share, above=0, most=1)
        scale = float(scaler.scale(torch.ones(()))) if scaler and scaler.is_enabled() else 1.0
        step = self.weigh_losses(losses, scale)
        step.backward(share * scale)
        if all(p.grad is None for part in (self.heads, self.sharing) for p in part.parameters()):
            self._taken = None
            raise refuse_unreached()
        return step.total.detach()

    @torch.enable_grad()  # a step may stand where an update would, under `no_grad`
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
        if clip_norm is not None:
            require_number("clip_norm", clip_norm, above=0)
        refuse_closures(list_optimisers(optimiser))
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
        refuse_late_freezing(self.held, self._frozen)
        if self.state.phase != self._find_phase():
            raise UsageError(
                "A network that trains in phases should be in training. Found it in evaluation where a phase begins; "
                "call `net.train()`, and `eval()` of single layers that should stay as they are."
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
        """As `find_reach`, found once for each phase."""
        if self.state.phase not in self._reach:
            self._reach[self.state.phase] = find_reach(self, self._example, replace(self.state, generator=None))
        return self._reach[self.state.phase]

    def _find_rate(self, held: ConstrainedParameter) -> float | None:
        """The learning rate that the optimiser has for the copies of a constrained parameter; None while frozen."""
        return float(self._groups.of[id(held.copies[0])]["lr"]) if held.copies[0].requires_grad else None

    def _read_optimisers(self, optimiser: Optimisers) -> list[Optimizer]:
        """The optimisers as a list. Raises UsageError where their groups are not the parameters of this network."""
        optimisers = list_optimisers(optimiser)
        self._groups.read(self, optimisers, self._rated)
        return optimisers

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles have: all but the batch at hand, whose graph cannot be copied, and its optimisers."""
        at_hand: dict[str, Any] = {"_predictions": {}, "_taken": None, "_replay": None, "_groups": OptimiserGroups()}
        return self.__dict__ | at_hand

    def __deepcopy__(self, memo: dict[int, Any]) -> "OwnNetwork":
        """A network of its own with the same weights; what layers keep of a batch is copied without its graph."""
        kept = [value for module in self.modules() for value in vars(module).values()]
        graphs = [value for value in kept if isinstance(value, Tensor) and not value.is_leaf]
        memo.update({id(value): value.detach().clone() for value in graphs})
        other = self.__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return other

    def get_extra_state(self) -> dict[str, Any]:
        """Updates done, phase, random numbers and the rate of half-lives.

        With the optimiser's state a loop goes on as if it never stopped.
        """
        generator = self.state.generator
        lr = self.held[0].constraint.coupled.lr if self.held and self._rated else None
        return {"step": self.state.step, "generator": generator and generator.get_state(), "lr": lr}

    def set_extra_state(self, state: Any) -> None:
        """Restore what `get_extra_state` returned, entering every phase that is passed."""
        lr = state.get("lr")
        if self.held and lr is not None:  # before the buffers of constraints are loaded, which is what follows
            if lr != self.held[0].constraint.coupled.lr:
                self.set_rate(lr)
            self._rated = True
        for number, start in enumerate(self._starts[1:], start=1):
            if start < state["step"]:
                self.state.step = start
                self._enter_phase()
                assert self.state.phase == self.phases[number].name
        self.state.step = state["step"]
        if self.state.generator and state["generator"] is not None:
            self.state.generator.set_state(state["generator"])
        self._entered = False
