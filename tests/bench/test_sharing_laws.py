"""What each way of sharing equals when its knobs are turned to an end, in float64, and what its parts must obey."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from bench.core.sharing import split_stages
from bench.core.state import TrainState
from bench.sharing.dmtrl import Factored, _truncate_rank
from bench.sharing.dselect_k import smooth_step
from bench.toolbox.layers import Gate, carry_over, gumbel_choice, pool, pooled_size, weighted_sum
from bench.training.fit import Run
from bench.training.model import MultiTaskModel
from tests.conftest import make_run, train_run

SUITES = ["synthetic:tasks=3", "multidigits"]
SHORT = {"epochs": "1", "steps_per_epoch": "12"}


def predictions(run: Run, phase: str = "train") -> dict[str, Tensor]:
    """What the model of a run says of the first rows."""
    rows = run.data("train")
    inputs, _ = rows.take([torch.arange(16) for _ in rows.groups])
    run.model.eval()
    with torch.no_grad():
        found: dict[str, Tensor] = run.model(inputs, TrainState(step=1, phase=phase))
    return found


def apart(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max(float((a[task] - b[task]).abs().max()) for task in a)


def after(run: Run, phase: str = "train") -> dict[str, Tensor]:
    """Predictions after a short training."""
    train_run(run)
    return predictions(run, phase)


class Picks(nn.Module):
    """A gate that always names one expert."""

    def __init__(self, expert: int, experts: int) -> None:
        super().__init__()
        self.register_buffer("usage", torch.eye(experts, dtype=torch.float64)[expert])

    def forward(self, x: Tensor, counts: bool = True) -> Tensor:
        return self.usage.expand(len(x), -1)


# --- experts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_one_expert_a_task_is_single_task(suite: str) -> None:
    run = make_run("mmoe", suite, **SHORT)
    gates = run.model.sharing.gates
    run.model.sharing.gates = nn.ModuleList(Picks(t, len(gates)) for t in range(len(gates)))
    assert apart(after(run), after(make_run("single_task:init=independent", suite, **SHORT))) <= 1e-12


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("method", ["mmoe:experts=3", "cgc", "ple", "adatt", "dselect_k:experts=4"])
def test_gates_are_distributions_and_start_even(method: str, suite: str) -> None:
    run = make_run(method, suite, **SHORT)
    for trained in (False, True):
        if trained:
            train_run(run)
        for name, gate in run.model.sharing.matrices().items():
            assert torch.allclose(gate.sum(dim=-1), torch.ones(()).double()), name
            if not trained and method != "dselect_k:experts=4":
                assert torch.allclose(gate, torch.full_like(gate, 1 / gate.shape[-1]))


def test_relabelled_experts_give_the_same_features() -> None:
    run = make_run("mmoe:experts=4", **SHORT)
    before = after(run)
    order = [2, 0, 3, 1]
    sharing = run.model.sharing
    sharing.experts = nn.ModuleList(sharing.experts[e] for e in order)
    with torch.no_grad():
        for gate in sharing.gates:
            gate.linear.weight.copy_(gate.linear.weight[order])
    assert apart(before, predictions(run)) <= 1e-12


def test_levels_read_the_streams_that_the_paper_gives_them() -> None:
    """Two levels written out: task experts on task streams, shared ones and the shared gate on the shared stream."""
    run = make_run("ple:own=1,shared=1", "synthetic:tasks=2")
    sharing = run.model.sharing.train(False)
    for gate in sharing.modules():
        if isinstance(gate, Gate):
            torch.nn.init.normal_(gate.linear.weight, generator=torch.Generator().manual_seed(1))
    x = run.data("train").groups[0][0][:5]
    own, [shared] = [tower[0] for tower in sharing.own], sharing.shared
    low = [tower[0](x) for tower in own]
    common = shared[0](x)

    def mixed(gate: Gate, at: Tensor, experts: list[Tensor]) -> Tensor:
        g = torch.softmax(at @ gate.linear.weight.T, dim=1)
        return sum(g[:, e, None] * expert for e, expert in enumerate(experts))  # type: ignore[return-value]

    tasks = [mixed(sharing.gates[0][t], x, [low[t], common]) for t in range(2)]
    stream = mixed(sharing.shared_gates[0], x, [*low, common])
    expected = [mixed(sharing.gates[1][t], tasks[t], [own[t][1](tasks[t]), shared[1](stream)]) for t in range(2)]
    found = sharing({"task00": x, "task01": x}, TrainState())
    assert len(sharing.shared_gates) == 1  # none after the last level
    for a, b in zip(found.values(), expected, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_fusion_of_own_experts_alone_doubles_nothing_but_its_residual() -> None:
    """AdaTT with gates that pick the own expert is f + f at every level."""
    run = make_run("adatt:levels=1", "synthetic:tasks=3")
    gates = [Picks(t, 3) for t in range(3)]
    run.model.sharing.gates = nn.ModuleList([nn.ModuleList(gates)])
    x = run.data("train").groups[0][0][:5]
    features = run.model.sharing(dict.fromkeys(run.model.sharing.tasks, x), TrainState())
    for t, feature in enumerate(features.values()):
        y = x
        for stage in run.model.sharing.experts[t][0]:
            y = stage(y)
        assert torch.allclose(feature, 2 * y, atol=1e-12)


def test_smooth_step_is_the_paper_s_cubic() -> None:
    z = torch.tensor([-2.0, -0.5, -0.25, 0.0, 0.25, 0.5, 2.0], dtype=torch.float64)
    assert torch.allclose(smooth_step(z, 1.0), torch.tensor([0, 0, 0.15625, 0.5, 0.84375, 1, 1], dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda v: smooth_step(v, 1.0), z[2:5].clone().requires_grad_())


@pytest.mark.parametrize("experts", [3, 4, 5])
def test_settled_selectors_use_exactly_k_experts(experts: int) -> None:
    sharing = make_run(f"dselect_k:experts={experts},k=2").model.sharing
    codes = sharing.codes.double() - 0.5
    with torch.no_grad():
        sharing.z[:, 0], sharing.z[:, 1] = codes[0], codes[experts - 1]
    gates = sharing.gates()
    assert ((gates > 0).sum(dim=1) == 2).all()
    assert (gates[:, [0, experts - 1]] > 0).all()
    assert torch.allclose(gates.sum(dim=1), torch.ones(3).double())
    tail = 0 if experts == 4 else 3 * 2  # 1 / sum of a settled selector, where codes without an expert exist
    assert float(sharing.regulariser().detach()) == pytest.approx(tail, abs=1e-9)


# --- towers that are fused ------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_fusion_by_multiples_of_the_identity_is_cross_stitch(suite: str) -> None:
    fused, stitched = make_run("nddr:norm=none", suite), make_run("cross_stitch", suite)
    assert apart(predictions(fused), predictions(stitched)) <= 1e-12
    for name, matrix in fused.model.sharing.matrices().items():
        assert torch.allclose(matrix, stitched.model.sharing.matrices()[name.replace("fusion", "stitch")].double())


def test_subspaces_are_stitched_channel_by_channel() -> None:
    """One stage of a sluice network against sums written out, where the halves differ in size."""
    sharing = make_run("sluice", "synthetic:tasks=2").model.sharing
    with torch.no_grad():
        alpha = sharing.alphas[0].copy_(torch.rand(4, 4, generator=torch.Generator().manual_seed(0)))
    streams = [torch.randn(6, 5, generator=torch.Generator().manual_seed(t)).double() for t in range(2)]
    found = sharing._stitch(streams, alpha)
    halves = [half for stream in streams for half in (stream[:, :2], stream[:, 2:])]
    for t in range(2):
        for s in range(2):
            expected = torch.zeros_like(halves[2 * t + s])
            for u, other in enumerate(halves):
                width = min(expected.shape[1], other.shape[1])
                expected[:, :width] += alpha[2 * t + s, u] * other[:, :width]
            assert torch.allclose(found[t][:, :2] if s == 0 else found[t][:, 2:], expected, atol=1e-12)


def test_overlap_of_subspaces_is_the_norm_of_their_products() -> None:
    sharing = make_run("sluice:strength=0.5", "synthetic:tasks=2").model.sharing
    expected = 0.0
    for tower in sharing.towers:
        for stage in tower:
            weight = stage[0].weight.detach().numpy()  # (outputs, inputs)
            first, second = weight[:32], weight[32:]
            expected += float(((first @ second.T) ** 2).sum())
    assert float(sharing.regulariser().detach()) == pytest.approx(0.5 * expected, rel=1e-12)


@pytest.mark.parametrize("suite", SUITES)
def test_exhibits_sum_where_cross_stitch_averages(suite: str) -> None:
    """At tied starts T towers agree: the paper's unit returns what came in, the exhibits T times as much."""
    [x] = [x for x, _ in make_run("hard", suite).data("train").groups]
    names = [task.name for task in make_run("hard", suite).model.tasks]
    features = {}
    for form in ("paper", "libmtl", "mtan"):
        sharing = make_run(f"cross_stitch:as={form}", suite).model.sharing
        assert len(sharing.units) == len(sharing.towers[0]) - (form == "libmtl")
        features[form] = sharing(dict.fromkeys(names, x[:4]), TrainState())
        for name, matrix in sharing.matrices().items():
            assert torch.equal(matrix, torch.ones_like(matrix)) == (form != "paper"), name
    first = sharing.towers[0][0](x[:4])
    assert torch.allclose(sharing.units[0]([first] * len(names))[0], len(names) * first)
    mtan = list(features["mtan"].values())
    assert all(torch.equal(mtan[0], other) for other in mtan[1:])
    with torch.no_grad():
        sharing.units[0].alpha.add_(torch.arange(len(names)))
    assert not torch.allclose(sharing.units[0].matrix().sum(dim=1), torch.ones(len(names)).double())


