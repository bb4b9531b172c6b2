"""Probes say what is known of a method: a trunk is everybody's, a tower its task's, a muted unit no path."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch

from bench.core.data import Dataset
from bench.planning.plan import plan
from bench.training.fit import Run
from bench.training.load import load_run
from bench.training.probes import Probes, probe

SUITE = "deep_synthetic:tasks=3,train=32"


def look(method: str, suite: str = SUITE, rows: Callable[[Dataset], Dataset] = lambda rows: rows) -> Probes:
    [spec] = plan(suite, [method], [0], {"epochs": "1", "steps_per_epoch": "2", "precision": "float64"})
    loaded, parsed, _ = load_run(spec, None)
    run = Run(spec, loaded, parsed)
    return probe(run.model, run.module.state, rows(run.data("val")), 128)


def mark_third_missing(rows: Dataset) -> Dataset:
    """The labels of every third row are missing, of other rows for each task."""
    targets = {task: target.clone() for task, target in rows.targets.items()}
    for number, target in enumerate(targets.values()):
        target[number::3] = torch.nan
    return replace(rows, targets=targets)


def give_all(rows: Dataset, task: str) -> Dataset:
    """The input of one task for all of them."""
    return replace(rows, inputs=dict.fromkeys(rows.inputs, rows.inputs[task]))


def owners(found: Probes, part: str) -> set[float]:
    return {round(each.owners, 9) for each in found.ownership if part in each.name}


def test_towers_and_heads_have_one_owner_and_a_trunk_has_several() -> None:
    alone, together = look("single_task"), look("hard")
    assert owners(alone, "towers") == owners(alone, "heads") == owners(together, "heads") == {1.0}
    assert min(owners(together, "sharing")) > 1.5
    assert max(owners(together, "sharing")) <= 3


def test_shares_of_a_task_sum_to_one() -> None:
    for task in ("task00", "task01", "task02"):
        assert sum(each.shares[task] for each in look("cross_stitch").ownership) == pytest.approx(1)


def test_a_unit_that_mixes_gives_towers_further_owners_and_a_muted_one_does_not() -> None:
    assert max(owners(look("cross_stitch"), "towers")) > 1.0001
    assert owners(look("cross_stitch:muted=1"), "towers") == {1.0}


def test_features_of_a_trunk_are_alike_and_those_of_strangers_are_less_so() -> None:
    together, apart = look("hard"), look("single_task:init=independent")
    assert list(together.similarity) == list(apart.similarity) == ["stage 0", "stage 1"]
    assert torch.allclose(together.similarity["stage 1"], torch.ones(3, 3, dtype=torch.float64))
    assert apart.similarity["stage 1"].fill_diagonal_(0).max() < 0.999
    # Two towers use features that no other task uses: the more a task leans on one, the less the others do.
    assert apart.sensitivity["stage 0"][0, 1] < 0 < together.sensitivity["stage 0"].diagonal().min()


def test_a_linear_head_uses_features_as_its_weights_say() -> None:
    [spec] = plan(SUITE, ["hard"], [0], {"epochs": "1", "steps_per_epoch": "2", "precision": "float64"})
    loaded, parsed, _ = load_run(spec, None)
    run = Run(spec, loaded, parsed)
    weights = torch.stack([run.model.heads[task].weight[0].abs() for task in run.model.names]).detach()
    ranks = weights.argsort(dim=1).argsort(dim=1).double()
    assert torch.allclose(
        probe(run.model, run.module.state, run.data("val"), 64).sensitivity["stage 1"], torch.corrcoef(ranks)
    )


def test_batches_without_some_labels_say_whose_the_others_are() -> None:
    found = look("hard", rows=mark_third_missing)
    for task in ("task00", "task01", "task02"):
        assert sum(each.shares[task] for each in found.ownership) == pytest.approx(1)
    assert owners(found, "heads") == {1.0}


def test_matrices_are_means_over_every_distinct_input() -> None:
    suite = "mechanisms:sampling,tasks=2,train=32"
    both = look("single_task:init=independent", suite)
    parts = [look("single_task:init=independent", suite, partial(give_all, task=task)) for task in ("t1", "t2")]
    for depth, matrix in both.similarity.items():
        assert torch.allclose(matrix, (parts[0].similarity[depth] + parts[1].similarity[depth]) / 2)
        assert not torch.allclose(matrix, parts[0].similarity[depth])


@pytest.mark.parametrize("method", ["mmoe", "lora", "hard:split=1", "nddr", "mtan", "dselect_k"])
def test_every_kind_of_sharing_can_be_probed(method: str) -> None:
    found = look(method, "synthetic:tasks=2,train=32")
    assert found.ownership
    for matrix in (*found.similarity.values(), *found.sensitivity.values()):
        assert matrix.shape == (2, 2)
