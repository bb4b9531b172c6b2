"""Updates: the schedule, the phases, the rates and decays of each role, and clipping, against bare loops."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.core.data import Order
from bench.core.state import Phase
from bench.loop.held import ConstrainedParameter
from bench.records import Protocol
from bench.training.fit import Run
from bench.training.schedule import TrainingSchedule
from tests.bench.methods import catalogue
from tests.conftest import make_run, train_run

TEN = {"epochs": "2", "steps_per_epoch": "5"}
ONE = {"epochs": "1", "steps_per_epoch": "1"}


def protocol(**changed: str) -> Protocol:
    """The protocol of a run of ten updates."""
    return make_run("single_task", **TEN | changed).protocol


# --- the schedule ------------------------------------------------------------------------------


def test_constant_factors() -> None:
    schedule = TrainingSchedule(protocol(schedule="constant"), (Phase("train", 1.0),))
    assert [schedule.factor(step) for step in range(11)] == [1.0] * 11


def test_cosine_factors() -> None:
    schedule = TrainingSchedule(protocol(schedule="cosine"), (Phase("train", 1.0),))
    factors = [schedule.factor(step) for step in range(11)]
    assert factors == pytest.approx([math.cos(math.pi * k / 20) ** 2 for k in range(11)], abs=1e-15)
    assert (factors[0], factors[5], factors[10]) == (1.0, pytest.approx(0.5), 0.0)


def test_step_factors() -> None:
    setting = {"epochs": "5", "steps_per_epoch": "2", "schedule": "step", "decay_every": "2", "decay_factor": "0.5"}
    schedule = TrainingSchedule(protocol(**setting), (Phase("train", 1.0),))
    assert [schedule.factor(step) for step in range(10)] == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_the_schedule_starts_anew_in_each_phase() -> None:
    schedule = TrainingSchedule(protocol(schedule="cosine"), (Phase("a", 0.4), Phase("b", 0.6)))
    assert schedule.starts == [0, 4, 10]
    assert [schedule.phase(step) for step in range(11)] == [0] * 4 + [1] * 7
    expected = [math.cos(math.pi * k / 8) ** 2 for k in range(4)] + [math.cos(math.pi * k / 12) ** 2 for k in range(6)]
    assert [schedule.factor(step) for step in range(10)] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("shares", [(1.0,), (0.3, 0.7), (0.1,) * 10, (0.01, 0.99), (0.99, 0.01), (1 / 3,) * 3])
def test_phases_share_the_budget(shares: tuple[float, ...]) -> None:
    phases = tuple(Phase(f"p{n}", share) for n, share in enumerate(shares))
    schedule = TrainingSchedule(protocol(), phases)
    assert schedule.starts[0] == 0
    assert schedule.starts[-1] == 10
    lengths = [sum(schedule.phase(step) == n for step in range(10)) for n in range(len(phases))]
    assert sum(lengths) == 10
    assert all(abs(length - 10 * share) <= 1 for length, share in zip(lengths, shares, strict=True))


# --- what the optimiser is given ---------------------------------------------------------------

Step = tuple[list[dict[str, Any]], list[float]]  # the optimiser's groups as they are in its step, the proxes' rates


@contextmanager
def recorded() -> Iterator[list[Step]]:
    """Filled with what every update inside is made with."""
    seen: list[Step] = []
    apply_prox = ConstrainedParameter.apply_prox

    def spy_step(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        if optimiser.defaults["fused"]:  # a weighting may have an optimiser of its own
            seen.append(([dict(group) for group in optimiser.param_groups], []))

    def spy_prox(self: ConstrainedParameter, step: float, progress: float) -> None:
        seen[-1][1].append(step)
        apply_prox(self, step, progress)

    hook = register_optimizer_step_pre_hook(spy_step)
    ConstrainedParameter.apply_prox = spy_prox  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        hook.remove()
        ConstrainedParameter.apply_prox = apply_prox  # type: ignore[method-assign]


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_the_prox_has_the_rate_of_its_own_update(optimiser: str) -> None:
    run = make_run("soft+l2", optimiser=optimiser, schedule="cosine", **TEN)
    with recorded() as steps:
        train_run(run)
    expected = [0.02 * math.cos(math.pi * k / 20) ** 2 for k in range(10)]
    assert [groups[0]["lr"] for groups, _ in steps] == pytest.approx(expected, abs=1e-15)
    for groups, proxes in steps:  # two layers, weight and bias
        assert proxes == pytest.approx([groups[0]["lr"]] * 4, abs=1e-15)


@pytest.mark.parametrize("method", catalogue())
def test_every_update_counts(method: str) -> None:
    run = make_run(method, lr="0.001", **TEN)
    with recorded() as steps:
        train_run(run)
    assert len(steps) == run.module.state.step == run.protocol.updates == 10
    assert sum(phase.share for phase in run.model.sharing.phases()) == pytest.approx(1.0)


def groups_of(run: Run) -> dict[int, dict[str, Any]]:
    """id of a parameter -> the group that its first update is made in; each parameter in one group."""
    with recorded() as steps:
        train_run(run)
    found = [(id(p), group) for group in steps[0][0] for p in group["params"]]
    assert len(found) == len(dict(found))
    return dict(found)


@pytest.mark.parametrize("method", catalogue())
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_every_parameter_is_in_one_group(method: str, optimiser: str) -> None:
    run = make_run(method, optimiser=optimiser, **ONE)
    assert groups_of(run).keys() == {id(p) for p in run.model.parameters()}


def rates(groups: dict[int, dict[str, Any]], parts: nn.Module | list[nn.Parameter]) -> set[tuple[float, float]]:
    """(rate, weight decay) of the parameters in `parts`, to twelve decimals."""
    parameters = parts.parameters() if isinstance(parts, nn.Module) else parts
    return {(round(groups[id(p)]["lr"], 12), round(groups[id(p)]["weight_decay"], 12)) for p in parameters}


@pytest.mark.parametrize(
    ("settings", "trunk"),
    [
        ({}, (0.02, 0.5)),
        ({"trunk_lr_rule": "mean"}, (0.02 / 3, 0.5)),
        ({"trunk_lr": "3"}, (0.06, 0.5)),
        ({"trunk_lr": "0.5", "trunk_lr_rule": "mean"}, (0.01 / 3, 0.5)),
        ({"trunk_weight_decay": "3"}, (0.02, 1.5)),
        ({"trunk_weight_decay": "0"}, (0.02, 0.0)),
    ],
)
def test_trunk_settings_reach_what_several_tasks_own(settings: dict[str, str], trunk: tuple[float, float]) -> None:
    own = (0.02, 0.5)
    runs = [
        make_run(method, weight_decay="0.5", **ONE, **settings)
        for method in ("hard:split=1@uncertainty", "single_task", "soft+l2:form=offset")
    ]
    (hard, single, offset), groups = (run.model for run in runs), [groups_of(run) for run in runs]
    assert rates(groups[0], hard.sharing.trunk) == {(round(trunk[0], 12), trunk[1])}
    assert rates(groups[0], hard.sharing.towers) == rates(groups[0], hard.heads) == {own}
    assert rates(groups[0], hard.weighting) == {(0.02, 0.0)}
    assert rates(groups[1], single.sharing) == rates(groups[1], single.heads) == {own}
    assert rates(groups[2], offset.means) == {(round(trunk[0], 12), trunk[1])}
    assert rates(groups[2], [p for held in offset.held for p in held.copies]) == {own}


@pytest.mark.parametrize(
    ("optimiser", "option", "factor"),
    [("sgd", "", 100), ("adam", "", 1), ("sgd", ":rate=7", 7), ("adam", ":rate=0", 0)],
)
def test_coupling_parameters_have_their_own_rate_and_no_decay(optimiser: str, option: str, factor: float) -> None:
    run = make_run(f"cross_stitch{option}", optimiser=optimiser, weight_decay="0.5", trunk_lr_rule="mean", **ONE)
    groups = groups_of(run)
    assert rates(groups, run.model.sharing.units) == {(round(0.02 * factor, 12), 0.0)}
    assert rates(groups, run.model.sharing.towers) == rates(groups, run.model.heads) == {(0.02, 0.5)}


# --- against bare loops ------------------------------------------------------------------------


def bare_loop(run: Run, phases: list[int], settings: dict[str, Any], after: Callable[[nn.Module], None]) -> nn.Module:
    """The model of `run` trained without the harness; an optimiser and a cosine schedule per phase."""
    data = run.data("train")
    order = Order(data, run.protocol.batch_size, run.spec.seed)
    kind = torch.optim.Adam if run.protocol.optimiser == "adam" else torch.optim.SGD
    step = 0
    for length in phases:
        optimiser = kind(run.model.parameters(), lr=run.protocol.lr, **settings)
        for k in range(length):
            optimiser.param_groups[0]["lr"] = run.protocol.lr * (1 + math.cos(math.pi * k / length)) / 2
            inputs, targets = data.take(order.batch(step))
            outputs = run.model(inputs, run.module.state)
            optimiser.zero_grad()
            sum(task.loss(outputs[task.name], targets[task.name]) for task in run.model.tasks).backward()
            after(run.model)
            optimiser.step()
            step += 1
    return run.model


def furthest(a: nn.Module, b: nn.Module) -> float:
    """The largest absolute difference between the parameters of two models of one form."""
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in pairs)


@pytest.mark.parametrize(
    ("optimiser", "settings"), [("sgd", {"momentum": 0.9, "weight_decay": 0.01}), ("adam", {"betas": (0.8, 0.9)})]
)
@pytest.mark.parametrize(("warm", "phases"), [("0", [10]), ("0.5", [5, 5]), ("0.3", [3, 7])])
def test_a_phase_clears_the_optimiser_and_restarts_the_schedule(
    optimiser: str, settings: dict[str, Any], warm: str, phases: list[int]
) -> None:
    written = {key: "/".join(map(str, v)) if isinstance(v, tuple) else str(v) for key, v in settings.items()}
    setting = {"optimiser": optimiser, "schedule": "cosine", **written, **TEN}
    trained = train_run(make_run(f"single_task:warm={warm}", **setting))
    plain = bare_loop(make_run("single_task", **setting), phases, settings, lambda model: None)
    assert furthest(trained, plain) <= 1e-12
    if len(phases) > 1:
        never = bare_loop(make_run("single_task", **setting), [10], settings, lambda model: None)
        assert furthest(trained, never) > 1e-4


def test_towers_train_alone_until_they_are_stitched() -> None:
    """A warm start of nine updates in ten: until then the towers are single-task's and the units untouched."""
    run = make_run("cross_stitch:warm=0.9,rate=1", epochs="1", steps_per_epoch="10")
    forward, seen = run.model.sharing.forward, []

    def spy(inputs: Any, state: Any) -> Any:
        seen.append((state.phase, copy.deepcopy(run.model.state_dict())))
        return forward(inputs, state)

    run.model.sharing.forward = spy
    start = run.model.sharing.units[0].alpha.detach().clone()
    train_run(run)
    assert [phase for phase, _ in seen] == ["towers"] * 9 + ["stitched"]
    assert all(torch.equal(weights["sharing.units.0.alpha"], start) for _, weights in seen)
    assert not torch.equal(run.model.sharing.units[0].alpha, start)  # the last update moved it
    alone = train_run(make_run("single_task", epochs="1", steps_per_epoch="9")).state_dict()
    assert all(torch.allclose(seen[9][1][name], alone[name], rtol=0, atol=1e-12) for name in alone)