# --- attention -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_masks_of_ones_are_hard_sharing(suite: str) -> None:
    run = make_run("mtan", suite)
    with torch.no_grad():
        for masks in run.model.sharing.attention:
            for mask in masks:
                mask.second.weight.zero_()
                mask.second.bias.fill_(50.0)
    assert apart(predictions(run), predictions(make_run("hard", suite))) <= 1e-12


def test_masks_lie_between_zero_and_one() -> None:
    run = make_run("mtan", "multidigits")
    mask = run.model.sharing.attention[0][0](run.data("train").groups[0][0][:3, :, :6, :6]).detach()
    assert mask.shape == (3, *run.model.sharing.shapes[0])
    assert 0 < float(mask.min()) < float(mask.max()) < 1


# --- factors ---------------------------------------------------------------------------------------


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


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


# --- searched structures ---------------------------------------------------------------------------


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


def test_parts_of_a_number_are_not_rounded_up() -> None:
    assert [_truncate_rank(share, full) for share, full in ((0.07, 100), (0.5, 5), (1, 7), (0.01, 3))] == [7, 3, 7, 1]


@pytest.mark.parametrize("method", ["adatt", "cgc", "ple"])
def test_the_usage_of_a_gate_is_of_its_own_task(method: str) -> None:
    """With inputs of their own: what a gate answers on the other tasks' rows is not in its matrix."""
    run = make_run(method, "synthetic:inputs=own,tasks=3")
    gates = [gate for gate in run.model.sharing.modules() if isinstance(gate, Gate)]
    with torch.no_grad():
        for number, gate in enumerate(gates):
            gate.linear.weight.normal_(generator=torch.Generator().manual_seed(number))
    first = run.model.sharing.gates[0][0]
    batch = run.data("train").take([torch.arange(8)] * 3)
    task = run.model.tasks[0].name
    expected = torch.softmax(first.linear(batch[0][task]), dim=-1).mean(dim=0)
    before = first.usage.clone()
    run.model.train()
    run.model.sharing(batch[0], run.module.state)
    assert torch.allclose(first.usage, before.lerp(expected.to(before), 0.01), atol=1e-9)


