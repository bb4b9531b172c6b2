"""Exam scores: the split and the scaling that are said."""

from pathlib import Path

import numpy as np
import torch

from bench.planning.plan import parse_suite
from tests.suites.matlab_files import write_school


def test_school_is_split_as_is_said(tmp_path: Path) -> None:
    write_school(tmp_path)
    _, suite = parse_suite("school", tmp_path)
    assert [task.name for task in suite.tasks] == ["school001", "school002", "school003"]
    assert suite.input_shape == (4,)  # the constant column is left out
    assert suite.protocol.splits == {"train": 6 + 10 + 16, "test": 2 + 3 + 5}
    assert suite.protocol.overlapping
    train, test = suite.dataset("train", 3), suite.dataset("test", 3)
    generator = np.random.default_rng(3)  # anyone can draw the splits
    from scipy.io import loadmat

    content = loadmat(tmp_path / "school" / "school.mat")
    known, targets = [], []
    for number, (x, y) in enumerate(zip(content["X"][0], content["Y"][0], strict=True), 1):
        order = generator.permutation(len(x))
        kept = np.sort(order[: int(np.floor(0.75 * len(x) + 0.5))])
        known.append(x[kept, :4].astype(float))
        targets.append((number, kept, y))
    mean, spread = np.concatenate(known).mean(axis=0), np.concatenate(known).std(axis=0)
    for (number, kept, y), x in zip(targets, known, strict=True):
        name = f"school{number:03d}"
        assert np.allclose(train.inputs[name].numpy(), (x - mean) / spread, atol=1e-6)
        assert train.targets[name][:, 0].tolist() == y[kept, 0].astype(float).tolist()
        assert len(test.targets[name]) == len(y) - len(kept)
    whole = torch.cat([train.inputs[task.name] for task in suite.tasks])
    assert float(whole.mean().abs()) < 1e-6
    assert torch.equal(suite.dataset("train", 3).inputs["school001"], train.inputs["school001"])
    assert not torch.equal(suite.dataset("train", 4).targets["school003"], train.targets["school003"])
