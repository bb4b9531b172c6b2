"""The copies of one parameter and the constraint on them, as a training step meets them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.core.constraint import Constraint
from bench.errors import UsageError


class ConstrainedParameter:
    """The T copies of one parameter and the constraint on them.

    `copies` has parts * T entries: all copies of the first part, then those of the next. `progress`, in [0, 1], is the
    share of the budget spent, which the constraint's schedule depends on.
    """

    def __init__(self, constraint: Constraint, copies: list[Parameter], mean: Parameter | None = None) -> None:
        """`mean`: of copies that are written as theta_t = mean + v_t with sum_t v_t = 0; `copies` are then the v_t."""
        self.constraint, self.copies, self.mean = constraint, copies, mean

    @property
    def is_scheduled(self) -> bool:
        """Whether the strength goes by the share of the budget that is spent."""
        return self.constraint.schedule != "constant"

    def penalty(self, progress: float = 0.0) -> Tensor:
        """The constraint's value as scheduled, 0-dimensional, differentiable."""
        value = self.constraint.value(self._stack_copies())
        return self.constraint.factor(progress) * value if self.is_scheduled else value

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

    def finish_update(self, rate: float, progress: float, step: int) -> None:
        """What follows the optimiser's step: centring, calibration, the prox, and a refresh when due.

        Args:
            rate: the learning rate that the copies were just stepped with.
            progress: share of the budget that was spent before the update.
            step: updates done, this one counted.
        """
        self.centre()
        self.calibrate(rate)
        if not self.constraint.in_loss:
            self.apply_prox(rate, progress)
        if self.constraint.refresh_every and step % self.constraint.refresh_every == 0:
            self.refresh()

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


def refuse_late_freezing(held: Sequence[ConstrainedParameter], frozen: Sequence[Parameter]) -> None:
    """Raise UsageError where some copies of a parameter are frozen, or some of `frozen` learn, which nothing holds."""
    if any(parameter.requires_grad for parameter in frozen):
        raise UsageError(
            "Weights under a constraint should learn when the network is made. Found some that were frozen then, which "
            "nothing holds together; unfreeze them before `share`, and freeze after it what should wait."
        )
    if any(each.copies[0].requires_grad != copy.requires_grad for each in held for copy in each.copies):
        raise UsageError(
            "Copies that a constraint holds together should be frozen together. Found some of them frozen; freeze "
            "those of all tasks, or take a method without a constraint."
        )
