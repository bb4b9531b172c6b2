"""The exact limits between the methods, in float64 under SGD without momentum or decay."""

import copy
import math
import statistics

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.core.data import Order
from bench.core.state import TrainState
from bench.loop.effective_sharing import effective_sharing
from bench.planning.plan import parse_suite
from bench.sharing.cross_stitch import CrossStitch
from bench.training.fit import Run
from bench.training.model import MultiTaskModel
from tests.conftest import Trained, make_run, train_run

SUITES = ["synthetic:tasks=3", "synthetic:inputs=own,tasks=3", "multidigits"]
SHORT = {"steps_per_epoch": "8"}  # three epochs of it: what is not equal differs from the first updates on


@pytest.fixture(scope="module")
def trained(trained: Trained) -> Trained:
    """As everywhere, in runs of 24 updates."""
    return lambda method, suite=SUITES[0], **settings: trained(method, suite, **SHORT | settings)


def towers(model: MultiTaskModel) -> list[list[Tensor]]:
    """Per task, all parameters from input to output: its tower or the trunk, then its head."""
    result = []
    for t, task in enumerate(model.tasks):
        trunk = getattr(model.sharing, "trunk", [])
        own = model.sharing.towers[t]
        result.append([p.detach() for part in (*trunk, *own, model.heads[task.name]) for p in part.parameters()])
    return result


def distance(a: MultiTaskModel, b: MultiTaskModel) -> float:
    """The largest absolute difference of any parameter along any task's path."""
    pairs = [(p, q) for x, y in zip(towers(a), towers(b), strict=True) for p, q in zip(x, y, strict=True)]
    return max(float((p - q).abs().max()) for p, q in pairs)


@pytest.mark.parametrize("suite", SUITES)
def test_single_task_equals_separate_plain_loops(trained: Trained, suite: str) -> None:
    """An independent reference: each task alone in a bare PyTorch loop on the same batches."""
    model = trained("single_task", suite)
    run = make_run("single_task", suite, **SHORT)
    data = run.data("train")
    order = Order(data, run.protocol.batch_size, run.spec.seed)
    for t, task in enumerate(run.model.tasks):
        tower = nn.Sequential(*run.model.sharing.towers[t], run.model.heads[task.name])
        optimiser = torch.optim.SGD(tower.parameters(), lr=run.protocol.lr)
        for step in range(run.protocol.updates):
            inputs, targets = data.take(order.batch(step))
            optimiser.zero_grad()
            task.loss(tower(inputs[task.name]), targets[task.name]).backward()
            optimiser.step()
    assert distance(model, run.model) <= 1e-12


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("form", ["prox", "penalty"])
def test_soft_without_strength_is_single_task(trained: Trained, suite: str, form: str) -> None:
    assert distance(trained(f"soft+l2:form={form},halflife=inf", suite), trained("single_task", suite)) <= 1e-12


@pytest.mark.parametrize("suite", SUITES)
def test_infinite_strength_is_hard_at_the_mean_rate(trained: Trained, suite: str) -> None:
    hard = trained("hard", suite, trunk_lr_rule="mean")
    assert distance(trained("soft+l2:strength=1e12", suite), hard) <= 1e-10
    assert distance(trained("soft+l2:halflife=0", suite), hard) <= 1e-12
    assert distance(trained("soft+l2:strength=1e12", suite), trained("hard", suite)) > 1e-3  # not at the full rate


@pytest.mark.parametrize("suite", SUITES)
def test_distance_to_hard_is_inverse_to_the_strength(trained: Trained, suite: str) -> None:
    hard = trained("hard", suite, trunk_lr_rule="mean", epochs="1")
    near, far = (distance(trained(f"soft+l2:strength={v}", suite, epochs="1"), hard) for v in (1e9, 1e7))
    assert near == pytest.approx(far / 100, rel=0.05)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_tied_offset_form_is_hard_under_any_optimiser(trained: Trained, optimiser: str) -> None:
    soft = trained("soft+l2:form=offset,halflife=0", optimiser=optimiser, lr="0.002")
    hard = trained("hard", optimiser=optimiser, lr="0.002")
    [own] = {str(c.shape) for c in soft.copies()["0.0.weight"]}
    assert own == str(hard.sharing.trunk[0][0].weight.shape)
    for t in range(3):
        for name, stacked in soft.copies().items():
            assert torch.allclose(stacked[t], dict(hard.sharing.trunk.named_parameters())[name], rtol=0, atol=1e-10)


def test_the_dial_runs_from_single_task_to_hard_and_is_not_flat_between() -> None:
    """At a rate high enough that separate towers part: below it, what the tasks have in common at first prevails."""
    shared = []
    for halflife in ("inf", "100", "10", "1"):
        run = make_run(f"soft+l2:halflife={halflife}", lr="0.1", epochs="4", schedule="cosine")
        start = run.model.copies()
        shared.append(statistics.mean(effective_sharing(start, train_run(run).copies()).values()))
    assert shared[0] <= 0.6
    assert shared[-1] >= 0.99
    assert np.diff(shared).min() > 0
    assert shared[0] + 0.05 < shared[1] < shared[-1] - 0.05


