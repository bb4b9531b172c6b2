"""Weightings: each against the step it should make, computed by hand."""

import math

import pytest
import torch
from torch import Tensor

from bench.catalogue.registry import choose
from bench.core.state import StepState, TrainState
from bench.errors import UsageError
from bench.records import parse_call
from bench.training.model import MultiTaskModel
from bench.training.step import training_step
from tests.conftest import make_run

LOSSES = torch.tensor([0.5, 2.0, 8.0], dtype=torch.float64)


def weights(text: str, losses: Tensor = LOSSES) -> Tensor:
    """The weights that a weighting gives three losses."""
    weighting = choose("weighting", parse_call(text)).build(["a", "b", "c"]).double()
    result: Tensor = weighting(StepState(losses, TrainState()))
    return result.detach()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uniform", [1, 1, 1]),
        ("uniform:reduction=mean", [1 / 3, 1 / 3, 1 / 3]),
        ("static", [1, 1, 1]),
        ("static:weights=0.5/0/2.5", [0.5, 0, 2.5]),
        ("uncertainty", [1, 1, 1]),
        ("uncertainty:start=1.5", [math.exp(-1.5)] * 3),
    ],
)
def test_weights_at_the_start(text: str, expected: list[float]) -> None:
    found = weights(text)
    assert found.dtype == LOSSES.dtype
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-7)  # parameters start in float32


def step(method: str, **settings: str) -> tuple[MultiTaskModel, Tensor, Tensor]:
    """A model, and the total and the losses of one batch, with gradients computed."""
    run = make_run(method, **settings)
    batch = run.data("train").take([torch.arange(32)])
    step = training_step(run.model, batch, run.module.state, run.protocol.loss_reduction == "mean")
    total, losses = step.total, step.losses
    total.backward()
    return run.model, total.detach(), losses


def trunk_gradients(method: str) -> list[list[Tensor]]:
    """Per task, the gradient of its loss alone on every parameter of the trunk."""
    run = make_run(method)
    inputs, targets = run.data("train").take([torch.arange(32)])
    outputs = run.model(inputs, run.module.state)
    trunk = list(run.model.sharing.trunk.parameters())
    return [
        list(torch.autograd.grad(task.loss(outputs[task.name], targets[task.name]), trunk, retain_graph=True))
        for task in run.model.tasks
    ]


@pytest.mark.parametrize(
    ("method", "settings", "by_hand"),
    [
        ("hard", {}, [1, 1, 1]),
        ("hard@static:weights=2/0/0.5", {}, [2, 0, 0.5]),
        ("hard@uniform:reduction=mean", {}, [1 / 3] * 3),
        ("hard", {"loss_reduction": "mean"}, [1 / 3] * 3),
        ("hard@static:weights=2/0/0.5", {"loss_reduction": "mean"}, [2 / 3, 0, 0.5 / 3]),
    ],
)
def test_the_step_is_the_weighted_sum(method: str, settings: dict[str, str], by_hand: list[float]) -> None:
    """total = w . losses; the trunk's gradient is w . its gradients, a head's is its own loss's times w_t."""
    model, total, losses = step(method, **settings)
    assert float(total) == pytest.approx(sum(w * float(loss) for w, loss in zip(by_hand, losses, strict=True)))
    single = trunk_gradients("hard")
    for n, parameter in enumerate(model.sharing.trunk.parameters()):
        mixed = sum(w * gradients[n] for w, gradients in zip(by_hand, single, strict=True))
        assert torch.allclose(parameter.grad, mixed, rtol=1e-10, atol=1e-14)
    plain, _, _ = step("hard")
    for w, name in zip(by_hand, model.heads, strict=True):
        for p, q in zip(model.heads[name].parameters(), plain.heads[name].parameters(), strict=True):
            assert torch.allclose(p.grad, w * q.grad, rtol=1e-10, atol=1e-14)


def test_separate_models_take_no_weights() -> None:
    _, total, losses = step("single_task", loss_reduction="mean")
    assert float(total) == pytest.approx(float(losses.sum()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("static:weights=1/2", "`weights` of `static` should hold 3 numbers, one per task. Found 2."),
        ("static:weights=0/0/0", "`weights` of `static` should not all be 0."),
    ],
)
def test_static_refuses_weights_that_do_not_fit(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        weights(text)
    assert str(caught.value) == message


# --- uncertainty -------------------------------------------------------------------------------


def test_uncertainty_total_and_gradient() -> None:
    """total = sum_t exp(-s) L_t + s / 2, and its derivative in s_t is 1/2 - exp(-s) L_t."""
    model, total, losses = step("hard@uncertainty:start=0.5")
    scale = math.exp(-0.5)
    assert float(total) == pytest.approx(scale * float(losses.sum()) + 3 * 0.25)
    assert torch.allclose(model.weighting.log_variance.grad, 0.5 - scale * losses, rtol=1e-10)


def test_uncertainty_settles_at_one_over_twice_the_loss() -> None:
    """Gradient descent on s with constant losses ends where the derivative is 0: exp(-s_t) = 1 / (2 L_t)."""
    weighting = choose("weighting", parse_call("uncertainty")).build(["a", "b", "c"]).double()
    optimiser = torch.optim.SGD(weighting.parameters(), lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        (weighting(StepState(LOSSES, TrainState())) @ LOSSES + weighting.regulariser()).backward()
        optimiser.step()
    assert torch.allclose(weighting(StepState(LOSSES, TrainState())), 1 / (2 * LOSSES), rtol=1e-9)
