"""A table as a suite: encoders and units of the training rows only, scores in the target's own unit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.api import Affine, LogRate
from bench.core.data import Dataset
from bench.core.task import Task
from bench.planning.plan import parse_suite
from bench.training.evaluate import collect_statistics
from suites._own.columns import MOST_LEVELS, Encoder, Feature
from suites._own.division import count_rows, divide
from tests.suites._own.small_table import make_columns, write_table


def test_every_seed_divides_anew_and_each_row_is_somewhere(tmp_path: Path) -> None:
    write_table(tmp_path)
    _, suite = parse_suite("mine", tmp_path)
    wanted = np.sort(make_columns()["targets"][:, 0])
    tested = []
    for seed in range(3):
        labels = []
        for split in ("train", "val", "test"):
            rows = suite.dataset(split, seed)
            assert len(rows.inputs["y"]) == suite.protocol.splits[split]
            assert rows.inputs["y"] is rows.inputs["up"]
            unit = rows.units["y"]
            labels.append(unit.restore(rows.targets["y"], rows.targets["y"])[1])
        np.testing.assert_allclose(np.sort(torch.cat(labels).flatten().numpy()), wanted, rtol=1e-5)
        tested.append(tuple(labels[2].flatten().tolist()))
    assert len(set(tested)) == 3


def test_inputs_and_targets_are_standardised_by_the_training_rows(tmp_path: Path) -> None:
    write_table(tmp_path)
    train, test = (parse_suite("mine", tmp_path)[1].dataset(split, 0) for split in ("train", "test"))
    for values in (train.inputs["y"][:, :2], train.targets["y"]):
        torch.testing.assert_close(values.mean(dim=0), torch.zeros(values.shape[1]), atol=1e-6, rtol=0)
        torch.testing.assert_close(values.std(dim=0, correction=0), torch.ones(values.shape[1]))
    assert test.inputs["y"][:, :2].mean(dim=0).abs().min() > 1e-3


def test_nothing_of_validation_or_test_reaches_the_training_inputs() -> None:
    features = (Feature(name="a", kind="number", missing=True), Feature(name="c", kind="category", levels=("p", "q")))
    generator = np.random.default_rng(0)
    numbers, codes = generator.standard_normal((20, 1)), generator.integers(0, 2, (20, 1)).astype(np.int32)
    before = Encoder.fit(features, numbers[:10], codes[:10])
    numbers[10:], codes[10:] = 1e9, 1
    assert Encoder.fit(features, numbers[:10], codes[:10]) == before


def test_what_an_encoder_writes() -> None:
    levels = tuple(f"v{number:02d}" for number in range(MOST_LEVELS + 2))
    features = (
        Feature(name="a", kind="number", missing=True),
        Feature(name="c", kind="category", levels=levels, missing=True),
    )
    numbers = np.array([[1.0], [3.0], [np.nan], [1.0]])
    codes = np.array([[5], [5], [2], [-1]], np.int32)
    encoder = Encoder.fit(features, numbers[:3], codes[:3])
    assert encoder.kept == ((5, 2),)
    inputs = encoder.apply(np.vstack([numbers, [[2.0]]]), np.vstack([codes, [[33]]]).astype(np.int32))
    assert inputs.shape == (5, 2 + MOST_LEVELS + 2)
    np.testing.assert_array_equal(inputs[:, 0], [-1, 1, 0, -1, 0])
    np.testing.assert_array_equal(inputs[:, 1], [0, 0, 1, 0, 0])
    # Most frequent, second, missing, and a level that training never saw.
    assert [int(row.argmax()) for row in inputs[:, 2:]] == [0, 0, 1, MOST_LEVELS + 1, MOST_LEVELS]
    np.testing.assert_array_equal(inputs[:, 2:].sum(axis=1), 1)
    assert Encoder.model_validate_json(encoder.model_dump_json()) == encoder


def test_scores_are_in_the_unit_of_the_target(tmp_path: Path) -> None:
    write_table(tmp_path)
    _, suite = parse_suite("mine", tmp_path)
    rows = suite.dataset("test", 0)
    mean = {"y": torch.zeros(12, 1), "up": torch.arange(12.0)[:, None]}  # a learnt 0 is the mean of the training rows
    statistics = collect_statistics(lambda inputs: {t: mean[t] for t in inputs}, suite.tasks, rows)
    labels = rows.units["y"].restore(rows.targets["y"], rows.targets["y"])[1].numpy()
    assert statistics["y"]["target_sum"] == pytest.approx(labels.sum())
    assert statistics["y"]["squared_error"] == pytest.approx(((labels - rows.units["y"].shift) ** 2).sum())


def test_units_are_affine_in_targets_and_additive_in_log_rates() -> None:
    z, y = torch.tensor([0.5]), torch.tensor([2.0])
    for found, wanted in zip(Affine(10.0, 4.0).restore(z, y), (12.0, 18.0), strict=True):
        assert found.item() == wanted
    rate, count = LogRate(3.0).restore(z, y)
    assert rate.exp().item() == pytest.approx(3.0 * z.exp().item())
    assert count.item() == 6.0


def test_divisions_are_of_the_shares_and_have_what_scores_need() -> None:
    targets = np.zeros((40, 1))
    targets[:4] = 1
    assert count_rows(40, (0.6, 0.2, 0.2)) == {"train": 24, "val": 8, "test": 8}
    for seed in range(20):
        parts = divide(targets, ["binary"], ["rare"], (0.6, 0.2, 0.2), seed)
        assert sorted(np.concatenate(list(parts.values()))) == list(range(40))
        assert all(0 < targets[rows].sum() < len(rows) for rows in parts.values())
    with pytest.raises(ValueError, match="only one value of `rare` in"):
        divide(np.zeros((40, 1)), ["binary"], ["rare"], (0.6, 0.2, 0.2), 0)


def test_replicas_keep_the_unit(tmp_path: Path) -> None:
    from bench.core.replicas import Replicas

    write_table(tmp_path)
    _, suite = parse_suite("mine", tmp_path)
    rows = Replicas(suite, "y").dataset("test", 0)
    assert isinstance(rows, Dataset)
    assert isinstance(suite.tasks[0], Task)
    assert rows.units.keys() == {"y", "y_2"}
