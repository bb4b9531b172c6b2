"""Tasks by kind: closed forms of losses and scores, and nothing under a missing label matters."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.scores import primary_error, score
from suites._own.description import OwnTask
from suites._own.kinds import CURVED, MAKERS, count_loss, make_map_task, make_task

LEVELS = ("low", "middle", "high", "top")
FEATURES = (5,)
TABLE_KINDS = [kind for kind, maker in MAKERS.items() if maker is not make_map_task]  # of one label a row


def make(kind: str) -> OwnTask:
    return OwnTask.model_validate({"name": "t", "title": "t", "kind": kind, "levels": LEVELS})


def draw(kind: str, rows: int = 40) -> tuple[Tensor, Tensor]:
    """(predictions of a fresh head, targets)."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prediction = make_task(make(kind)).head(FEATURES)(torch.randn(rows, *FEATURES, generator=generator))
    if kind in ("class", "ordinal"):
        return prediction, torch.randint(0, len(LEVELS), (rows,), generator=generator)
    draws = torch.randint(0, 2 if kind == "binary" else 9, (rows, 1), generator=generator).float()
    return prediction, draws


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_missing_labels_give_what_their_absence_gives(kind: str) -> None:
    prediction, target = draw(kind)
    task, keep = make_task(make(kind)), torch.arange(len(target)) % 3 > 0
    holes = target.clone()
    if kind in ("class", "ordinal"):
        holes[~keep] = -1
    else:
        holes[~keep] = math.nan
    prediction = prediction.detach().requires_grad_()
    loss = task.loss(prediction, holes)
    assert loss.item() == pytest.approx(task.loss(prediction[keep], target[keep]).item(), rel=1e-6)
    [gradient] = torch.autograd.grad(loss, prediction)
    assert gradient[~keep].abs().max() == 0
    assert gradient[keep].abs().sum() > 0


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_a_batch_without_labels_says_nothing(kind: str) -> None:
    prediction, target = draw(kind)
    none = torch.full_like(target, math.nan) if target.is_floating_point() else torch.full_like(target, -1)
    prediction = prediction.detach().requires_grad_()
    loss = make_task(make(kind)).loss(prediction, none)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, prediction)[0].abs().max() == 0


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_statistics_add_up_and_are_scored(kind: str) -> None:
    prediction, target = draw(kind)
    task = make_task(make(kind))
    whole, pieces = task.metric(), task.metric()
    whole.update(prediction.detach(), target)
    for piece in (slice(0, 7), slice(7, None)):
        pieces.update(prediction.detach()[piece], target[piece])
    error = primary_error(whole.kind, whole.state())
    assert error > 0
    assert error == pytest.approx(primary_error(whole.kind, pieces.state()))


def test_ordinal_starts_with_levels_equally_likely_and_counts_the_distance() -> None:
    head = make_task(make("ordinal")).head(FEATURES)
    above = torch.sigmoid(head(torch.zeros(1, *FEATURES)))
    torch.testing.assert_close(above, torch.tensor([[0.75, 0.5, 0.25]]))
    metric = make_task(make("ordinal")).metric()
    logits = torch.tensor([[1.0, 1, 1], [1, 1, -1], [-1, -1, -1], [1, -1, -1]])  # levels 3, 2, 0, 1
    metric.update(logits, torch.tensor([3, 0, 1, -1]))
    assert score("ordinal", metric.state()) == {"level_error": 1.0, "accuracy": pytest.approx(100 / 3)}
    perfect = make_task(make("ordinal")).metric()
    perfect.update(logits[:1], torch.tensor([3]))
    assert primary_error("ordinal", perfect.state()) == 0.5


def test_deviance_is_that_of_a_poisson_model_and_zero_at_the_counts() -> None:
    from sklearn.metrics import mean_poisson_deviance

    generator = np.random.default_rng(0)
    y, z = generator.poisson(3, 50).astype(float), generator.standard_normal(50)
    metric = make_task(make("count")).metric()
    labels = torch.tensor([*y, math.nan])[:, None]
    metric.update(torch.tensor([*z, 9.0])[:, None], labels)
    assert metric.state()["count"] == 50
    assert score("counts", metric.state())["deviance"] == pytest.approx(mean_poisson_deviance(y, np.exp(z)))
    exact = make_task(make("count")).metric()
    exact.update(torch.tensor([[3.0]]).log(), torch.tensor([[3.0]]))
    assert score("counts", exact.state())["deviance"] == pytest.approx(0, abs=1e-6)


def test_poisson_loss_is_convex_smooth_and_never_overflows() -> None:
    z = torch.tensor([CURVED - 1e-4, CURVED + 1e-4, 1e6], dtype=torch.float64, requires_grad=True)
    zero = torch.zeros(1, dtype=torch.float64)
    slopes = [float(torch.autograd.grad(count_loss(each[None], zero), z)[0].sum()) for each in z]
    assert slopes[0] == pytest.approx(math.exp(CURVED), rel=1e-3)
    assert slopes[1] == pytest.approx(slopes[0], rel=1e-3)
    assert math.isfinite(slopes[2])
    y, w = torch.tensor([[2.0]]), torch.tensor([[0.3]])
    assert count_loss(w, y).item() == pytest.approx(math.exp(0.3) - 2 * 0.3)