def test_prox_has_the_stated_half_life() -> None:
    run = make_run("soft+l2:halflife=700")
    held = run.model.held[0]
    with torch.no_grad():
        held.copies[0].add_(1.0)
    before = held.copies[0] - held.copies[1]
    for _ in range(700):
        held.apply_prox(run.protocol.lr)
    after = held.copies[0] - held.copies[1]
    assert torch.allclose(after, before * (1 + math.log(2) / 700) ** -700, rtol=1e-9)
    assert torch.allclose(after, before / 2, rtol=1e-3)


def test_replicas_are_single_task_at_t_times_the_trunk_rate() -> None:
    """T identical tasks under the sum of losses equal one task whose trunk learns T times as fast."""

    def replicate(run, source: str):  # type: ignore[no-untyped-def]
        for name in run.model.heads:
            run.model.heads[name] = copy.deepcopy(run.model.heads[source])
        first = run.data("train")
        same = type(first)(
            dict.fromkeys(first.inputs, first.inputs[source]), dict.fromkeys(first.targets, first.targets[source])
        )
        run.data = lambda split: same
        return train_run(run)

    three = replicate(make_run("hard"), "task00")
    one = replicate(make_run("hard", trunk_lr="3", loss_reduction="sum", lr="0.02"), "task00")
    single = make_run("hard", suite="synthetic:tasks=1", trunk_lr="3")
    rows = make_run("hard").data("train")
    single.data = lambda split: type(rows)({"task00": rows.inputs["task00"]}, {"task00": rows.targets["task00"]})  # type: ignore[method-assign]
    alone = train_run(single)
    assert max(float((p - q).abs().max()) for p, q in zip(towers(three)[0], towers(alone)[0], strict=True)) <= 1e-12
    assert distance(three, one) > 1e-3


@pytest.mark.parametrize("suite", SUITES)
def test_split_endpoints(trained: Trained, suite: str) -> None:
    assert distance(trained("hard:split=0", suite), trained("single_task", suite)) == 0.0
    _, built = parse_suite(suite)
    stages = len(built.backbone())
    sizes = [sum(p.numel() for p in make_run(f"hard:split={s}", suite).model.parameters()) for s in range(stages + 1)]
    backbone = sum(p.numel() for p in built.backbone().parameters())
    heads = sum(p.numel() for p in trained("hard", suite).heads.parameters())
    assert sizes[-1] == backbone + heads
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("per", ["layer", "channel"])
def test_frozen_identity_stitch_is_single_task(trained: Trained, suite: str, per: str) -> None:
    assert distance(trained(f"cross_stitch:own=1,rate=0,per={per}", suite), trained("single_task", suite)) <= 1e-12


def test_normalised_stitch_without_cross_terms_is_single_task(trained: Trained) -> None:
    assert distance(trained("cross_stitch:cross=0,rows=normalised"), trained("single_task")) <= 1e-12


def stitched(suite: str, **options: object) -> MultiTaskModel:
    """A stitched model whose last unit reads tower 0 for every task."""
    model = make_run("cross_stitch:own=1,init=independent", suite).model
    assert isinstance(model.sharing, CrossStitch)
    with torch.no_grad():
        model.sharing.units[-1].alpha.zero_()[:, 0] = 1.0
    return model


def test_rows_e1_read_one_tower_and_leave_the_others_without_gradient() -> None:
    model = stitched("synthetic:tasks=3")
    inputs, targets = make_run("single_task").data("train").take([torch.arange(8)])
    features = model.sharing(inputs, TrainState())
    x = inputs["task00"]
    for stage in model.sharing.towers[0]:
        x = stage(x)
    assert all(torch.equal(feature, x) for feature in features.values())
    predictions = model(inputs, TrainState())
    sum(task.loss(predictions[task.name], targets[task.name]) for task in model.tasks).backward()
    for tower in model.sharing.towers[1:]:
        assert all(p.grad is None or not p.grad.any() for p in tower.parameters())
    assert all(p.grad is not None and p.grad.any() for p in model.sharing.towers[0].parameters())


@pytest.mark.parametrize("tasks", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "options", ["", ":cross=0", ":per=channel", ":rows=normalised", ":own=0.3", ":cross=0,per=channel"]
)
def test_rows_sum_to_one_at_the_start(tasks: int, options: str) -> None:
    model = make_run(f"cross_stitch{options}", f"synthetic:tasks={tasks}").model
    for matrix in model.sharing.matrices().values():
        assert torch.allclose(matrix.sum(dim=1), torch.ones(()).double(), atol=1e-15)


