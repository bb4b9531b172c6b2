"""Lookahead affinity against its definition, and where labels are missing."""

import copy

import pytest
import torch
from torch.nn.functional import mse_loss

from bench.training.affinity import measure_affinity
from bench.training.gradients import average_pairs
from tests.conftest import make_run


def test_it_is_one_minus_the_ratio_of_losses_after_a_step_for_the_other_task() -> None:
    """With copies of the model, of which the trunk alone steps down the gradient of one loss."""
    run = make_run("hard", "synthetic:tasks=3", lr="0.05")
    measured = measure_affinity(run.spec, updates=1)
    inputs, targets = next(iter(run.batches(run.data("train"))))
    names = [task.name for task in run.model.tasks]
    state = run.module.state

    def losses(model: torch.nn.Module) -> list[torch.Tensor]:
        predictions = model(inputs, state)
        return [mse_loss(predictions[name], targets[name]) for name in names]

    before = [loss.item() for loss in losses(run.model)]
    for i, _ in enumerate(names):
        stepped = copy.deepcopy(run.model)
        trunk = list(stepped.sharing.parameters())
        gradients = torch.autograd.grad(losses(stepped)[i], trunk)
        with torch.no_grad():
            for parameter, gradient in zip(trunk, gradients, strict=True):
                parameter -= 0.05 * gradient
            after = [loss.item() for loss in losses(stepped)]
        assert measured is not None
        assert measured[:, i].tolist() == pytest.approx([1 - a / b for a, b in zip(after, before, strict=True)])
        assert measured[i, i] > 0


def test_separate_models_have_none() -> None:
    assert measure_affinity(make_run("single_task", "synthetic:tasks=2").spec, updates=1) is None


def test_a_pair_is_averaged_over_batches_with_labels_of_both() -> None:
    first, second = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 0.0], [0.0, 0.0]])
    assert average_pairs([first, second], [None, [0]]).tolist() == [[3.0, 2.0], [3.0, 4.0]]
    assert average_pairs([second, second], [[0], []]).tolist() == [[5.0, 0.0], [0.0, 0.0]]
    assert average_pairs([first, second], [None, None]).tolist() == [[3.0, 1.0], [1.5, 2.0]]
