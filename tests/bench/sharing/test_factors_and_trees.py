"""Factored towers, low-rank updates and searched trees, turned to their ends."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from bench.sharing.dmtrl import Factored
from tests.bench.sharing.laws import SHORT, SUITES, after, apart, predictions, relative
from tests.conftest import make_run, train_run


@pytest.mark.parametrize("form", ["last", "tucker", "tt"])
@pytest.mark.parametrize("shape", [(7, 5, 3), (4, 2, 3, 3, 5), (6, 4, 1)])
def test_full_rank_factors_rebuild_the_tensor(form: str, shape: tuple[int, ...]) -> None:
    W = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    assert relative(Factored(W, form, 1.0)().detach(), W) <= 1e-10


def test_truncation_errors_are_tails_of_singular_values() -> None:
    """Eckart-Young for the last axis; for the two others the sum of the tails bounds the squared error."""
    W = torch.randn(6, 4, 3, 4, generator=torch.Generator().manual_seed(0)).double()

    def tail(matrix: Tensor, share: float) -> float:
        s = torch.linalg.svdvals(matrix)
        return float(s[-int(-share * len(s) // 1) :].square().sum()) if share < 1 else 0.0

    error = {form: float((Factored(W, form, 0.5)().detach() - W).square().sum()) for form in ("last", "tucker", "tt")}
    assert error["last"] == pytest.approx(tail(W.flatten(0, -2), 0.5), rel=1e-9)
    tails = [tail(W.movedim(axis, 0).flatten(1), 0.5) for axis in range(4)]
    assert max(tails) - 1e-9 <= error["tucker"] <= sum(tails) + 1e-9
    unfolded = [tail(W.reshape(math.prod(W.shape[: axis + 1]), -1), 0.5) for axis in range(3)]
    assert 1e-6 < error["tt"] <= sum(unfolded) + 1e-9  # Oseledets 2011, theorem 2.2


def test_full_rank_towers_start_as_single_task() -> None:
    for form in ("last", "tucker", "tt"):
        run = make_run(f"dmtrl:form={form},rank=1", "multidigits")
        assert apart(predictions(run), predictions(make_run("single_task:init=independent", "multidigits"))) <= 1e-6


def test_rank_one_with_equal_loadings_is_hard_sharing() -> None:
    """W = L 1^T: the gradient of L is the sum over tasks, as for a trunk; biases are left out of the comparison."""
    run, hard = make_run("dmtrl:rank=0.01", **SHORT), make_run("hard", **SHORT)
    assert apart(predictions(run), predictions(hard)) > 1e-3
    trunk = dict(hard.model.sharing.trunk.named_parameters())
    with torch.no_grad():
        for key, factored in run.model.sharing.weights.items():
            L, S = factored.factors
            L.copy_(trunk[key.replace("/", ".")].flatten()[:, None])
            S.fill_(1.0)
            S.requires_grad_(False)
        for tower in run.model.sharing.towers:
            for name, parameter in tower.named_parameters():
                parameter.copy_(trunk[name]).requires_grad_(False)
        for parameter in trunk.values():
            parameter.requires_grad_(parameter.dim() > 1)
    assert apart(after(run), after(hard)) <= 1e-12


@pytest.mark.parametrize("suite", SUITES)
def test_low_rank_updates_start_at_hard_and_leave_it(suite: str) -> None:
    run, hard = make_run("lora", suite, **SHORT), make_run("hard", suite, **SHORT)
    assert apart(predictions(run), predictions(hard)) <= 1e-12
    assert apart(after(run), after(hard)) > 1e-4


def test_updates_have_the_stated_rank_and_scale() -> None:
    run = make_run("lora:rank=2,scale=3", **SHORT)
    train_run(run)
    sharing = run.model.sharing
    for name, weight in sharing._weights(1).items():
        update = (weight - dict(sharing.trunk.named_parameters())[name]).detach().flatten(1)
        key = name.replace(".", "/")
        expected = 3 / 2 * sharing.up[1][key] @ sharing.down[1][key]
        assert torch.allclose(update, expected, atol=1e-12)
        assert int(torch.linalg.matrix_rank(update, rtol=1e-9)) == 2


@pytest.mark.parametrize("suite", SUITES)
def test_a_tree_without_branches_in_common_is_single_task(suite: str) -> None:
    run = make_run("learn_to_branch", suite)
    with torch.no_grad():
        for alpha in run.model.sharing.choices:
            alpha.copy_(torch.eye(len(alpha)))
    assert apart(predictions(run, "tree"), predictions(make_run("single_task:init=independent", suite))) == 0


@pytest.mark.parametrize("suite", SUITES)
def test_a_tree_with_one_stem_is_a_hard_split(suite: str) -> None:
    """Every child picks parent 0 up to stage s, itself above: hard:split=s with the towers of the copies."""
    run, split = make_run("learn_to_branch", suite), make_run("hard:split=1", suite)
    sharing = run.model.sharing
    with torch.no_grad():
        for number, alpha in enumerate(sharing.choices):
            alpha.zero_()
            if number == 0:
                alpha[:, 0] = 1.0
            else:
                alpha.fill_diagonal_(1.0)
    split.model.sharing.towers = nn.ModuleList(copy.deepcopy(tower[1:]) for tower in sharing.towers)
    assert apart(predictions(run, "tree"), predictions(split)) == 0
    assert sharing.find_needed()[0] == {0}
    before = sum(p.numel() for p in sharing.parameters())
    sharing.begin("tree")
    kept = sum(p.numel() for p in sharing.parameters() if p.requires_grad)
    first = sum(p.numel() for p in sharing.towers[0][0].parameters())
    choices = sum(alpha.numel() for alpha in sharing.choices)
    assert kept == before - choices - first * (len(sharing.towers) - 1)


@pytest.mark.parametrize("method", ["learn_to_branch:together=0.25,search=0.5", "adashare:together=0.25,search=0.5"])
def test_search_moves_the_choice_and_the_rest_keeps_it(method: str) -> None:
    run = make_run(method, epochs="4", steps_per_epoch="4")
    sharing = run.model.sharing
    logits = {name: p for name, p in sharing.named_parameters() if "choices" in name or name == "logits"}
    seen: list[list[Tensor]] = []
    plain = run.module.optimizer_step

    def step(*arguments: object, **more: object) -> None:
        plain(*arguments, **more)  # type: ignore[arg-type]
        seen.append([p.detach().clone() for p in logits.values()])

    run.module.optimizer_step = step  # type: ignore[method-assign]
    train_run(run)
    assert all(torch.equal(a, b) for a, b in zip(seen[11], seen[15], strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(seen[3], seen[11], strict=True))
    began = dict(make_run(method, epochs="4", steps_per_epoch="4").model.sharing.named_parameters())
    assert all(torch.equal(p, began[name]) for p, name in zip(seen[0], logits, strict=True))  # no search yet
    assert not any(p.requires_grad for p in logits.values())


@pytest.mark.parametrize("suite", SUITES)
def test_running_every_stage_is_hard_sharing(suite: str) -> None:
    short = SHORT | {"steps_per_epoch": "10"}
    run, hard = (
        make_run("adashare:sharing=0,sparsity=0,together=0.9,search=0.05", suite, **short),
        make_run("hard", suite, **short),
    )
    assert apart(predictions(run, "together"), predictions(hard)) == 0
    assert apart(predictions(run, "chosen"), predictions(hard)) == 0  # the start runs every stage
    with torch.no_grad():
        run.model.sharing.logits[0, 0] = torch.tensor([0.0, 1.0])
    assert apart(predictions(run, "chosen"), predictions(hard)) > 1e-6


def test_lower_stages_are_wanted_in_common_more_than_higher_ones() -> None:
    sharing = make_run("adashare:sharing=1,sparsity=0").model.sharing
    assert sharing.regulariser() == 0  # before the search
    sharing.searching = True
    costs = []
    for stage in range(2):
        with torch.no_grad():
            sharing.logits.zero_()
            sharing.logits[stage, 0, 0] = 2.0
        costs.append(float(sharing.regulariser().detach()))
    run = torch.sigmoid(torch.tensor(2.0, dtype=torch.float64)).item() - 0.5
    assert costs == pytest.approx([1.0 * 2 * run / 2, 0.5 * 2 * run / 2])  # two pairs of three tasks differ; L = 2
