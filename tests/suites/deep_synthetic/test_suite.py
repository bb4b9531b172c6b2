"""The deep suite: its truth is known, so what its card says of it can be measured."""

import numpy as np
import pytest
import torch

from suites.deep_synthetic.suite import DIMENSION, FEATURES, DeepSynthetic, HiddenFeatures


def spanned(functions: HiddenFeatures) -> int:
    """How many dimensions the directions of all tasks have together, in the tensor space of their feature index."""
    tasks = functions.directions.shape[0]
    return int(np.linalg.matrix_rank(functions.directions.reshape(tasks, -1)))


def test_features_are_common_or_the_tasks_own() -> None:
    assert spanned(HiddenFeatures.draw(0, 8, "shared")) == 1
    assert spanned(HiddenFeatures.draw(0, 8, "own")) == 8
    first, second = (HiddenFeatures.draw(seed, 8, "shared").directions for seed in (0, 1))
    assert np.abs(first - second).max() > 0.1


def test_labels_follow_the_stated_formula() -> None:
    functions = DeepSynthetic(truth="own").truth(3)
    x = np.random.default_rng(0).normal(size=(4, DIMENSION))
    # s^2 = E tanh(2 z)^2 by plain Monte Carlo: an independent way to the quadrature.
    s = np.sqrt((np.tanh(2 * np.random.default_rng(1).normal(size=4_000_000)) ** 2).mean())
    for t in range(8):
        for row in range(4):
            phi = [np.tanh(2 * float(functions.directions[t, k] @ x[row])) for k in range(FEATURES)]
            by_hand = sum(float(a) * value for a, value in zip(functions.weights[t], phi, strict=True)) / s
            assert functions.labels(x, t)[row] == pytest.approx(by_hand, rel=1e-3)
    np.testing.assert_allclose(np.linalg.norm(functions.weights, axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(functions.directions, axis=-1), 1, rtol=1e-12)


def test_labels_have_variance_one_and_noise_is_the_bayes_error() -> None:
    suite = DeepSynthetic(noise=0.5, train=20_000, tasks=2)
    variances, residuals = [], []
    for seed in range(20):
        functions, data = suite.truth(seed), suite.dataset("train", seed)
        for t, name in enumerate(suite.names):
            labels = functions.labels(data.inputs[name].double().numpy(), t)
            variances.append(labels.var())
            residuals.append((data.targets[name].double().numpy()[:, 0] - labels).std())
    assert np.mean(variances) == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(residuals, 0.5, rtol=0.02)
    assert suite.bayes_rmse == 0.5


@pytest.mark.parametrize(("tasks", "train"), [(2, 16), (8, 100), (64, 20)])
def test_every_task_has_rows_of_its_own(tasks: int, train: int) -> None:
    suite = DeepSynthetic(tasks=tasks, train=train)
    assert suite.protocol.splits == {"train": train * tasks, "val": 500 * tasks, "test": 1000 * tasks}
    assert suite.protocol.batch_size == 16 * tasks
    data = suite.dataset("train", 0)
    assert data.rows == train * tasks
    first, second = data.inputs[suite.names[0]], data.inputs[suite.names[1]]
    assert first.shape == (train, DIMENSION)
    assert not torch.isclose(first, second).any()


def test_splits_seeds_and_sealed_rows_are_apart() -> None:
    suite = DeepSynthetic()
    drawn = [suite.dataset("train", 0), suite.dataset("val", 0), suite.dataset("train", 1), suite.sealed(0, 5)]
    for one, other in [(0, 1), (0, 2), (0, 3), (1, 3)]:
        assert not torch.isclose(drawn[one].inputs["task00"][:50], drawn[other].inputs["task00"][:50]).any()
    assert torch.equal(suite.dataset("train", 0).inputs["task03"], DeepSynthetic().dataset("train", 0).inputs["task03"])
    assert suite.checksums() != DeepSynthetic(truth="own").checksums()