def test_normalised_rows_keep_summing_to_one(trained: Trained) -> None:
    free = trained("cross_stitch:rate=1").sharing.matrices().values()
    normalised = trained("cross_stitch:rate=1,rows=normalised").sharing.matrices().values()
    assert all(torch.allclose(m.sum(dim=1), torch.ones(()).double(), atol=1e-12) for m in normalised)
    assert max(float((m.sum(dim=1) - 1).abs().max()) for m in free) > 1e-3


def test_equal_tied_towers_give_equal_features() -> None:
    model = make_run("cross_stitch:own=0.3333333333333333").model
    inputs, _ = make_run("single_task").data("train").take([torch.arange(8)])
    first, *others = model.sharing(inputs, TrainState()).values()
    assert all(torch.allclose(first, other, atol=1e-12) for other in others)


EXCHANGEABLE = [
    *("single_task", "hard", "hard:split=1", "hard_wide", "cross_stitch:rate=1", "cross_stitch:as=mtan,rate=1"),
    *("cross_stitch:as=libmtl,rate=1", "nddr:rate=1", "sluice:rate=1", "mtan", "mmoe", "mmoe:gates=one", "cgc", "ple"),
    *("adatt", "dselect_k", "lora", "soft+l2"),
]


@pytest.mark.parametrize("method", EXCHANGEABLE)
def test_tasks_are_exchangeable(method: str) -> None:
    """Naming the tasks in another order permutes what is learned of them and nothing else.

    Methods whose towers start apart, or that draw for each task, are left out: there the order is a choice of start.
    """
    run, turned = (make_run(method, epochs="1", steps_per_epoch="20") for _ in range(2))
    other = copy.copy(turned.suite)
    other.tasks = list(reversed(turned.suite.tasks))
    turned = Run(turned.spec, other, Method.parse(method))
    a, b = train_run(run), train_run(turned)
    inputs, _ = run.data("test").take([torch.arange(16)])
    left, right = a(inputs, TrainState()), b(inputs, TrainState())
    for name in left:
        assert torch.allclose(left[name], right[name], atol=1e-9)
    assert not torch.allclose(left["task00"], left["task02"], atol=1e-2)


@pytest.mark.parametrize("method", ["hard", "hard:split=1", "mmoe:experts=2", "dselect_k:experts=2", "mtan", "lora"])
def test_a_task_of_weight_zero_leaves_the_others_alone(method: str) -> None:
    """Where nothing couples the tasks but their losses, a third task of weight 0 is as if it were not there."""
    settings = {"epochs": "1", "steps_per_epoch": "20"}
    three, two = make_run(f"{method}@static:weights=1/1/0", **settings), make_run(method, **settings)
    fewer, rows = copy.copy(two.suite), two.data("train")
    fewer.tasks = list(two.suite.tasks)[:2]
    names = [task.name for task in fewer.tasks]
    two = Run(two.spec, fewer, Method.parse(method))
    two.data = lambda split: type(rows)({n: rows.inputs[n] for n in names}, {n: rows.targets[n] for n in names})  # type: ignore[method-assign]
    inputs, _ = three.data("test").take([torch.arange(16)])
    with_it, without = (
        train_run(three)(inputs, TrainState()),
        train_run(two)({n: inputs[n] for n in names}, TrainState()),
    )
    assert list(without) == names
    assert all(torch.allclose(with_it[name], without[name], atol=1e-12) for name in names)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("split", [1, 2, None])
def test_wide_trunk_and_towers_have_the_parameters_of_single_task(suite: str, split: int | None) -> None:
    wide, alone = (
        sum(p.numel() for p in make_run(method, suite).model.sharing.parameters())
        for method in ("hard_wide" if split is None else f"hard_wide:split={split}", "single_task")
    )
    assert 0.9 * alone <= wide <= alone


def test_wide_trunk_is_just_below_t_trunks() -> None:
    for suite in ("multidigits", "synthetic:tasks=3"):
        _, built = parse_suite(suite)
        budget = len(built.tasks) * sum(p.numel() for p in built.backbone().parameters())
        wide = sum(p.numel() for p in make_run("hard_wide", suite).model.sharing.parameters())
        assert 0.97 * budget <= wide <= budget


@pytest.mark.parametrize("tasks", [1, 2, 3, 5])
def test_narrow_towers_have_the_parameters_of_one(tasks: int) -> None:
    for suite in (f"synthetic:tasks={tasks}", *(["multidigits"] if tasks == 2 else [])):
        narrow, one = (
            sum(p.numel() for p in make_run(method, suite).model.sharing.parameters())
            for method in ("single_task_narrow", "hard")
        )
        assert (1.0 if tasks == 1 else 0.85) * one <= narrow <= one


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_each_wide_tower_has_the_parameters_of_all_plain_ones(tasks: int) -> None:
    for suite in (f"synthetic:tasks={tasks}", *(["multidigits"] if tasks == 2 else [])):
        wide, plain = (
            sum(p.numel() for p in make_run(method, suite).model.sharing.parameters())
            for method in ("single_task_wide", "single_task")
        )
        assert (1.0 if tasks == 1 else 0.9) * tasks * plain <= wide <= tasks * plain
