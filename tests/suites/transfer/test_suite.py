"""The source and the target of `transfer`: labels are what the formula says, and a dial moves what it names only."""

import numpy as np
import pytest
import torch

from bench.errors import UsageError
from bench.planning.plan import parse_suite
from suites.transfer import TransferPair


def test_labels_are_the_formula_and_noise_of_its_size() -> None:
    suite = TransferPair(source=5000, target=5000, noise=0.3, relation=0.4)
    truth, rows = suite.truth(3), suite.dataset("train", 3)
    for t, name in enumerate(("source", "target")):
        x = rows.inputs[name].double().numpy()
        clean = np.tanh(2 * x @ truth.directions[t].T) @ truth.weights[t]
        left = rows.targets[name][:, 0].double().numpy() - clean
        assert left.std() == pytest.approx(0.3, rel=0.05)
        assert abs(np.corrcoef(left, clean)[0, 1]) < 0.07
    np.testing.assert_allclose(np.linalg.norm(truth.directions, axis=-1), 1)


@pytest.mark.parametrize(("relation", "alike"), [(1.0, True), (0.0, False)])
def test_the_relation_is_whether_features_are_the_same(relation: float, alike: bool) -> None:
    directions = TransferPair(relation=relation).truth(0).directions
    assert np.allclose(directions[0], directions[1]) is alike
    np.testing.assert_array_equal(directions[0], TransferPair().truth(0).directions[0])  # of the source they stay


def test_the_shift_moves_the_target_s_inputs_along_one_direction() -> None:
    plain, far = (TransferPair(target=4000, shift=shift).dataset("test", 1) for shift in (0.0, 3.0))
    assert torch.equal(plain.inputs["source"], far.inputs["source"])
    moved = (far.inputs["target"] - plain.inputs["target"]).double()
    np.testing.assert_allclose(moved.norm(dim=1), 3, rtol=1e-5)
    np.testing.assert_allclose(moved, np.broadcast_to(3 * TransferPair().truth(1).centre, moved.shape), atol=1e-5)


def test_rows_of_one_task_leave_those_of_the_other_alone() -> None:
    few, many = (TransferPair(source=source).dataset("train", 2) for source in (100, 1000))
    assert torch.equal(few.inputs["target"], many.inputs["target"])
    assert torch.equal(few.targets["target"], many.targets["target"])
    assert [len(many.inputs[name]) for name in ("source", "target")] == [1000, 50]


def test_splits_seeds_and_sealed_draws_are_of_their_own() -> None:
    suite = TransferPair()
    drawn = [
        suite.dataset("val", 0),
        suite.dataset("test", 0),
        suite.dataset("test", 1),
        suite.sealed(0, 1),
        suite.sealed(0, 2),
    ]
    firsts = {float(rows.inputs["target"][0, 0]) for rows in drawn}
    assert len(firsts) == len(drawn)
    assert torch.equal(suite.dataset("test", 0).inputs["source"], TransferPair().dataset("test", 0).inputs["source"])


def test_known_features_are_those_behind_the_source_s_labels() -> None:
    suite = TransferPair(noise=1e-9)
    rows, truth = suite.dataset("test", 5), suite.truth(5)
    found = torch.stack(list(suite.known_features(5, rows.inputs["source"]).values()), dim=1).numpy()
    np.testing.assert_allclose(found @ truth.weights[0], rows.targets["source"][:, 0].numpy(), atol=1e-5)


def test_bad_dials_are_one_sentence() -> None:
    with pytest.raises(UsageError, match="relation"):
        parse_suite("transfer:relation=2")
