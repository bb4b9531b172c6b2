"""Features of tasks compared: linear CKA, and what a short training of towers says."""

import torch

from bench.planning.plan import plan
from bench.training.similarity import align_features, measure_similarity


def test_features_that_differ_by_rotation_and_scale_are_alike_and_strangers_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 5, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
    stranger = torch.randn(400, 3, generator=generator, dtype=torch.float64)
    found = align_features({"a": x, "b": 3 * x @ turn + 2, "c": stranger})
    assert torch.allclose(found.diagonal(), torch.ones(3, dtype=torch.float64))
    assert found[0, 1] > 1 - 1e-12
    assert found[0, 2] < 0.1
    # eq. 3 of the paper, by columns
    u, v = (z - z.mean(dim=0) for z in (x, stranger))
    assert torch.isclose(found[0, 2], (v.T @ u).norm() ** 2 / ((u.T @ u).norm() * (v.T @ v).norm()))


def test_a_short_training_has_a_number_for_every_pair() -> None:
    [spec] = plan("deep_synthetic:tasks=3,train=16", ["single_task"], [0], {"epochs": "1", "steps_per_epoch": "3"})
    found = measure_similarity(spec)
    assert found.shape == (3, 3)
    assert torch.equal(found, found.T)
    assert ((found > 0) & (found <= 1 + 1e-9)).all()
