"""Several seeds trained as one stack: each is what a run of its own is, and has a record of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.catalogue.registry import Choice, Entry
from bench.cli.main import main
from bench.core.sharing import Blueprint, Sharing
from bench.core.state import TrainState
from bench.core.suite import Stage
from bench.engines import Ended, Progressed
from bench.execution.cell import StoredCell
from bench.execution.stacked_cell import StackedCell, group_seeds
from bench.planning.plan import plan
from bench.records import ResultRecord, RunSpec
from bench.sharing.hard import Hard
from bench.training.fit import Run, fit
from bench.training.stacked.seeds import StackedBatches, Watches, fit_stacked
from bench.training.stacked.stack import CannotStack, StackedModule
from bench.training.trainer import train
from bench.training.watch import TrainingMonitor
from leaderboard.store import Store
from tests.bench.test_fingerprints import WIDTH, Tiny
from tests.bench.training.pair import STEPS, Pictures
from tests.conftest import train_run

SEEDS = (0, 3)
MEAN = {"coordinates": "mean", "optimiser": "adam"}
METHODS = [
    "single_task",
    "hard",
    "cross_stitch",
    "mmoe",
    "lora",
    "dmtrl:form=tt",
    "soft+l2",
    "soft+l2:form=offset",
    "soft+mtrl",
    "soft+orthogonal",
    "hard@uncertainty",
    "hard@dwa",
    "hard@rlw",
    "hard@famo",
    "hard@gradnorm",
    "hard@pcgrad",
]


def make(method: Method, seed: int, suite: Tiny, **settings: Any) -> Run:
    """A short run, in float64."""
    spec = RunSpec(
        suite="tiny",
        method=method.canonical,
        seed=seed,
        protocol=suite.protocol.model_copy(update=STEPS | settings),
        versions=method.versions,
        data="",
    )
    return Run(spec, suite, method)


def stacked(method: Method, suite: Tiny, rates: tuple[float, ...] = (), **settings: Any) -> list[Run]:
    """The runs of all seeds, and of each at all learning rates, trained as one stack."""
    own = [settings | {"lr": rate} for rate in rates] or [settings]
    runs = [make(method, seed, suite, **each) for each in own for seed in SEEDS]
    batches = StackedBatches([run.batches(run.data("train")) for run in runs])
    train(StackedModule([run.module for run in runs]), batches, Watches([TrainingMonitor(run.module) for run in runs]))
    return runs


def numbers(model: nn.Module) -> Tensor:
    """Parameters, running statistics and the weighting's state."""
    return torch.cat([value.double().flatten() for value in model.state_dict().values() if isinstance(value, Tensor)])


@pytest.mark.parametrize(
    ("text", "suite", "settings"),
    [
        *((method, Tiny, {}) for method in METHODS),
        ("hard:split=1", Tiny, {"optimiser": "adam"}),
        ("cross_stitch", Pictures, {}),  # BatchNorm, channels last
        *((f"{name}:muted=1", Tiny, {}) for name in ("cross_stitch", "sluice", "nddr", "ple")),
        *((f"soft+{name}", Tiny, MEAN) for name in ("l2", "l1", "mtrl", "trace_norm:hold=inf", "l21:form=penalty")),
        ("soft+l21", Pictures, {"coordinates": "mean"}),
        ("soft+cluster", Tiny, MEAN | {"optimiser": "sgd", "weight_decay": 0.01, "clip_norm": 0.1}),
        ("single_task", Tiny, {"clip_norm": 0.1, "weight_decay": 0.01}),
        ("hard@uncertainty", Tiny, {"clip_norm": 0.1, "loss_reduction": "mean"}),
    ],
)
def test_a_stack_is_its_runs(text: str, suite: type[Tiny], settings: dict[str, Any]) -> None:
    method = Method.parse(text)
    for seed, run in zip(SEEDS, stacked(method, suite(), **settings), strict=True):
        alone = train_run(make(method, seed, suite(), **settings))
        assert float((numbers(run.model) - numbers(alone)).abs().max()) < 1e-9
        assert run.module.state.step == STEPS["epochs"] * STEPS["steps_per_epoch"]
    assert float((numbers(run.model) - numbers(train_run(make(method, 0, suite(), **settings)))).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("soft+l2:halflife=5", MEAN),  # held by a strength that follows the rate
        ("hard", {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 0.01, "trunk_lr": 0.3}),
        ("single_task", {"optimiser": "adam", "weight_decay": 0.01, "clip_norm": 0.1}),
        ("hard@uncertainty", {"optimiser": "adam", "loss_reduction": "mean"}),
    ],
)
def test_learning_rates_of_a_stack_may_differ(text: str, settings: dict[str, Any]) -> None:
    method, rates = Method.parse(text), (0.02, 0.1, 0.005)
    runs = iter(stacked(method, Tiny(), rates, **settings))
    alone = {}
    for rate in rates:
        for seed in SEEDS:
            alone[rate, seed] = numbers(train_run(make(method, seed, Tiny(), **settings | {"lr": rate})))
            assert float((numbers(next(runs).model) - alone[rate, seed]).abs().max()) < 1e-9
    assert float((alone[0.02, 0] - alone[0.1, 0]).abs().max()) > 1e-3


