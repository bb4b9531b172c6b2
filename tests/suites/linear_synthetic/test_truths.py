"""Weights of related tasks have the size and the relation that are said."""

import numpy as np
import pytest

from suites.linear_synthetic.truths import DEVIATION, FORMS, VARIANCE, draw_weights

TASKS = 20

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
