"""Boolean mechanisms against their formulas, pattern by pattern, and the harness against a program of its own."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from bench.catalogue.method import Method
from bench.records import derive_seed
from bench.training.batches import Batches
from bench.training.model import MultiTaskModel
from bench.training.module import MultiTaskModule
from suites.mechanisms.boolean import Blocking, Parity
from suites.mechanisms.suite import Mechanisms

PATTERNS = list(itertools.product([False, True], repeat=8))
FORMULAS: dict[str, list[Callable[[bool, bool], bool]]] = {
    "parity": [lambda b, p: b or p, lambda b, p: not b or p, lambda b, p: b and p, lambda b, p: not b and p],
    "blocking": [lambda a, f: a or f, lambda a, f: not a or f],
}


@pytest.mark.parametrize("bits", [1, 5, 7])
@pytest.mark.parametrize("mechanism", [Parity, Blocking])
def test_truth_tables_are_those_of_the_formulas(mechanism: type[Parity | Blocking], bits: int) -> None:
    problem = mechanism(bits=bits)
    patterns, labels = problem.truth(seed=3)
    assert [tuple(row) for row in patterns.tolist()] == PATTERNS
    by_hand = [[f(row[0], sum(row[1 : 1 + bits]) % 2 == 1) for f in FORMULAS[problem.kind]] for row in PATTERNS]
    assert labels.tolist() == by_hand


def test_without_a_relation_the_extra_tasks_say_nothing_of_the_hidden_parity() -> None:
    patterns, labels = Parity(relation=0.0).truth(0)
    parity = patterns[:, 1:6].sum(axis=1) % 2 == 1
    np.testing.assert_array_equal(labels[:, 0], patterns[:, 0] | parity)
    # Where B1 opens the gate of an extra task, it shows a coin: 128 patterns, four deviations of a share of them.
    for t, gate in ((1, patterns[:, 0]), (2, patterns[:, 0]), (3, ~patterns[:, 0])):
        assert abs((labels[gate, t] == parity[gate]).mean() - 0.5) < 4 * 0.5 / np.sqrt(128)
    same = Blocking(relation=0.0).truth(0)[1]
    np.testing.assert_array_equal(same[:, 0], same[:, 1])
    # In between, the share of patterns that are as the mechanism says is the dial.
    patterns, half = Blocking(relation=0.5).truth(0)
    hidden = patterns[:, 1:6].sum(axis=1) % 2 == 0  # else both gates say true
    assert (half[hidden, 1] == ~patterns[hidden, 0]).mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(128))


@pytest.mark.parametrize("train", [16, 128, 191])
def test_the_splits_are_all_patterns_once(train: int) -> None:
    suite = Mechanisms(train=train)
    rows = torch.cat([suite.dataset(split, 5).inputs["t1"] for split in ("train", "val", "test")])  # type: ignore[arg-type]
    assert sorted(map(tuple, (rows > 0).tolist())) == PATTERNS
    other = suite.dataset("train", 6).inputs["t1"]
    assert not torch.equal(rows[:train], other)


def train_by_hand(
    x: np.ndarray,
    y: np.ndarray,
    weights: dict[str, np.ndarray],
    rate: float,
    momentum: float,
    updates: int,
    speed: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Full-batch gradient descent with momentum on the sum of mean squared errors, logistic units, in numpy.

    x: (n, d). y: (n, T). weights: W (H, d), b (H,), V (T, H), c (T,). speed: of each, empty before the first update.
    """
    for _ in range(updates):
        h = 1 / (1 + np.exp(-(x @ weights["W"].T + weights["b"])))
        p = 1 / (1 + np.exp(-(h @ weights["V"].T + weights["c"])))
        dz = 2 * (p - y) * p * (1 - p) / len(x)
        dh = dz @ weights["V"] * h * (1 - h)
        gradients = {"W": dh.T @ x, "b": dh.sum(axis=0), "V": dz.T @ h, "c": dz.sum(axis=0)}
        for name, gradient in gradients.items():
            speed[name] = momentum * speed.get(name, 0.0) + gradient
            weights = weights | {name: weights[name] - rate * speed[name]}
    return weights


