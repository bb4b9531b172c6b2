"""linear_synthetic: what the truths are, and that data is what the suite says."""

import numpy as np
import pytest
import torch

from bench.catalogue.registry import choose
from bench.core.constraint import Coupled
from bench.linear.choose import path
from bench.linear.family import PenaltyFamily
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from bench.planning.plan import parse_suite
from bench.records import parse_call
from suites.linear_synthetic.truths import DEVIATION, FORMS, VARIANCE, draw_weights

TASKS = 20


@pytest.mark.parametrize("truth", FORMS)
def test_weights_have_the_size_that_is_said(truth: str) -> None:
    drawn = np.stack([draw_weights(truth, TASKS, seed) for seed in range(400)])
    assert drawn.shape == (400, 30, TASKS)
    assert (drawn**2).mean() == pytest.approx(VARIANCE, rel=0.06)
    assert np.array_equal(draw_weights(truth, TASKS, 3), drawn[3])
    assert not np.array_equal(drawn[3], drawn[4])


def test_weights_are_related_as_is_said() -> None:
    W = {truth: draw_weights(truth, TASKS, 0) for truth in FORMS}
    assert sorted((W["sparse"] != 0).sum(axis=1)) == [0] * 24 + [TASKS] * 6
    assert np.linalg.matrix_rank(W["low_rank"]) == 2
    values = np.linalg.svd(W["outliers"], compute_uv=False)
    assert np.linalg.matrix_rank(W["outliers"]) == 2 + 4
    assert values[1] > values[6] == pytest.approx(0, abs=1e-9)
    many = np.stack([draw_weights("mean", TASKS, seed) for seed in range(300)])
    deviations = many - many.mean(axis=2, keepdims=True)
    assert (deviations**2).mean() == pytest.approx(DEVIATION * (TASKS - 1) / TASKS, rel=0.05)
    centres = W["clustered"]
    distances = ((centres[:, :, None] - centres[:, None]) ** 2).sum(axis=0)
    assert sorted((distances < 3).sum(axis=0)) == [6] * 6 + [7] * 14  # itself and the others of its centre
    ring = np.stack([draw_weights("graph", TASKS, seed) for seed in range(300)])
    covariance = np.einsum("sdt,sdu->tu", ring, ring) / (300 * 30)
    near, far = np.diag(np.roll(covariance, -1, axis=1)).mean(), np.diag(np.roll(covariance, -10, axis=1)).mean()
    assert near > 0.7 * VARIANCE
    assert far < 0.4 * near
    plain = np.stack([draw_weights("unrelated", TASKS, seed) for seed in range(300)])
    assert np.abs(np.einsum("sdt,sdu->tu", plain, plain) / 9000 - VARIANCE * np.eye(TASKS)).max() < 0.02


def test_rows_are_linear_with_the_noise_that_is_said() -> None:
    _, suite = parse_suite("linear_synthetic:noise=0.5,train=2000,truth=low_rank")
    data, W = suite.dataset("train", 1), suite.known_weights(1)
    assert W is not None
    residuals = [
        data.targets[t.name][:, 0].double() - data.inputs[t.name].double() @ W[:, k] for k, t in enumerate(suite.tasks)
    ]
    assert float(torch.cat(residuals).std()) == pytest.approx(0.5, rel=0.02)
    assert suite.dataset("train", 1).inputs["task00"] is data.inputs["task00"]
    assert not torch.equal(suite.dataset("train", 2).inputs["task00"], data.inputs["task00"])
    assert suite.checksums() != parse_suite("linear_synthetic:noise=0.5,train=2000,truth=sparse")[1].checksums()


def test_the_best_strength_around_a_mean_is_that_of_bayes() -> None:
    """w_t = w_0 + v_t, v ~ N(0, tau^2), noise sigma^2: sigma^2 / (2 tau^2), within a factor of 2."""
    bayes = 1.0 / (2 * DEVIATION)
    strengths = [bayes * 10 ** (k / 8) for k in range(12, -13, -1)]
    total = np.zeros(len(strengths))
    for seed in range(5):
        _, suite = parse_suite("linear_synthetic")
        names = [task.name for task in suite.tasks]
        train, test = suite.dataset("train", seed), suite.dataset("test", seed)
        rows = TaskRows(
            [train.inputs[t].double() for t in names], [train.targets[t][:, 0].double() for t in names], names
        )
        loss = Squared(rows, 0.0)
        family = PenaltyFamily(choose("constraint", parse_call("l2")), Coupled((1, 30), TASKS, 1.0))
        for at, (objective, found) in enumerate(path(loss, family, {}, strengths, 1e-6)):
            weights, intercepts = loss.model(objective.whole(found.W))
            total[at] += sum(
                float((test.targets[t][:, 0] - test.inputs[t].double() @ weights[:, k] - intercepts[k]).square().sum())
                for k, t in enumerate(names)
            )
    best = strengths[int(np.argmin(total))]
    assert bayes / 2 < best < 2 * bayes
