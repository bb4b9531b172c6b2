"""Loops as people write them: mixed precision, accumulated gradients, several optimisers, schedules, missing losses."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bench.errors import UsageError
from bench.loop.own_network import OwnNetwork
from bench.loop.share import share
from tests.bench.loop.own import group_alike, list_batches, losses_of, share_alike
from tests.conftest import make_run, train_run

METHODS = ["hard", "soft+l2:halflife=5", "cross_stitch+l2@pcgrad", "hard@uncertainty", "single_task", "mmoe@cagrad"]
STAGES = [nn.Sequential(nn.Linear(6, 5), nn.Tanh()), nn.Sequential(nn.Linear(5, 4), nn.Tanh())]
HEADS = {"a": nn.Linear(4, 1), "b": nn.Linear(4, 2)}


def make(method: str, **options: object) -> OwnNetwork:
    torch.manual_seed(0)
    return share(copy.deepcopy(STAGES), HEADS, method, **options).double()  # type: ignore[arg-type]


def rows(n: int = 12) -> Tensor:
    return torch.randn(n, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(n))


def losses(net: OwnNetwork, x: Tensor) -> dict[str, Tensor | None]:
    return {task: (p - x[:, : p.shape[1]]).square().mean() for task, p in net(x).items()}


def states(net: OwnNetwork) -> list[Tensor]:
    return [p.detach().clone() for p in net.parameters()]


def agree(first: list[Tensor], second: list[Tensor], tolerance: float = 0.0) -> bool:
    return all(
        torch.allclose(a, b, rtol=0, atol=tolerance) if tolerance else torch.equal(a, b)
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("method", METHODS)
def test_twenty_steps_under_autocast_are_those_of_the_harness_in_bf16(method: str) -> None:
    run = make_run(method, precision="bf16", optimiser="adam", coordinates="mean", epochs="2", steps_per_epoch="10")
    net = share_alike(run)
    optimiser = torch.optim.Adam(group_alike(net, run), fused=True)  # type: ignore[arg-type]
    for batch in list_batches(run):
        with torch.autocast("cpu", torch.bfloat16):
            each = losses_of(net, run, batch)
        net.step(each, optimiser)
    model = train_run(run)
    assert net.state.step == 20
    assert agree([*model.parameters()], [*net.parameters()])


@pytest.mark.parametrize("method", ["hard", "soft+l2:halflife=5", "hard@pcgrad", "soft+l2:form=penalty,strength=0.1"])
def test_accumulated_gradients_are_those_of_the_whole_batch(method: str) -> None:
    """Means over halves: their mean is that of the whole, for every weighting that is linear in the gradients."""
    whole, halves = make(method), make(method)
    optimisers = [torch.optim.SGD(net.parameter_groups(lr=0.1, optimiser="sgd")) for net in (whole, halves)]
    x = rows()
    whole.step(losses(whole, x), optimisers[0])
    optimisers[1].zero_grad()
    parts = [x[:6], x[6:]] if method != "hard@pcgrad" else [x, x]  # PCGrad is not linear
    for part in parts:
        halves.backward(losses(halves, part), share=0.5)
    halves.update(optimisers[1])
    assert agree(states(whole), states(halves), 1e-14)
    assert whole.state.step == halves.state.step == 1


@pytest.mark.parametrize("method", METHODS)
def test_two_optimisers_train_as_one(method: str) -> None:
    one, two = make(method), make(method)
    optimiser = torch.optim.Adam(one.parameter_groups(lr=0.01))
    groups = two.parameter_groups(lr=0.01)
    both = [torch.optim.Adam([group]) for group in groups]
    for _ in range(3):
        one.step(losses(one, rows()), optimiser)
        two.step(losses(two, rows()), both)
    assert agree(states(one), states(two))


def test_a_new_optimiser_and_a_copy_of_the_network_are_read_anew() -> None:
    """Wherever the new one lies in memory: rates of an old one would go on, and a copy would not be trained."""
    net = make("soft+l2:halflife=5")
    for lr in (0.1, 0.3, 0.2):
        optimiser = torch.optim.SGD(net.parameter_groups(lr=lr, optimiser="sgd"))
        net.step(losses(net, rows()), optimiser)
        assert {net._find_rate(held) for held in net.held} == {lr}
        twin = copy.deepcopy(net)
        with pytest.raises(UsageError, match="should have every parameter that learns"):
            twin.step(losses(twin, rows()), optimiser)
        del optimiser


def test_the_prox_takes_the_rate_that_a_schedule_has_set() -> None:
    net = make("soft+l2:halflife=5", coordinates="copies")
    optimiser = torch.optim.SGD(net.parameter_groups(lr=0.1, optimiser="sgd"))
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5)
    seen: list[float] = []
    held = net.held[0]
    plain: Callable[..., Tensor] = held.constraint.prox
    held.constraint.prox = lambda W, step: seen.append(step) or plain(W, step)  # type: ignore[method-assign,func-returns-value]
    for _ in range(3):
        net.step(losses(net, rows()), optimiser)
        schedule.step()
    assert seen == [0.1, 0.05, 0.025]


def test_a_task_without_a_loss_leaves_its_own_parameters_and_the_others_go_on() -> None:
    net = make("single_task")
    optimiser = torch.optim.SGD(net.parameter_groups(lr=0.1, optimiser="sgd"))
    before = copy.deepcopy(net)
    net.step(losses(net, rows()) | {"b": None}, optimiser)
    assert agree([*before.heads["b"].parameters()], [*net.heads["b"].parameters()])
    assert not agree([*before.heads["a"].parameters()], [*net.heads["a"].parameters()])


@pytest.mark.parametrize("method", ["hard@pcgrad", "hard@dwa", "hard@famo", "hard@uncertainty", "mmoe@cagrad"])
def test_a_missing_loss_is_what_a_batch_without_labels_is_to_the_harness(method: str) -> None:
    run = make_run(method, "synthetic:tasks=3", epochs="1", steps_per_epoch="4")
    net = share_alike(run)
    optimiser = torch.optim.SGD(group_alike(net, run))  # type: ignore[arg-type]
    name = net.names[1]
    run.module.configure_optimizers()
    run.model.partly_labelled = frozenset([name])
    theirs = torch.optim.SGD(run.model.group_parameters(run.protocol))
    batches = run.batches(run.data("train"))
    run.model.partly_labelled = frozenset([name])
    for inputs, targets in batches:
        without = inputs, targets | {name: torch.full_like(targets[name], torch.nan)}
        run.module.on_train_batch_start(without, 0)
        theirs.zero_grad()
        run.module.training_step(without, 0)
        run.module.backward(run.module.taken.total)
        theirs.step()
        run.module.finish_update(1.0)
        if run.module.again:
            from bench.loop.step import observe_again
            from bench.training.gradients import compute_losses

            replay, state, _ = run.module.again
            after = replay.compute(lambda state=state, batch=without: compute_losses(run.model, batch, state))  # type: ignore[misc]
            observe_again(run.model, after, run.module.taken.present)
        again: Callable[[], dict[str, Tensor | None]] = lambda batch=without: losses_of(net, run, batch) | {name: None}  # type: ignore[assignment,misc]  # noqa: E731
        net.step(losses_of(net, run, without) | {name: None}, optimiser, again=again)
    assert agree([*run.model.parameters()], [*net.parameters()])


@pytest.mark.parametrize("method", ["hard", "hard@pcgrad", "soft+l2:halflife=5"])
def test_scaled_gradients_are_taken_back_and_a_step_that_overflows_is_none(method: str) -> None:
    plain, scaled = make(method).float(), make(method).float()
    optimisers = [torch.optim.SGD(net.parameter_groups(lr=0.1, optimiser="sgd")) for net in (plain, scaled)]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    x = rows().float()
    plain.step(losses(plain, x), optimisers[0], clip_norm=0.5)
    scaled.step(losses(scaled, x), optimisers[1], clip_norm=0.5, scaler=scaler)
    assert agree(states(plain), states(scaled), 1e-6)
    before = states(scaled)
    huge = torch.amp.GradScaler("cpu", init_scale=3e38)  # of float32: gradients overflow
    scaled.step(
        {task: 1e3 * loss for task, loss in losses(scaled, x).items() if loss is not None}, optimisers[1], scaler=huge
    )
    assert agree(before, states(scaled))
    assert scaled.state.step == 1


@pytest.mark.parametrize("graphs", [1, 8])
@pytest.mark.parametrize("method", ["hard@mgda", "cross_stitch@cagrad", "soft+l2:halflife=5"])
def test_a_compiled_network_takes_the_same_steps(method: str, graphs: int) -> None:
    """Also where torch has given up compiling the whole, and compiles functions inside of it."""
    torch.compiler.reset()
    with torch._dynamo.config.patch(recompile_limit=graphs):
        for _ in range(2):  # two networks, each of which is compiled anew
            torch.compile(make(method), backend="aot_eager")(rows())
        plain, compiled = make(method), make(method)
        fast = torch.compile(compiled, backend="aot_eager")
        optimisers = [torch.optim.SGD(net.parameter_groups(lr=0.1, optimiser="sgd")) for net in (plain, compiled)]
        for _ in range(3):
            plain.step(losses(plain, rows()), optimisers[0])
            compiled.step(losses(fast, rows()), optimisers[1])  # type: ignore[arg-type]
    assert agree(states(plain), states(compiled), 1e-12)


@pytest.mark.parametrize("method", ["adashare", "cross_stitch:warm=0.5", "hard@gradnorm", "soft+trace_norm"])
def test_a_loop_that_was_stopped_goes_on_as_if_it_never_was(method: str) -> None:
    """After 3 of 6 updates, in a new network: state of network and optimiser are all there is."""
    whole = make(method, updates=6, steps_per_epoch=3)
    optimiser = torch.optim.Adam(whole.parameter_groups(lr=0.01))
    for _ in range(3):
        whole.step(losses(whole, rows()), optimiser)
    saved = copy.deepcopy((whole.state_dict(), optimiser.state_dict()))
    for _ in range(3):
        whole.step(losses(whole, rows()), optimiser)
    other = make(method, updates=6, steps_per_epoch=3, seed=0)
    again = torch.optim.Adam(other.parameter_groups(lr=0.01))
    other.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    for _ in range(3):
        other.step(losses(other, rows()), again)
    assert other.state.step == 6
    assert agree(states(whole), states(other))


def test_rows_of_their_own_for_each_task_are_what_the_whole_gives() -> None:
    net = make("cross_stitch").eval()
    x, z = rows(), rows(8)
    apart = net({"a": x, "b": z})
    assert torch.equal(apart["a"], net(x)["a"])
    assert torch.equal(apart["b"], net(z)["b"])
    assert list(net({"b": z})) == ["b"]


def test_modules_that_were_given_stay_as_they_are_and_two_methods_start_alike() -> None:
    stages = copy.deepcopy(STAGES)
    before = [p.detach().clone() for stage in stages for p in stage.parameters()]
    first = share(stages, HEADS, "hard")
    optimiser = torch.optim.SGD(first.parameter_groups(lr=0.5, optimiser="sgd"))
    first.step({task: p.square().mean() for task, p in first(rows().float()).items()}, optimiser)
    assert agree(before, [p for stage in stages for p in stage.parameters()])
    second = share(stages, HEADS, "single_task")
    assert agree(before, list(second.sharing.towers[1].parameters()))  # type: ignore[union-attr,index]
