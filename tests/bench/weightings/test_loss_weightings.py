"""Weightings of losses against their formulas in numpy, and FAMO's second look."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.catalogue.registry import choose
from bench.core.state import StepState, TrainState
from bench.core.weighting import Weighting
from bench.loop.replay import Replay
from bench.records import parse_call
from bench.training.gradients import compute_losses
from tests.conftest import make_run, train_run

L = np.array([0.5, 2.0, 8.0])


def build(text: str) -> Weighting:
    weighting: Weighting = choose("weighting", parse_call(text)).build(["a", "b", "c"]).double()
    return weighting


def ask(weighting: Weighting, losses: Any, step: int = 0, per_epoch: int = 1) -> np.ndarray:
    """The weights at a step."""
    state = TrainState(step, 100, "train", torch.Generator().manual_seed(step), per_epoch)
    found: np.ndarray = weighting(StepState(torch.as_tensor(losses, dtype=torch.float64), state)).detach().numpy()
    return found


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    found: np.ndarray = e / e.sum()
    return found


def test_geometric_mean() -> None:
    assert np.allclose(ask(build("gls"), L), np.prod(L) ** (1 / 3) / L)
    scaled = ask(build("gls"), L * np.array([1, 10, 1])) * np.array([1, 10, 1])
    assert np.allclose(scaled / scaled.sum(), ask(build("gls"), L) / ask(build("gls"), L).sum())  # units do not matter


@pytest.mark.parametrize("mu", [0.3, 1.0, 50.0])
def test_smooth_maximum(mu: float) -> None:
    assert np.allclose(ask(build(f"stch:mu={mu}"), L), 3 * softmax(L / (3 * mu)))


def test_random_weights_are_a_softmax_of_normals() -> None:
    drawn = np.stack([ask(build("rlw"), L, step) for step in range(2000)])
    assert np.allclose(drawn.sum(axis=1), 3)
    reference = 3 * np.apply_along_axis(softmax, 1, np.random.default_rng(0).standard_normal((200_000, 3)))
    assert np.allclose(drawn.mean(axis=0), 1, atol=0.06)
    assert np.allclose(np.quantile(drawn, [0.1, 0.5, 0.9]), np.quantile(reference, [0.1, 0.5, 0.9]), atol=0.06)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_dynamic_average_follows_the_last_two_epochs(temperature: float) -> None:
    weighting = build(f"dwa:temperature={temperature}")
    generator = np.random.default_rng(0)
    epochs = generator.uniform(0.5, 2.0, (4, 5, 3))
    for e, epoch in enumerate(epochs):
        for k, losses in enumerate(epoch):
            found = ask(weighting, losses, 5 * e + k, per_epoch=5)
            rates = epochs[e - 1].mean(axis=0) / epochs[e - 2].mean(axis=0) if e > 1 else np.ones(3)
            assert np.allclose(found, 3 * softmax(rates / temperature))


def test_learned_scales_settle_at_one_over_the_loss() -> None:
    weighting = build("imtl_l")
    assert np.allclose(ask(weighting, L), 1)
    losses = torch.from_numpy(L)
    optimiser = torch.optim.SGD(weighting.parameters(), lr=0.1)
    for step in range(300):
        optimiser.zero_grad()
        weights = weighting(StepState(losses, TrainState()))
        total = weights @ losses + weighting.regulariser()
        if step == 0:
            assert float(total.detach()) == pytest.approx(L.sum())
        total.backward()
        optimiser.step()
    assert np.allclose(ask(weighting, L), 1 / L, rtol=1e-6)


def test_famo_is_its_algorithm() -> None:
    """Softmax, normalised log losses, and Adam on the logits, over a few steps in numpy."""
    weighting = build("famo:decay=0.01,rate=0.05")
    xi, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    generator = np.random.default_rng(0)
    before = L.copy()
    for step in range(1, 6):
        z = softmax(xi)
        c = 3 / (z / before).sum()  # weights sum to T
        assert np.allclose(ask(weighting, before, step), c * z / before, rtol=1e-6)
        after = before * generator.uniform(0.6, 1.1, 3)
        weighting.observe(torch.from_numpy(after))
        delta = np.log(before) - np.log(after)
        slope = (np.diag(z) - np.outer(z, z)) @ delta + 0.01 * xi
        m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
        xi = xi - 0.05 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        before = after


def test_the_second_look_sees_the_same_batch_after_the_step_and_leaves_no_trace() -> None:
    run = make_run("hard@famo", epochs="1", steps_per_epoch="3")
    dropout, norm = torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(64)
    run.model.sharing.trunk[0].extend([norm.double(), dropout])
    rows = run.data("train")
    batch = rows.take([torch.arange(16)])
    state = run.module.state
    state.generator = torch.Generator().manual_seed(1)
    replay = Replay(run.model, state.generator)
    first = torch.stack(compute_losses(run.model, batch, state)).detach()
    torch.rand(3, generator=run.module.state.generator)
    statistics, stream = norm.running_mean.clone(), torch.get_rng_state()
    own = run.module.state.generator.get_state()
    assert torch.allclose(
        replay.compute(lambda: compute_losses(run.model, batch, state)), first
    )  # nothing has moved: dropout and normalisation repeat
    assert torch.equal(norm.running_mean, statistics)
    assert torch.equal(torch.get_rng_state(), stream)
    assert torch.equal(run.module.state.generator.get_state(), own)
    with torch.no_grad():
        next(run.model.heads.parameters()).add_(1.0)
    assert not torch.allclose(replay.compute(lambda: compute_losses(run.model, batch, state)), first)


def test_famo_observes_every_step_of_a_run() -> None:
    run = make_run("hard@famo", epochs="1", steps_per_epoch="4")
    seen: list[tuple[Tensor, Tensor]] = []
    plain = run.model.weighting.observe

    def observe(losses: Tensor) -> None:
        seen.append((run.model.weighting.scalarisation._prev_losses.clone(), losses.clone()))
        plain(losses)

    run.model.weighting.observe = observe  # type: ignore[method-assign]
    train_run(run)
    assert len(seen) == 4
    assert all(bool((after.sum() < before.sum()).all()) for before, after in seen)  # the step descends its own batch


def test_weights_of_a_whole_loss_reach_heads_too() -> None:
    run, plain = make_run("hard@gls"), make_run("hard")
    batch = run.data("train").take([torch.arange(32)])
    from bench.training.step import training_step

    losses = training_step(plain.model, batch, plain.module.state)
    losses.backward()
    training_step(run.model, batch, run.module.state).backward()
    weights = losses.losses.prod() ** (1 / 3) / losses.losses
    for w, name in zip(weights, run.model.heads, strict=True):
        for p, q in zip(run.model.heads[name].parameters(), plain.model.heads[name].parameters(), strict=True):
            assert torch.allclose(p.grad, w * q.grad, rtol=1e-9)
    assert math.isfinite(float(weights.sum()))
