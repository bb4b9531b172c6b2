"""The synthetic suite: the truth is known, so its dials can be measured."""

import itertools

import numpy as np
import pytest
import torch

from bench.core.data import Dataset, Order
from suites.synthetic.suite import Synthetic, Truth, _draw


def cosines(relatedness: float, tasks: int = 10, seeds: int = 100) -> np.ndarray:
    """Of the true weights of every pair of tasks, over many problems."""
    found = []
    for seed in range(seeds):
        weights = Truth.draw(seed, tasks, relatedness).weights
        units = weights / np.linalg.norm(weights, axis=1, keepdims=True)
        found += [float(units[s] @ units[t]) for s, t in itertools.combinations(range(tasks), 2)]
    return np.array(found)


def test_relatedness_is_the_expected_cosine() -> None:
    for relatedness in (0.0, 0.25, 0.5, 0.8, 0.95):
        assert cosines(relatedness).mean() == pytest.approx(relatedness, abs=0.02)


def test_related_tasks_are_one_function_and_unrelated_ones_are_not() -> None:
    np.testing.assert_allclose(cosines(1.0), 1.0, atol=1e-12)
    assert np.abs(cosines(0.0)).max() < 0.9
    x = np.random.default_rng(0).normal(size=(5, 20))
    same = Synthetic(tasks=3, relatedness=1.0).truth(0)
    np.testing.assert_allclose(same.labels(x, 0), same.labels(x, 2), atol=1e-12)
    apart = Synthetic(tasks=3, relatedness=0.0).truth(0)
    assert np.abs(apart.labels(x, 0) - apart.labels(x, 2)).max() > 0.5


def test_labels_follow_the_stated_formula() -> None:
    truth = Synthetic(tasks=2).truth(3)
    x = np.random.default_rng(0).normal(size=(4, 20))
    for t, row in itertools.product(range(2), range(4)):
        z = sum(float(w * v) for w, v in zip(truth.weights[t], x[row], strict=True))
        by_hand = z + sum(np.sin(a * z + b) for a, b in zip(truth.frequency, truth.shift, strict=True))
        assert truth.labels(x, t)[row] == pytest.approx(by_hand, rel=1e-12)
    assert len(truth.frequency) == 5


@pytest.mark.parametrize("inputs", ["shared", "own"])
@pytest.mark.parametrize("noise", [0.05, 0.2, 1.0])
def test_noise_is_the_bayes_error(inputs: str, noise: float) -> None:
    """The residual of the truth has the stated deviation on every split, and looks like noise."""
    suite = Synthetic(tasks=4, noise=noise, inputs=inputs, train=2000)
    truth = suite.truth(7)
    residuals = {}
    for split in ("train", "test"):
        data = suite.dataset(split, seed=7)
        for t, name in enumerate(suite.names):
            labels = truth.labels(data.inputs[name].double().numpy(), t)
            residuals[split, name] = data.targets[name].double().numpy()[:, 0] - labels
    together = np.stack(list(residuals.values()))
    assert np.sqrt((together**2).mean()) == pytest.approx(noise, rel=0.03)
    np.testing.assert_allclose(np.sqrt((together**2).mean(axis=1)), noise, rtol=0.08)  # 2000 rows: 1.6 % deviation
    off_diagonal = np.corrcoef(together)[np.triu_indices(8, 1)]
    assert np.abs(off_diagonal).max() < 0.1
    assert suite.bayes_rmse == noise


@pytest.mark.parametrize("tasks", [1, 2, 100])
@pytest.mark.parametrize("inputs", ["shared", "own"])
def test_shapes_and_protocol(tasks: int, inputs: str) -> None:
    suite = Synthetic(tasks=tasks, inputs=inputs, train=100)
    groups = tasks if inputs == "own" else 1
    assert [task.name for task in suite.tasks] == [f"task{t:02d}" for t in range(tasks)]
    assert suite.own_inputs == (inputs == "own" and tasks > 1)
    assert suite.protocol.splits == {"train": 100 * groups, "val": 500 * groups, "test": 2000 * groups}
    assert suite.protocol.batch_size == 64 * groups
    assert suite.protocol.metrics == dict.fromkeys(suite.names, "regression")
    for split, rows in suite.protocol.splits.items():
        data = suite.dataset(split, 0)
        assert data.rows == rows
        assert len(data.groups) == groups
        for name in suite.names:
            assert data.inputs[name].shape == (rows // groups, 20)
            assert data.targets[name].shape == (rows // groups, 1)
            assert data.inputs[name].dtype == data.targets[name].dtype == torch.float32
    shares = Order(suite.dataset("train", 0), suite.protocol.batch_size, 0).shares
    assert shares == [64] * groups  # 64 rows for every task


def tensors(data: Dataset) -> list[torch.Tensor]:
    """Inputs and targets of every task."""
    return [*data.inputs.values(), *data.targets.values()]


@pytest.mark.parametrize("inputs", ["shared", "own"])
def test_data_is_a_function_of_the_seed(inputs: str) -> None:
    suite = Synthetic(tasks=3, inputs=inputs)
    first = tensors(suite.dataset("train", 5))
    _draw.cache_clear()
    torch.manual_seed(1)
    np.random.seed(1)  # the global streams play no part
    assert all(torch.equal(a, b) for a, b in zip(first, tensors(suite.dataset("train", 5)), strict=True))
    other = tensors(suite.dataset("train", 6))
    assert all(not torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("inputs", ["shared", "own"])
def test_splits_are_independent_draws(inputs: str) -> None:
    suite = Synthetic(tasks=3, inputs=inputs)
    rows: list[tuple[float, ...]] = []
    for split in ("train", "val", "test"):
        for x, _ in suite.dataset(split, 0).groups:
            rows += map(tuple, x.tolist())
    assert len(rows) == (3 if inputs == "own" else 1) * (400 + 500 + 2000)
    assert len(set(rows)) == len(rows)  # no row in two splits, or in two tasks


def test_checksums_move_with_every_option() -> None:
    options = [
        {},
        {"tasks": 5},
        {"relatedness": 0.7},
        {"noise": 0.3},
        {"inputs": "own"},
        {"train": 401},
    ]
    assert len({tuple(Synthetic(**option).checksums().values()) for option in options}) == len(options)  # type: ignore[arg-type]
    assert Synthetic().checksums() == Synthetic().checksums()
