"""GradNorm: weights under which the tasks' gradients have norms in proportion to how slowly they learn."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.api import Ge, StepState, Weighting, clamp_losses, register


@register(
    "gradnorm",
    title="GradNorm",
    family="weighted losses",
    paper="Chen, Badrinarayanan, Lee, Rabinovich, GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep "
    "Multitask Networks, ICML 2018, algorithm 1",
)
class GradNorm(Weighting):
    """Learned weights that pull the norms of the weighted task gradients together.

    They descend sum_t | w_t n_t - mean_s(w_s n_s) r_t^alpha |, the mean held constant, with n_t the norm of task t's
    gradient and r_t = (L_t / L_t(0)) / mean_s (L_s / L_s(0)) its inverse rate of training, and are rescaled to sum
    to T at every step. L_t(0) is the first loss of task t; sums and means are over the tasks that a batch has labels
    of. The norm is over all shared parameters, where the paper takes the last shared layer; the
    weights multiply whole losses and train with the model's optimiser.

    alpha: pull towards slow tasks, at least 0.
    """

    needs_gramian = True
    first: Tensor

    def __init__(self, tasks: list[str], *, alpha: Annotated[float, Ge(0)] = 1.5) -> None:
        super().__init__(tasks)
        self.alpha = alpha
        self.weights = Parameter(torch.ones(len(tasks)))
        self.register_buffer("first", torch.zeros(len(tasks)))  # the first losses; 0 until they are known
        self._pull: Tensor | float = 0.0  # the term of the current step, which `regulariser` hands out

    def forward(self, state: StepState) -> Tensor:
        if state.gramian is None:
            raise TypeError("GradNorm should be given the Gramian.")
        losses = clamp_losses(state.losses)
        with torch.no_grad():  # the optimiser may have made a weight negative
            self.weights.clamp_(min=1e-6).mul_(len(self.tasks) / self.weights.sum())
            first = state.take(self.first)
            first = torch.where(first > 0, first, losses)  # of a task that is there for the first time
            self.first[... if state.present is None else state.present] = first
        norms = state.gramian.diagonal().clamp(min=0).sqrt()
        pace = losses / first.clamp(min=1e-12)
        rate = pace / pace.mean()
        weights = state.take(self.weights)
        target = (weights.detach() * norms).mean() * rate**self.alpha
        self._pull = (weights * norms - target).abs().sum()
        return weights.detach().clone()

    def regulariser(self) -> Tensor | float:
        return self._pull
