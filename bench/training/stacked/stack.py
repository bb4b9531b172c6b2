"""The models of several seeds and learning rates as one stack: one forward and backward pass, one optimiser for all.

It repeats the order of `MultiTaskModule` hook by hook: what changes there for one model changes here for S.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import Parameter

from bench.core.data import Batch, group_by_input
from bench.core.losses import MaskedLoss, compute_loss
from bench.core.state import TrainState
from bench.loop.gradients import TaskGradients
from bench.loop.step import Step, observe_again, weigh
from bench.training.gradients import compute_losses, find_present
from bench.training.module import MultiTaskModule

# Largest relative difference of first losses and gradients between a stack and its models one by one: above the
# rounding of float32, below the effect of a wrong computation.
TOLERANCE = 1e-3
FORWARD_PARTS = ("sharing.", "heads.")  # prefixes of the parameters and buffers that the forward pass reads


class CannotStack(Exception):
    """The models of a method cannot be run as one; the message says why."""


class StackedModule(L.LightningModule):
    """Trains S models of one shape by one forward pass, one backward pass and one optimiser.

    Their parameters, and the buffers of sharing and heads, become views of tensors (S, ...). The forward pass and the
    losses run over the stack (`torch.func.vmap`); what a method adds to them (weighting, regularisers, penalties,
    prox) is computed model by model, on the views. So every model is where a run of its own would be, up to rounding.

    Raises CannotStack, from the constructor or at the first batch, for what depends on more than the tensors: phases,
    and random numbers drawn in the forward pass.

    Attributes:
        each: the modules of the models, which keep state, schedule and sums of losses.
        copies: name -> the S parameters of that name, one per model.
        stacked: name -> the parameter (S, ...) whose views they are, which the optimiser steps.
        running: name -> the buffer (S, ...), as running statistics.
    """

    def __init__(self, modules: Sequence[MultiTaskModule]) -> None:
        super().__init__()
        self.each = list(modules)
        self.protocol = modules[0].protocol
        self.models = [module.model for module in modules]
        first = self.models[0]
        if len(modules[0].schedule.phases) > 1:
            raise CannotStack("A method that trains in phases cannot be stacked.")
        places = [
            id(m) for _, m in first.named_modules(remove_duplicate=False) if next(m.parameters(False), None) is not None
        ]
        if len(places) > len(set(places)):
            raise CannotStack("A layer that is used in two places cannot be stacked.")
        # Whether one parameter has two names, which takes a look at all of them in every forward pass.
        self.tied = len(list(first.named_parameters(remove_duplicate=False))) > len(list(first.parameters()))
        self.gramian = first.weighting.needs_gramian and not first.separate
        named = [dict(model.named_parameters()) for model in self.models]
        self.copies = {name: [parameters[name] for parameters in named] for name in named[0]}
        wholes = {name: _merge_as_views(copies) for name, copies in self.copies.items()}
        self.stacked = {name: Parameter(whole, self.copies[name][0].requires_grad) for name, whole in wholes.items()}
        self.stacked_of = {copies[0]: self.stacked[name] for name, copies in self.copies.items()}
        buffers = [dict(_forward_buffers(model)) for model in self.models]
        self.running = {name: _merge_as_views([each[name] for each in buffers]) for name in buffers[0]}
        self.compared = False

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser of a single model, with each parameter replaced by its stack.

        The rules of SGD and Adam are elementwise, so a step on the stack is a step on each model. Steps are in
        proportion to the learning rate: that of a group is the largest of the models, of which each takes its share.
        """
        # All modules configure theirs, since each needs its rates; only the first one's groups are used.
        own, *_ = [module.configure_optimizers() for module in self.each]
        every = list(zip(*(module.rates for module in self.each), strict=True))
        self.rates = [max(rates) for rates in every]
        one = next(self.models[0].parameters())
        self.shares = [
            one.new_tensor([rate / largest for rate in rates]) if min(rates) < largest else None
            for rates, largest in zip(every, self.rates, strict=True)
        ]
        groups = [group | {"params": [self.stacked_of[p] for p in group["params"]]} for group in own.param_groups]
        return type(own)(groups)  # type: ignore[call-arg]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch  # the data sets are on the device already

    def losses(self, batches: Sequence[Batch], state: TrainState) -> list[Tensor]:
        """For every task, in order, the losses (S,) of the models, each on its own batch.

        Args:
            batches: one per model, of equal shapes.
            state: the same for all models, whose protocols differ in the learning rate alone.
        """
        groups = group_by_input(batches[0][0])
        inputs = [torch.stack([own[tasks[0]] for own, _ in batches]) for _, tasks in groups]

        def run(tensors: dict[str, Tensor], inputs: list[Tensor], targets: list[Tensor]) -> list[Tensor]:
            """The losses of one model, with the structure of the first and the tensors of its own."""
            own = {task: x for x, (_, tasks) in zip(inputs, groups, strict=True) for task in tasks}
            predictions = functional_call(self.models[0], tensors, (own, state), tie_weights=self.tied)
            return [
                compute_loss(task.loss, predictions[task.name], target, partly_labelled=task.name in partly)
                for task, target in zip(self.models[0].tasks, targets, strict=True)
            ]

        tensors = {name: whole for name, whole in self.stacked.items() if name.startswith(FORWARD_PARTS)} | self.running
        targets = [torch.stack([own[task.name] for _, own in batches]) for task in self.models[0].tasks]
        partly = self.partly_labelled
        with _ignore_vmap_advice():
            losses: list[Tensor] = vmap(run)(tensors, inputs, targets)
        return losses

    @property
    def partly_labelled(self) -> frozenset[str]:
        """Tasks with a missing label in the training rows of any of the models."""
        return frozenset().union(*(model.partly_labelled for model in self.models))

    def on_train_batch_start(self, batch: list[Batch], batch_idx: int) -> None:
        """Check the stack at the first batch, and keep the batch where the weighting observes it again."""
        if not self.compared:
            self._compare(batch)
            self.compared = True
        again = self.models[0].weighting.needs_second_forward
        self.replayed = (batch, replace(self.each[0].state)) if again else None

    def _compare(self, batches: Sequence[Batch]) -> None:
        """Raise CannotStack where losses or gradients on the first batch differ from those of the models one by one.

        Which methods stack cannot be told from their code; that the numbers are right can be seen.
        """
        for task in self.models[0].tasks:
            if task.name in self.partly_labelled and not isinstance(task.loss, MaskedLoss):
                raise CannotStack(f"The loss of `{task.name}` is called on labelled rows, as many as each seed has.")
        state = self.each[0].state
        with self._restore_running():
            each = self.losses(batches, state)
            rows = torch.autograd.grad(torch.stack(each).sum(), self._learning(), allow_unused=True)
            terms = [model.sharing.regulariser() for model in self.models]
        for s, (model, batch) in enumerate(zip(self.models, batches, strict=True)):
            with self._restore_running():
                alone = compute_losses(model, batch, state)
                own = torch.autograd.grad(torch.stack(alone).sum(), model.learning, allow_unused=True)
                term = model.sharing.regulariser()
            stacked = [None if row is None else row[s] for row in rows]
            if not (_agree([*(losses[s] for losses in each), terms[s]], [*alone, term]) and _agree(stacked, own)):
                raise CannotStack("The models of the stack do not compute what each does by itself.")

    def training_step(self, batch: list[Batch], batch_idx: int) -> Tensor:
        """The sum over models of their steps' losses: no model's gradient depends on another's."""
        each = self.losses(batch, self.each[0].state)  # T tensors (S,)
        gradients = self._gradients(each) if self.gramian else [None] * len(self.each)
        # Weightings and penalties are computed model by model: some of them read numbers, which vmap cannot.
        mean = self.protocol.loss_reduction == "mean"
        self.taken: list[Step] = [
            weigh(
                module.model,
                [losses[s] for losses in each],
                module.state,
                mean,
                gradients[s],
                find_present(module.model, batch[s]),
            )
            for s, module in enumerate(self.each)
        ]
        for module, step in zip(self.each, self.taken, strict=True):
            module.count_losses(step)
        return torch.stack([step.total for step in self.taken]).sum()

    def _learning(self) -> list[Parameter]:
        """The stacks (S, ...) of the parameters that the losses train, in the order of `MultiTaskModel.learning`."""
        return [self.stacked_of[parameter] for parameter in self.models[0].learning]

    def _gradients(self, each: Sequence[Tensor]) -> list[TaskGradients | None]:
        """For every model the gradients of its T losses, by T backward passes in all, not S T."""
        wholes = self._learning()
        rows = [torch.autograd.grad(losses.sum(), wholes, retain_graph=True, allow_unused=True) for losses in each]
        return [
            TaskGradients.from_rows(model.learning, [[None if g is None else g[s] for g in row] for row in rows])
            for s, model in enumerate(self.models)
        ]

    @contextmanager
    def _restore_running(self) -> Iterator[None]:
        """Undo what forward passes inside do to running statistics."""
        kept = {name: whole.clone() for name, whole in self.running.items()}
        yield
        for name, whole in self.running.items():
            whole.copy_(kept[name])

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Set the gradients of the stacked parameters from the gradients of all models.

        They arrive in two ways: by the stack (losses) and by the views (what a model adds to its losses).
        """
        if self.gramian:
            for step in self.taken:
                step.backward()
        else:
            torch.autograd.backward(loss)
        for name, whole in self.stacked.items():
            own = [copy.grad for copy in self.copies[name]]
            if any(gradient is not None for gradient in own):
                added = torch.stack([torch.zeros_like(w) if g is None else g for g, w in zip(own, whole, strict=True)])
                total = added if whole.grad is None else whole.grad + added
                whole.grad = torch.empty_like(whole).copy_(total)  # in memory as the parameter, for fused optimisers
            for copy in self.copies[name]:
                copy.grad = None
        for held in self.models[0].held:
            held.centre_gradients([self.stacked_of[copy] for copy in held.copies])

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip each model by the norm of its own gradient."""
        if gradient_clip_val is None:
            return
        # A model's gradients are views of the stack's while it clips, so that clipping in place reaches the stack.
        for s, module in enumerate(self.each):
            for name, whole in self.stacked.items():
                self.copies[name][s].grad = None if whole.grad is None else whole.grad[s]
            module.configure_gradient_clipping(optimizer, gradient_clip_val)
            for copies in self.copies.values():
                copies[s].grad = None

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """One step of the optimiser for all models, then prox, refresh and observation for each.

        The same order as in `MultiTaskModule.optimizer_step`.
        """
        first = self.each[0]
        factor = first.schedule.factor(first.state.step)
        begun: list[tuple[Tensor, Tensor, Tensor]] = []  # parameter, where it was, and each model's share of the step
        for group, rate, shares in zip(optimizer.param_groups, self.rates, self.shares, strict=True):
            group["lr"] = rate * factor
            if shares is not None:
                begun += [(whole, whole.detach().clone(), shares) for whole in group["params"]]
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        with torch.no_grad():
            for whole, before, shares in begun:
                whole.copy_(before.lerp_(whole, shares.view(-1, *[1] * (whole.dim() - 1))))
        for module in self.each:
            module.finish_update(factor)
        if self.replayed:
            with torch.no_grad(), self._restore_running():
                after = torch.stack(self.losses(*self.replayed), dim=1)
            for model, losses, step in zip(self.models, after, self.taken, strict=True):
                observe_again(model, losses, step.present)


