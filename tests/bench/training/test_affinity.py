"""Lookahead affinity: against its equation written out on one batch, and over labels that are missing."""

from copy import deepcopy

import torch

from bench.planning.plan import plan
from bench.records import RunSpec
from bench.training.affinity import measure_affinity
from bench.training.fit import Run
from bench.training.gradients import average_pairs, compute_losses
from bench.training.load import load_run


def plan_one(method: str, **settings: str) -> RunSpec:
    budget = {"epochs": "2", "steps_per_epoch": "3"}
    [spec] = plan("synthetic:tasks=3,train=32", [method], [0], budget | settings, "cpu")
    return spec


def test_the_first_measurement_is_the_equation() -> None:
    """Each task's step is taken on a copy of the model, on what its loss and another one reach."""
    spec = plan_one("hard")
    suite, method, _ = load_run(spec, None)
    run = Run(spec, suite, method)
    batch = next(iter(run.batches(run.data("train"))))
    now = compute_losses(run.model, batch, run.module.state)
    wanted = torch.empty(3, 3)
    for taken in range(3):
        model = deepcopy(run.model)
        losses = compute_losses(model, batch, run.module.state)
        parameters = list(model.parameters())
        reached = [torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True) for loss in losses]
        with torch.no_grad():
            for parameter, *gradients in zip(parameters, *reached, strict=True):
                if sum(gradient is not None for gradient in gradients) > 1:
                    parameter -= spec.protocol.lr * gradients[taken]
            after = compute_losses(model, batch, run.module.state)
        wanted[:, taken] = torch.stack([1 - a / b for a, b in zip(after, now, strict=True)])
    found = measure_affinity(spec, updates=1)
    assert found is not None
    assert torch.allclose(found, wanted.detach(), atol=1e-6)
    assert bool((found.diagonal() > 0).all())


def test_what_shares_nothing_has_none() -> None:
    assert measure_affinity(plan_one("single_task")) is None


def test_missing_labels_take_no_part() -> None:
    found = measure_affinity(plan_one("hard", labels="0.3"))
    assert found is not None
    assert bool(found.isfinite().all())


def test_a_pair_is_averaged_over_batches_with_labels_of_both() -> None:
    first, second = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 0.0], [0.0, 0.0]])
    assert average_pairs([first, second], [None, [0]]).tolist() == [[3.0, 2.0], [3.0, 4.0]]
    assert average_pairs([second, second], [[0], []]).tolist() == [[5.0, 0.0], [0.0, 0.0]]
    assert average_pairs([first, second], [None, None]).tolist() == [[3.0, 1.0], [1.5, 2.0]]
