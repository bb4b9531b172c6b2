"""What each way of sharing equals when its knobs are turned to an end, in float64, and what its parts must obey."""

import pytest
import torch
from torch import Tensor, nn

from bench.core.sharing import split_stages
from bench.core.state import TrainState
from bench.sharing.dmtrl import _truncate_rank
from bench.sharing.dselect_k import smooth_step
from bench.toolbox.layers import Gate, carry_over, gumbel_choice, pool, pooled_size, weighted_sum
from bench.training.model import MultiTaskModel
from tests.bench.sharing.laws import SHORT, SUITES, Picks, after, apart, predictions
from tests.conftest import make_run, train_run


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


def test_passes_are_one_for_all_tasks_or_one_for_each() -> None:
    """Masks and trunk are the same at the start; a task's gradient reaches the other's passes where they are shared."""
    own, shared = (make_run(method, "multidigits") for method in ("mtan", "mtan:passes=shared"))
    assert len(own.model.sharing.passes) == len(own.model.tasks)
    assert len(shared.model.sharing.passes) == 1
    for part in ("trunk", "attention"):
        sides = [getattr(run.model.sharing, part).state_dict() for run in (own, shared)]
        assert part != "trunk" or all(torch.equal(sides[0][key], sides[1][key]) for key in sides[0])
        assert sides[0].keys() == sides[1].keys()
    reached = {}
    for run in (own, shared):
        x, names = run.data("train").groups[0][0][:3], [task.name for task in run.model.tasks]
        features = run.model.sharing(dict.fromkeys(names, x), run.module.state)
        passes = list(run.model.sharing.passes.parameters())
        slopes = [
            torch.autograd.grad(features[name].sum(), passes, allow_unused=True, retain_graph=True) for name in names
        ]
        reached[run] = [sum(slope is not None for slope in each) / len(passes) for each in slopes]
    assert reached == {own: [1 / len(own.model.tasks)] * len(own.model.tasks), shared: [1.0] * len(shared.model.tasks)}
    [trunk, towers] = shared.model.sharing.parameter_groups("adam")
    assert trunk.role == "trunk"
    assert {id(p) for p in shared.model.sharing.passes.parameters()} <= {id(p) for p in trunk.parameters}
    assert {id(p) for p in shared.model.sharing.attention.parameters()} == {id(p) for p in towers.parameters}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("method", ["mtan", "mtan:passes=shared"])
def test_masks_of_ones_are_hard_sharing(method: str, suite: str) -> None:
    run = make_run(method, suite)
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