# --- what cannot be stacked --------------------------------------------------------------------


class Dropping(Tiny):
    """Dropout behind the first layer."""

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return nn.ModuleList([Stage(nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5), output_shape=(WIDTH,))])


class Sliced(Hard):
    """`hard` with a learned gain, read from a slice of a list: torch makes new parameters of tensors there."""

    parameter_groups = Sharing.parameter_groups

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self.gains = nn.ParameterList([nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))])

    def forward(self, inputs: Any, state: TrainState) -> dict[str, Tensor]:
        return {task: self.gains[1:][0] * x for task, x in super().forward(inputs, state).items()}


class Remembering(Hard):
    """Has a term of the rows that its own forward pass saw last."""

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
        self.last = 0.0

    def forward(self, inputs: Any, state: TrainState) -> dict[str, Tensor]:
        features = super().forward(inputs, state)
        self.last = next(iter(features.values())).square().mean()
        return features

    def regulariser(self) -> Any:
        return self.last


def plugged(cls: type) -> Method:
    """A method that a plug-in would bring."""
    hard = Method.parse("hard")
    return Method(Choice(Entry("sharing", "plugged", cls, 1, ""), {}), None, hard.weighting)


@pytest.mark.parametrize("method", ["adashare", "learn_to_branch", "cross_stitch:warm=0.5"])
def test_phases_are_refused(method: str) -> None:
    with pytest.raises(CannotStack, match=r"^A method that trains in phases cannot be stacked\.$"):
        stacked(Method.parse(method), Tiny())


def test_random_numbers_in_the_forward_pass_are_refused() -> None:
    with pytest.raises(RuntimeError, match="random operation"):
        stacked(Method.parse("hard"), Dropping())


def test_a_term_of_the_forward_pass_is_refused() -> None:
    with pytest.raises((CannotStack, RuntimeError)):
        stacked(plugged(Remembering), Tiny())


def test_gradients_that_a_stack_loses_are_noticed() -> None:
    """Its losses are right; the gain would stay where it is."""
    assert train_run(make(plugged(Sliced), 0, Tiny())).sharing.gains[1].item() != 1.0  # type: ignore[union-attr,index]
    with pytest.raises(CannotStack, match="do not compute what each does by itself"):
        stacked(plugged(Sliced), Tiny())


# --- records -----------------------------------------------------------------------------------


def specs(method: str, **settings: str) -> list[RunSpec]:
    """A few short runs that differ in their seed."""
    base = {"precision": "float64", "epochs": "3", "steps_per_epoch": "8"}
    return plan("synthetic:tasks=2", [method], SEEDS, base | settings, "cpu")


def near(a: ResultRecord, b: ResultRecord) -> None:
    """Two records of one specification, equal but for rounding and time."""
    assert (a.status, a.run_id, a.spec, a.selection) == (b.status, b.run_id, b.spec, b.selection)
    assert a.find_problems() == []
    for rule, tasks in b.scores.items():
        for task, scores in tasks.items():
            assert a.scores[rule][task] == pytest.approx(scores, abs=1e-9)
    for task, losses in b.curves.train_loss.items():
        assert a.curves.train_loss[task] == pytest.approx(losses, abs=1e-6)
        assert a.curves.val[task]["rmse"] == pytest.approx(b.curves.val[task]["rmse"], abs=1e-6)
    assert a.effective_sharing == pytest.approx(b.effective_sharing, abs=1e-4)


@pytest.mark.parametrize("method", ["single_task", "soft+l2"])
def test_every_seed_has_the_record_of_a_run_of_its_own(method: str) -> None:
    told: list[tuple[int, int]] = []
    runs = specs(method, lr="0.05")
    records = fit_stacked(runs, on_epoch=lambda done, epochs: told.append((done, epochs)))
    alone = [fit(spec) for spec in runs]
    assert told == [(1, 3), (2, 3), (3, 3)]
    for record, other in zip(records, alone, strict=True):
        near(record, other)
        assert record.cost is not None
        assert other.cost is not None
        assert record.cost.hardware == f"{other.cost.hardware}, 2 seeds stacked"
        assert record.cost.parameters == other.cost.parameters
    assert len({record.digest for record in records}) == 2


