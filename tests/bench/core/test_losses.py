"""Losses over what is labelled: equal to the plain loss of the labelled part, blind to what lies under a mask."""

import math

import pytest
import torch
from torch import Tensor

from bench.api import bce_loss, cross_entropy_loss, huber_loss, l1_loss, mse_loss, poisson_loss
from bench.core.losses import MaskedLoss, compute_loss
from bench.core.missing import mark_missing

ROWS, CLASSES = 9, 4


def draw(kind: str) -> tuple[Tensor, Tensor]:
    """Predictions and complete targets of a kind of loss, float64."""
    torch.manual_seed(5)
    z = torch.randn(ROWS, 3, dtype=torch.float64)
    return {
        "real": (z, torch.randn(ROWS, 3, dtype=torch.float64)),
        "class": (torch.randn(ROWS, CLASSES, dtype=torch.float64), torch.randint(CLASSES, (ROWS,))),
        "binary": (z, torch.randint(2, (ROWS, 3))),
        "count": (z, torch.randint(9, (ROWS, 3))),
    }[kind]


LOSSES = {
    "mse": (mse_loss, "real"),
    "l1": (l1_loss, "real"),
    "huber": (huber_loss, "real"),
    "cross entropy": (cross_entropy_loss, "class"),
    "bce": (bce_loss, "binary"),
    "poisson": (poisson_loss, "count"),
}


@pytest.fixture(params=LOSSES)
def case(request: pytest.FixtureRequest) -> tuple[MaskedLoss, Tensor, Tensor, Tensor]:
    """A loss, predictions that learn, complete targets, and a mask of them with a row that has none."""
    loss, kind = LOSSES[request.param]
    prediction, target = draw(kind)
    labelled = torch.rand(target.shape, generator=torch.Generator().manual_seed(1)) < 0.6
    labelled[2] = False
    return loss, prediction.requires_grad_(), target, labelled


def test_the_masked_form_is_the_plain_one_where_every_label_is_there(case) -> None:  # type: ignore[no-untyped-def]
    loss, prediction, target, _ = case
    assert loss(prediction, target).item() == pytest.approx(loss.complete(prediction, target).item(), rel=1e-14)


def test_the_mean_is_over_the_labels_and_nothing_else_is_seen(case) -> None:  # type: ignore[no-untyped-def]
    loss, prediction, target, labelled = case
    got = loss(prediction, mark_missing(target, labelled))
    [slope] = torch.autograd.grad(got, prediction)
    # The plain loss of the labelled elements alone, gathered.
    whole = loss.complete(prediction[labelled], target[labelled])
    [wanted] = torch.autograd.grad(whole, prediction)
    assert got.item() == pytest.approx(whole.item(), rel=1e-12)
    assert torch.allclose(slope, wanted, rtol=1e-12, atol=0)
    assert not slope[~labelled].any()


def test_predictions_without_a_label_may_be_anything(case) -> None:  # type: ignore[no-untyped-def]
    loss, prediction, target, labelled = case
    missing, seen = mark_missing(target, labelled), prediction.detach().clone()
    if seen.shape == target.shape:
        seen[~labelled] = math.inf
    [slope] = torch.autograd.grad(loss(seen.requires_grad_(), missing), seen)
    assert bool(slope.isfinite().all())


def test_without_any_label_loss_and_gradient_are_zero(case) -> None:  # type: ignore[no-untyped-def]
    loss, prediction, target, _ = case
    nothing = mark_missing(target, torch.zeros(ROWS, dtype=torch.bool))
    for each in (loss, lambda z, y: (z.sum() - y.sum()).square()):
        got = compute_loss(each, prediction, nothing, True)
        [slope] = torch.autograd.grad(got, prediction)
        assert got.item() == 0
        assert torch.equal(slope, torch.zeros_like(slope))


def test_a_loss_that_knows_nothing_is_given_the_labelled_rows() -> None:
    prediction, target = draw("real")
    target[3:6] = float("nan")
    kept = [0, 1, 2, 6, 7, 8]
    seen: list[Tensor] = []

    def loss(z: Tensor, y: Tensor) -> Tensor:
        seen.append(y)
        return (z - y).square().mean()

    assert torch.equal(compute_loss(loss, prediction, target, True), loss(prediction[kept], target[kept]))
    assert torch.equal(seen[0], target[kept])
    assert compute_loss(loss, prediction, target, False).isnan()  # as it is, where no label is said to be missing


def test_it_runs_over_a_stack_of_models(case) -> None:  # type: ignore[no-untyped-def]
    loss, prediction, target, labelled = case
    missing = torch.stack([mark_missing(target, labelled), mark_missing(target, ~labelled)])
    stacked = torch.func.vmap(loss)(torch.stack([prediction, prediction]), missing)
    assert torch.allclose(stacked, torch.stack([loss(prediction, each) for each in missing]), rtol=1e-14, atol=0)