def _merge_as_views(tensors: Sequence[Tensor]) -> Tensor:
    """Copy S tensors of one shape into a new one (S, ...), and turn each into a view of it.

    Whoever holds a tensor, as a constraint or an optimiser, goes on with the same object.
    """
    whole = torch.stack([tensor.detach() for tensor in tensors])
    for tensor, view in zip(tensors, whole, strict=True):
        tensor.data = view
    return whole


def _forward_buffers(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """(name, buffer) of the buffers that a forward pass may write to."""
    return ((name, buffer) for name, buffer in model.named_buffers() if name.startswith(FORWARD_PARTS))


@contextmanager
def _ignore_vmap_advice() -> Iterator[None]:
    """Ignore torch's warning that an operation has no batching rule: it is then run seed by seed, and still right."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        yield


def _agree(first: Sequence[Tensor | float | None], second: Sequence[Tensor | float | None]) -> bool:
    """Whether two lists have None in the same places, and numbers equal up to TOLERANCE of the largest one."""
    if [a is None for a in first] != [b is None for b in second]:
        return False
    pairs = [
        (torch.as_tensor(a).detach(), torch.as_tensor(b).detach())
        for a, b in zip(first, second, strict=True)
        if a is not None and b is not None
    ]
    largest = max(float(b.abs().max()) for _, b in pairs)
    return all(float((a - b).abs().max()) <= TOLERANCE * largest for a, b in pairs)