def test_what_cannot_be_stacked_is_trained_in_turn_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    runs = specs("adashare")
    records = fit_stacked(runs)
    assert (
        "are trained one after the other: A method that trains in phases cannot be stacked." in capsys.readouterr().err
    )
    assert [record.statistics for record in records] == [fit(spec).statistics for spec in runs]
    assert all(record.cost and "stacked" not in record.cost.hardware for record in records)


def test_one_seed_that_fails_is_not_the_others_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, snapshot = specs("hard"), TrainingMonitor._snapshot

    def spoiled(watch: TrainingMonitor) -> Any:
        if watch.module.state.generator is not None and watch.module.state.generator.initial_seed() == spoilt:
            raise OSError("cannot be kept")
        return snapshot(watch)

    spoilt = make(Method.parse("hard"), SEEDS[1], Tiny()).module.state.generator.initial_seed()  # type: ignore[union-attr]
    monkeypatch.setattr(TrainingMonitor, "_snapshot", spoiled)
    records = fit_stacked(runs)
    assert [record.status for record in records] == ["done", "failed"]
    assert "are trained one after the other: cannot be kept" in capsys.readouterr().err


def test_a_rate_that_diverges_is_not_the_fault_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [spec for lr in ("0.05", "1e30") for spec in specs("hard", lr=lr, optimiser="sgd")]
    records = fit_stacked(runs)
    assert [record.status for record in records] == ["done", "done", "failed", "failed"]
    assert [record.spec for record in records] == runs
    assert [record.cost and record.cost.hardware[-15:] for record in records[:2]] == ["2 seeds stacked"] * 2
    error = capsys.readouterr().err
    assert error.index("The learning rates of `") < error.index("The seeds of `")


# --- the command line --------------------------------------------------------------------------


def test_stacks_are_seeds_of_one_method() -> None:
    runs = plan("synthetic:tasks=2", ["hard", "single_task"], range(5), {}, "cpu")
    groups = group_seeds(runs, 3)
    assert [[spec.seed for spec in group] for group in groups] == [[0, 1, 2], [3, 4]] * 2
    assert [spec for group in groups for spec in group] == runs
    assert all(len({spec.method for spec in group}) == 1 for group in groups)


def test_stacks_may_have_several_learning_rates() -> None:
    runs = [spec for lr in ("0.01", "0.003") for spec in plan("synthetic:tasks=2", ["hard"], [0, 1], {"lr": lr}, "cpu")]
    other = plan("synthetic:tasks=2", ["hard"], [0], {"lr": "0.01", "epochs": "3"}, "cpu")
    assert group_seeds([*runs, *other], 10) == [tuple(runs), tuple(other)]


def test_what_is_told_of_the_first_is_told_of_all(tmp_path: Path) -> None:
    stack = plan("synthetic:tasks=2", ["hard"], range(3), {"epochs": "1", "steps_per_epoch": "1"}, "cpu")
    cell = StackedCell.of(StoredCell(tmp_path, tmp_path), stack, 3)
    assert cell.first == stack[:1]
    assert list(cell.events_of_all_seeds([Progressed(stack[0], 1, 2)])) == [Progressed(spec, 1, 2) for spec in stack]
    Store(tmp_path).write(fit(stack[1]))
    died = Ended(stack[0], "failed", "the worker died")
    assert list(cell.events_of_all_seeds([died])) == [
        died,
        Ended(stack[1], "done"),
        Ended(stack[2], "failed", "the worker died"),
    ]


def test_a_stacked_table_is_stored_seed_by_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "synthetic:tasks=2", "hard", "--seeds", "0-2", "--store", str(tmp_path), "--jobs", "1"]
    words += ["--device", "cpu", "--stack", "2", "--set", "epochs=1", "--set", "steps_per_epoch=4", "--json"]
    assert main(words) == 0
    assert [cell["status"] for cell in json.loads(capsys.readouterr().out)["cells"]] == ["done"] * 3
    records = sorted(Store(tmp_path).read().records, key=lambda record: record.spec.seed)
    classes = [record.cost.hardware.partition("thread")[2] for record in records if record.cost]
    assert classes == [", 2 seeds stacked", ", 2 seeds stacked", ""]


def test_a_layer_in_two_places_is_left_to_runs_of_their_own() -> None:
    class Tied(Tiny):
        """Two stages of one layer."""

        def backbone(self, width: float = 1.0) -> nn.ModuleList:
            layer = nn.Linear(WIDTH, WIDTH)
            return nn.ModuleList(Stage(layer, output_shape=(WIDTH,)) for _ in range(2))

    suite = Tied()
    runs = [make(Method.parse("hard"), seed, suite) for seed in SEEDS]
    with pytest.raises(CannotStack, match="A layer that is used in two places"):
        StackedModule([run.module for run in runs])
