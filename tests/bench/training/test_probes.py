"""Probes say what is known of a method: a trunk is everybody's, a tower its task's, a muted unit no path."""

import pytest
import torch

from bench.planning.plan import plan
from bench.training.fit import Run
from bench.training.load import load_run
from bench.training.probes import Probes, probe

SUITE = "deep_synthetic:tasks=3,train=32"


def look(method: str, suite: str = SUITE) -> Probes:
    [spec] = plan(suite, [method], [0], {"epochs": "1", "steps_per_epoch": "2", "precision": "float64"})
    loaded, parsed, _ = load_run(spec, None)
    run = Run(spec, loaded, parsed)
    return probe(run.model, run.module.state, run.data("val"), 128)


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


@pytest.mark.parametrize("method", ["mmoe", "lora", "hard:split=1", "nddr", "mtan", "dselect_k"])
def test_every_kind_of_sharing_can_be_probed(method: str) -> None:
    found = look(method, "synthetic:tasks=2,train=32")
    assert found.ownership
    for matrix in (*found.similarity.values(), *found.sensitivity.values()):
        assert matrix.shape == (2, 2)