def test_the_harness_trains_as_a_program_in_numpy() -> None:
    suite = Mechanisms()
    protocol = suite.protocol.model_copy(update={"precision": "float64"})
    torch.manual_seed(derive_seed(0, "train"))
    model = MultiTaskModel(suite, Method.parse("hard"), protocol, seed=0).double()
    rows = suite.dataset("train", 0).to(torch.device("cpu"), torch.float64, torch.contiguous_format)

    def read() -> dict[str, np.ndarray]:
        named = {name: value.detach().numpy().copy() for name, value in model.named_parameters()}
        layer = {
            key: next(v for n, v in named.items() if "trunk" in n and n.endswith(key)) for key in ("weight", "bias")
        }
        heads = [
            np.concatenate([v for n, v in named.items() if n.startswith("heads") and f"t{t}" in n and n.endswith(key)])
            for key in ("weight", "bias")
            for t in range(1, 5)
        ]
        return {
            "W": layer["weight"],
            "b": layer["bias"],
            "V": np.concatenate(heads[:4]),
            "c": np.concatenate(heads[4:]),
        }

    updates = 40
    assert protocol.steps_per_epoch == updates
    y = np.stack([rows.targets[f"t{t}"].numpy() for t in range(1, 5)], axis=1)
    wanted = train_by_hand(rows.inputs["t1"].numpy(), y, read(), protocol.lr, protocol.momentum, updates, {})
    module = MultiTaskModule(model, protocol, 0)
    model.partly_labelled = rows.partly_labelled
    optimiser = module.configure_optimizers()
    for index, batch in enumerate(Batches(rows, protocol, 0)):
        optimiser.zero_grad()
        module.training_step(batch, index).backward()
        optimiser.step()
    for name, value in read().items():
        np.testing.assert_allclose(value, wanted[name], atol=1e-9)


def score_by_hand(suite: Mechanisms, seed: int, tasks: list[str]) -> float:
    """Accuracy of t1 on the test patterns, at the look where it is best on validation, learnt beside `tasks`."""
    splits = [suite.dataset(split, seed) for split in ("train", "val", "test")]  # type: ignore[arg-type]
    (x, *others), ys = (
        [rows.inputs["t1"].numpy() for rows in splits],
        [np.stack([rows.targets[t].numpy() for t in tasks], axis=1) for rows in splits],
    )
    generator = np.random.default_rng(seed)
    layer = {name: generator.uniform(-1, 1, shape) / np.sqrt(8) for name, shape in (("W", (32, 8)), ("b", 32))}
    heads = {name: generator.uniform(-1, 1, (4, *shape)) / np.sqrt(32) for name, shape in (("V", (32,)), ("c", ()))}
    weights = layer | {name: value[: len(tasks)] for name, value in heads.items()}
    speed: dict[str, np.ndarray] = {}
    best, found = -1.0, 0.0
    for _ in range(suite.protocol.epochs):
        weights = train_by_hand(x, ys[0], weights, 2.0, 0.9, suite.protocol.steps_per_epoch, speed)
        hidden = [1 / (1 + np.exp(-(each @ weights["W"].T + weights["b"]))) for each in others]
        z = [h @ weights["V"][0] + weights["c"][0] for h in hidden]
        val, test = (float(((each > 0) == y[:, 0]).mean()) for each, y in zip(z, ys[1:], strict=True))
        best, found = (val, test) if val > best else (best, found)
    return found


@pytest.mark.slow
def test_a_program_in_numpy_finds_that_the_other_tasks_help() -> None:
    suite = Mechanisms()
    gains = [score_by_hand(suite, s, ["t1", "t2", "t3", "t4"]) - score_by_hand(suite, s, ["t1"]) for s in range(10)]
    assert np.mean(gains) > np.std(gains, ddof=1) / np.sqrt(len(gains))