@pytest.mark.parametrize("clip", [0.5, 1e6])
def test_clipping_bounds_the_norm_of_the_whole_gradient(clip: float) -> None:
    norms: list[float] = []

    def limit(model: nn.Module) -> None:
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), clip)))

    setting = {"schedule": "cosine", "clip_norm": str(clip), **TEN}
    plain = bare_loop(make_run("hard", **setting), [10], {}, limit)
    trained = train_run(make_run("hard", **setting))
    assert furthest(trained, plain) <= 1e-12
    assert all((norm > clip) == (clip < 1) for norm in norms)  # the small bound is felt, the large one is not


@pytest.mark.parametrize("method", ["hard", "cross_stitch:rate=1", "soft+l2:halflife=inf"])
def test_the_mean_reduction_is_a_smaller_rate_under_sgd(method: str) -> None:
    third = train_run(make_run(method, loss_reduction="mean", lr="0.06", **TEN))
    assert furthest(third, train_run(make_run(method, lr="0.02", **TEN))) <= 1e-12
    by_weights = train_run(make_run(f"{method}@uniform:reduction=mean", lr="0.06", **TEN))
    assert furthest(third, by_weights) <= 1e-12


@pytest.mark.parametrize("method", ["hard@uncertainty", "hard@imtl_l", "hard@gls", "hard@static:weights=2/0/0.5"])
def test_the_mean_reduction_holds_for_what_a_weighting_adds(method: str) -> None:
    third = train_run(make_run(method, loss_reduction="mean", lr="0.06", **TEN))
    assert furthest(third, train_run(make_run(method, lr="0.02", **TEN))) <= 1e-12


def test_separate_models_keep_weight_one() -> None:
    summed, mean = (train_run(make_run("single_task", loss_reduction=r, **TEN)) for r in ("sum", "mean"))
    assert furthest(summed, mean) == 0.0
