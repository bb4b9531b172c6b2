"""Losses and statistics of dense tasks against slow references."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.scores import ANGLE_BIN, primary_error, score, unpack_histogram
from suites._shared.dense.classes import CLASSES
from suites._shared.dense.tasks import Depth, Normals, Segmentation, depth_loss, normals_loss, segmentation_loss

C = len(CLASSES)


def segmentation_cases() -> dict[str, tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(5, C, 6, 8, generator=g)
    label = torch.randint(-1, C, (5, 6, 8), generator=g)
    absent = torch.where(label == 3, torch.tensor(4), label)
    return {
        "mixed": (logits, label),
        "all invalid": (logits, torch.full_like(label, -1)),
        "one class": (logits, torch.full_like(label, 7)),
        "absent class": (logits, absent),
        "batch of 1": (logits[:1], label[:1]),
    }


def depth_cases() -> dict[str, tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(1)
    truth = 0.5 + 9 * torch.rand(5, 1, 6, 8, generator=g)
    holes = truth * (torch.rand(truth.shape, generator=g) > 0.3)
    guess = truth + torch.randn(truth.shape, generator=g)
    return {
        "complete": (guess, truth),
        "zero depth": (guess, holes),
        "all invalid": (guess, torch.zeros_like(truth)),
        "batch of 1": (guess[:1], holes[:1]),
        "perfect": (truth, truth),
    }


def normals_cases() -> dict[str, tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(2)
    truth = torch.nn.functional.normalize(torch.randn(5, 3, 6, 8, generator=g), dim=1)
    holes = truth * (torch.rand(5, 1, 6, 8, generator=g) > 0.3)
    guess = 3 * (truth + 0.4 * torch.randn(truth.shape, generator=g))
    return {
        "complete": (guess, truth),
        "holes": (guess, holes),
        "all invalid": (guess, torch.zeros_like(truth)),
        "opposite": (-2 * truth, truth),
        "same": (5 * truth, truth),
        "batch of 1": (guess[:1], holes[:1]),
    }


@pytest.mark.parametrize("case", segmentation_cases())
def test_segmentation_loss_is_the_mean_over_labelled_pixels(case: str) -> None:
    logits, label = segmentation_cases()[case]
    x, y = logits.double().numpy(), label.numpy()
    losses = []
    for n, r, c in np.argwhere(y >= 0):
        column = x[n, :, r, c]
        losses.append(math.log(np.exp(column - column.max()).sum()) + column.max() - column[y[n, r, c]])
    expected = float(np.mean(losses)) if losses else 0.0
    assert float(segmentation_loss(logits.double(), label)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", depth_cases())
def test_depth_loss_is_the_mean_over_measured_pixels(case: str) -> None:
    guess, truth = depth_cases()[case]
    errors = [abs(float(a) - float(b)) for a, b in zip(guess.flatten(), truth.flatten(), strict=True) if b > 0]
    assert float(depth_loss(guess.double(), truth.double())) == pytest.approx(
        np.mean(errors) if errors else 0, abs=1e-6
    )


@pytest.mark.parametrize("case", normals_cases())
def test_normals_loss_is_one_minus_the_mean_cosine(case: str) -> None:
    guess, truth = normals_cases()[case]
    a, b = (x.double().movedim(1, -1).reshape(-1, 3).numpy() for x in (guess, truth))
    cosines = [p @ t / np.linalg.norm(p) for p, t in zip(a, b, strict=True) if t.any()]
    expected = 1 - np.mean(cosines) if cosines else 0.0
    assert float(normals_loss(guess.double(), truth.double())) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("loss", "cases"),
    [(segmentation_loss, segmentation_cases()), (depth_loss, depth_cases()), (normals_loss, normals_cases())],
)
def test_pixels_without_truth_get_no_gradient(loss, cases) -> None:  # type: ignore[no-untyped-def]
    for prediction, target in cases.values():
        guess = prediction.clone().requires_grad_()
        loss(guess, target).backward()
        invalid = (target < 0).unsqueeze(1) if loss is segmentation_loss else (target == 0).all(dim=1, keepdim=True)
        assert guess.grad is not None
        assert torch.isfinite(guess.grad).all()
        assert (guess.grad * invalid == 0).all()


def accumulated(metric, prediction: Tensor, target: Tensor, size: int):  # type: ignore[no-untyped-def]
    for start in range(0, len(target), size):
        metric.update(prediction[start : start + size], target[start : start + size])
    return metric.state()


@pytest.mark.parametrize("case", segmentation_cases())
def test_segmentation_scores(case: str) -> None:
    logits, label = segmentation_cases()[case]
    state = accumulated(Segmentation(), logits, label, 2)
    assert state == accumulated(Segmentation(), logits, label, 5)
    guess, truth = logits.argmax(dim=1).numpy(), label.numpy()
    guess, truth = guess[truth >= 0], truth[truth >= 0]
    if not truth.size:
        with pytest.raises(ValueError, match="at least one row"):
            score("segmentation", state)
        return
    overlaps = [
        ((guess == c) & (truth == c)).sum() / ((guess == c) | (truth == c)).sum()
        for c in range(C)
        if (truth == c).any()
    ]
    found = score("segmentation", state)
    assert found["miou"] == pytest.approx(100 * np.mean(overlaps), abs=1e-6)
    assert found["pixel_accuracy"] == pytest.approx(100 * (guess == truth).mean(), abs=1e-6)
    assert primary_error("segmentation", state) == pytest.approx(1 - np.mean(overlaps), abs=1e-6)


@pytest.mark.parametrize("case", depth_cases())
def test_depth_scores(case: str) -> None:
    guess, truth = (x.double() for x in depth_cases()[case])
    state = accumulated(Depth(), guess, truth, 2)
    a, b = guess.numpy().ravel(), truth.numpy().ravel()
    a, b = a[b > 0], b[b > 0]
    if not b.size:
        with pytest.raises(ValueError, match="at least 1"):
            score("depth", state)
        return
    found = score("depth", state)
    assert found["abs_err"] == pytest.approx(np.abs(a - b).mean(), abs=1e-6)
    assert found["rel_err"] == pytest.approx((np.abs(a - b) / b).mean(), abs=1e-6)
    assert score("depth", accumulated(Depth(), guess, truth, 5)) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("case", normals_cases())
def test_normals_scores(case: str) -> None:
    guess, truth = (x.double() for x in normals_cases()[case])
    state = accumulated(Normals(), guess, truth, 2)
    assert state["histogram"] == accumulated(Normals(), guess, truth, 5)["histogram"]
    a, b = (x.movedim(1, -1).reshape(-1, 3).numpy() for x in (guess, truth))
    a, b = a[b.any(axis=1)], b[b.any(axis=1)]
    if not len(b):
        with pytest.raises(ValueError, match="at least 1"):
            score("normals", state)
        return
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    angles = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    found = score("normals", state)
    assert found["mean_angle"] == pytest.approx(angles.mean(), abs=1e-5)  # of the arccosine's own precision
    assert found["median_angle"] == pytest.approx(np.median(angles), abs=ANGLE_BIN / 2 + 1e-6)
    for limit in (11.25, 22.5, 30):
        assert found[f"within_{limit:g}"] == pytest.approx(100 * (angles < limit).mean(), abs=1e-6)


def test_a_histogram_that_is_not_one_is_refused() -> None:
    guess, truth = normals_cases()["complete"]
    state = accumulated(Normals(), guess, truth, 5)
    assert unpack_histogram(state["histogram"]).sum() == state["count"] == 5 * 48
    for broken in ("", "AAAA", state["histogram"][:-8], 7):
        with pytest.raises(ValueError, match="histogram"):
            score("normals", {**state, "histogram": broken})
    with pytest.raises(ValueError, match="count"):
        score("normals", {**state, "count": 3})


def test_no_direction_at_all_is_a_right_angle_away() -> None:
    """As the loss has it: a dead head must not score as a perfect one."""
    metric, truth = Normals(), torch.zeros(1, 3, 2, 2)
    truth[:, 2] = -1.0
    metric.update(torch.zeros(1, 3, 2, 2), truth)
    assert score("normals", metric.state())["mean_angle"] == 90.0
