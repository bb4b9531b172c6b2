"""FAMO: all losses should fall at one rate, judged by a second look at the batch."""

from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor

from bench.api import Ge, Scalarised, StepState, clamp_losses, register


@register(
    "famo",
    title="FAMO",
    family="weighted losses",
    version=2,
    paper="Liu, Feng, Stone, Liu, FAMO: Fast Adaptive Multitask Optimization, NeurIPS 2023, algorithm 1",
)
class FAMO(Scalarised):
    """Weights that are moved towards the tasks whose loss fell least at the last step.

    w_t = T c z_t / L_t, z = softmax(xi), c = 1 / sum_s z_s / L_s, so that the weights sum to T, the paper's to 1. After
    each step the losses of the same batch are computed again, and xi takes a step of Adam along
    log L_t(before) - log L_t(after) through the softmax. Its second forward pass counts as time, not as an update. By
    TorchJD. Nothing is clipped here; the authors' `famo.py` clips the gradient of the shared parameters to norm 1.

    Tasks without a label in a batch are left out of z, and their xi has a gradient of 0.

    rate: of Adam on xi, at least 0.
    decay: its weight decay, at least 0. The authors' code defaults to 1e-5 or 1e-2, by file; their scripts set 1e-3
        (QM9) and 1e-2 (CelebA).
    """

    sum_of_weights = "1"

    needs_second_forward = True

    def __init__(
        self, tasks: list[str], *, rate: Annotated[float, Ge(0)] = 0.025, decay: Annotated[float, Ge(0)] = 1e-3
    ) -> None:
        from torchjd.scalarization import FAMO as Rule

        super().__init__(tasks, Rule(len(tasks), lr=rate, weight_decay=decay))
        self._state: StepState | None = None

    def scalarise(self, losses: Tensor, state: StepState) -> Tensor:
        """sum_t c z_t log L_t, z and c held constant, z the softmax over the tasks that are there."""
        self._state = replace(state, losses=state.losses.detach())
        if state.present is None:
            return super().scalarise(losses, state)
        z = torch.softmax(state.take(self._rule._w), dim=0).detach()
        return (z / (z / losses).sum().detach() * losses.log()).sum()

    def observe(self, losses: Tensor) -> None:
        """Step xi by the change of the losses of the tasks that were there; TorchJD kept those before the step."""
        rule, state = self._rule, self._state
        if state is None or state.present is None:
            rule.update(clamp_losses(losses))
            return
        with torch.enable_grad():
            z = torch.softmax(state.take(rule._w), dim=0)
            change = clamp_losses(state.losses).log() - clamp_losses(losses).log()
            [rule._w.grad] = torch.autograd.grad(z, rule._w, grad_outputs=change)
        if rule._optimizer is None:
            self._make_optimiser()
        rule._optimizer.step()
        rule._w.grad = None

    @property
    def _rule(self) -> Any:
        """TorchJD's rule; Any, since its optimiser and its xi are private."""
        return self.scalarisation

    def _make_optimiser(self) -> None:
        """Adam on xi, as TorchJD makes it at its first update."""
        rule = self._rule
        rule._optimizer = torch.optim.Adam([rule._w], lr=rule.lr, weight_decay=rule.weight_decay)

    def get_extra_state(self) -> dict[str, Any]:
        """The moments of Adam on xi; xi itself is a parameter."""
        rule = self._rule
        return {"adam": rule._optimizer.state_dict()["state"] if rule._optimizer else {}}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Build the optimiser with its moments: TorchJD makes one at the first update only."""
        rule = self._rule
        rule._optimizer = None  # an optimiser of an earlier state has other moments
        if state["adam"]:
            self._make_optimiser()
            groups = rule._optimizer.state_dict()["param_groups"]
            rule._optimizer.load_state_dict({"state": state["adam"], "param_groups": groups})