def test_separate_experts_are_separate_models_only_where_nothing_gates_them() -> None:
    assert make_run("cgc:own=1,shared=0").model.separate
    assert not make_run("cgc:own=2,shared=0").model.separate


# --- the parts -------------------------------------------------------------------------------------


def test_draws_follow_the_softmax_and_carry_its_gradient() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64).expand(20_000, 3).clone().requires_grad_()
    drawn = gumbel_choice(logits, 2.0, torch.Generator().manual_seed(0))
    assert ((drawn == 0) | (drawn == 1)).all()
    shares = drawn.detach().mean(dim=0)
    assert torch.allclose(shares, torch.softmax(logits[0], dim=0), atol=0.015)  # five standard errors
    [slope] = torch.autograd.grad((drawn * torch.tensor([1.0, 2.0, 3.0])).sum(), logits)
    assert torch.allclose(slope.sum(dim=1), torch.zeros(20_000).double(), atol=1e-12)
    assert (slope[:, 0] < 0).all()


def test_stretches_cover_the_stages_in_order() -> None:
    for stages in range(1, 8):
        for count in range(1, 10):
            found = split_stages(stages, count)
            assert [stage for stretch in found for stage in stretch] == list(range(stages))
            sizes = [len(stretch) for stretch in found]
            assert min(sizes) >= 1
            assert max(sizes) - min(sizes) <= 1


def test_features_are_carried_by_means_cuts_and_zeros() -> None:
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    small = carry_over(x, (3, 2, 2))
    assert torch.equal(small[0, 0], torch.tensor([[2.5, 4.5], [10.5, 12.5]]))
    assert torch.equal(small[0, 2], torch.zeros(2, 2))
    assert torch.equal(carry_over(x, (1, 4, 4)), x[:, :1])
    assert pool(torch.ones(2, 3, 30, 4)).shape == (2, pooled_size((3, 30, 4))) == (2, 96)
    gates, features = torch.tensor([[0.25, 0.75]]), [torch.ones(1, 2), 3 * torch.ones(1, 2)]
    assert torch.equal(weighted_sum(gates, features), torch.full((1, 2), 2.5))


def learned(model: MultiTaskModel) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_sizes_are_those_of_the_catalogue() -> None:
    """T = 3: T experts cost what single_task does, beside gates; low-rank updates T r (rows + columns)."""
    single, hard = learned(make_run("single_task").model), learned(make_run("hard").model)
    assert learned(make_run("mmoe").model) == single + 3 * 3 * 20
    rows = [(64, 20), (64, 64)]
    assert learned(make_run("lora:rank=4").model) == hard + 3 * 4 * sum(a + b for a, b in rows)
    assert learned(make_run("learn_to_branch").model) == single + 2 * 9
    assert learned(make_run("adashare").model) == hard + 2 * 3 * 2
