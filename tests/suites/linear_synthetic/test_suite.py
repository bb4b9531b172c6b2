"""linear_synthetic: what the truths are, and that data is what the suite says."""

import numpy as np
import pytest
import torch

from bench.catalogue.registry import choose
from bench.core.constraint import Coupled
from bench.linear.choose import follow_path
from bench.linear.family import PenaltyFamily
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from bench.planning.plan import parse_suite, plan
from bench.records import parse_call
from suites.linear_synthetic.truths import DEVIATION

TASKS = 20


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
        for at, (objective, found) in enumerate(follow_path(loss, family, {}, strengths, 1e-6)):
            weights, intercepts = loss.model(objective.sum_parts(found.W))
            total[at] += sum(
                float((test.targets[t][:, 0] - test.inputs[t].double() @ weights[:, k] - intercepts[k]).square().sum())
                for k, t in enumerate(names)
            )
    best = strengths[int(np.argmin(total))]
    assert bayes / 2 < best < 2 * bayes


def test_tasks_may_label_the_same_rows() -> None:
    """With inputs in common every task has noise of its own; what was drawn before stays, and so does its name."""
    _, own = parse_suite("linear_synthetic:truth=graph")
    _, shared = parse_suite("linear_synthetic:inputs=shared,truth=graph")
    names = [f"linear_synthetic:{each}truth=graph" for each in ("", "inputs=own,", "inputs=shared,")]
    before, same, other = (plan(name, ["hard"], [0])[0] for name in names)
    assert before.run_id == same.run_id != other.run_id
    assert "inputs" not in before.suite
    assert (own.own_inputs, shared.own_inputs) == (True, False)
    data, W = shared.dataset("test", 1), shared.known_weights(1)
    assert W is not None
    assert torch.equal(W, own.known_weights(1))  # type: ignore[arg-type]
    assert len(data.groups) == 1
    assert data.rows == shared.protocol.splits["test"] == 200
    assert own.protocol.splits["test"] == own.dataset("test", 1).rows == 20 * 200
    x, first = data.inputs["task00"].double(), own.dataset("test", 1)
    assert torch.equal(data.inputs["task00"], first.inputs["task00"])
    assert torch.equal(data.targets["task00"], first.targets["task00"])
    noise = torch.stack([data.targets[t.name][:, 0].double() - x @ W[:, k] for k, t in enumerate(shared.tasks)])
    assert float(noise.std()) == pytest.approx(1, rel=0.05)
    assert float(torch.corrcoef(noise).fill_diagonal_(0).abs().max()) < 0.3
    assert shared.checksums() != own.checksums()
