"""A run, whole: repeatable from its specification, paired between methods, and sound whatever happens to it."""

import platform
import re
import socket
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.catalogue.registry import Choice, Entry
from bench.core.data import Dataset
from bench.core.sharing import Blueprint, ParameterGroup, Sharing
from bench.core.state import TrainState
from bench.errors import DataMissing, Diverged
from bench.planning.plan import parse_suite, plan
from bench.records import ResultRecord, RunSpec
from bench.scores import score
from bench.sharing.independent import Soft
from bench.training import load as load_module
from bench.training.batches import Batches
from bench.training.environment import strip_paths
from bench.training.evaluate import evaluate
from bench.training.fit import Run, fit
from bench.training.trainer import train
from bench.training.watch import TrainingMonitor
from suites.synthetic import Synthetic
from tests.bench.methods import catalogue
from tests.conftest import make_run, train_run

SHORT = {"epochs": "2", "steps_per_epoch": "4"}


def specify(method: str = "hard", suite: str = "synthetic:tasks=3", seed: int = 0, **settings: str) -> RunSpec:
    """The specification of a run of eight updates under the suite's own protocol."""
    [spec] = plan(suite, [method], [seed], SHORT | settings, device="cpu")
    return spec


def content(record: ResultRecord) -> dict[str, Any]:
    """What should not depend on when and how fast a run was made."""
    kept = record.model_dump(exclude={"digest", "created", "cost"})
    assert record.cost is not None
    return kept | {"parameters": record.cost.parameters, "flops": record.cost.forward_flops}


# --- one specification, one result -------------------------------------------------------------


@pytest.mark.parametrize("suite", ["synthetic:tasks=3", "synthetic:inputs=own,tasks=2", "multidigits"])
@pytest.mark.parametrize("method", ["hard@uncertainty", "cross_stitch", "soft+l2"])
def test_the_same_specification_gives_the_same_record(method: str, suite: str) -> None:
    """In float32, under the suite's own optimiser, with another run and other random numbers in between."""
    spec = specify(method, suite)
    assert spec.protocol.precision == "float32"
    first = fit(spec)
    torch.rand(7)
    assert fit(specify("hard_wide", suite, seed=1)).status == "done"
    again = fit(spec)
    assert first.status == "done"
    assert content(again) == content(first)
    assert content(fit(specify(method, suite, seed=1)))["statistics"] != first.statistics


def test_budget_and_seed_are_all_that_a_longer_run_shares() -> None:
    """The first epochs of a longer run are the shorter run, where the schedule does not look ahead."""
    short, long = (fit(specify("hard", schedule="constant", epochs=n)).curves for n in ("2", "3"))
    assert {task: losses[:2] for task, losses in long.train_loss.items()} == short.train_loss


# --- pairing -----------------------------------------------------------------------------------


def paths(run: Run) -> dict[str, list[Tensor]]:
    """task -> the parameters on its way from input to output, as they act."""
    sharing = run.model.sharing
    return {
        task: [getattr(m, name) for part in (*getattr(sharing, "trunk", []), *tower, run.model.heads[task])
               for m, name in plain_parameters(part)]
        for task, tower in zip(run.model.heads, sharing.towers, strict=True)
    }  # fmt: skip


def plain_parameters(part: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """(module, attribute) of the weights and biases of linear and convolutional layers."""
    for module in part.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            yield from ((module, name) for name in ("weight", "bias"))


@pytest.mark.parametrize("suite", ["synthetic:tasks=3", "multidigits"])
def test_every_method_of_a_seed_starts_from_the_same_weights(suite: str) -> None:
    reference = paths(make_run("single_task", suite))
    for method in ("hard", "hard:split=1", "cross_stitch", "soft+l2", "soft+l2:form=offset", "hard@uncertainty"):
        for task, parameters in paths(make_run(method, suite)).items():
            assert all(torch.equal(p, q) for p, q in zip(parameters, reference[task], strict=True)), (method, task)
    other = paths(make_run("single_task", suite, seed=1))
    assert all(not torch.equal(other[task][0], reference[task][0]) for task in reference)


def test_independent_towers_start_apart_the_first_as_when_tied() -> None:
    tied, apart = (paths(make_run(f"single_task:init={init}")) for init in ("tied", "independent"))
    first, second, _ = apart
    assert torch.equal(apart[first][0], tied[first][0])
    assert not torch.equal(apart[second][0], tied[second][0])
    assert torch.equal(apart[second][-2], tied[second][-2])  # heads have streams of their own
    cross = paths(make_run("cross_stitch:init=independent"))
    assert all(torch.equal(p, q) for task in apart for p, q in zip(apart[task], cross[task], strict=True))


@pytest.mark.parametrize("suite", ["synthetic:tasks=3", "synthetic:inputs=own,tasks=2"])
def test_every_method_of_a_seed_reads_the_same_batches(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[list[int]]] = []
    take = Dataset.take

    def spy(self: Dataset, indices: list[Tensor], generator: torch.Generator | None = None) -> Any:
        taken.append([index.tolist() for index in indices])
        return take(self, indices, generator)

    monkeypatch.setattr(Dataset, "take", spy)
    orders = {}
    for method in catalogue():
        train_run(make_run(method, suite, epochs="2", steps_per_epoch="4", lr="1e-4"))
        orders[method] = list(taken)
        taken.clear()
    assert all(len(order) == 8 for order in orders.values())
    assert [method for method, order in orders.items() if order != orders["single_task"]] == []
    train_run(make_run("single_task", suite, seed=1, epochs="2", steps_per_epoch="4"))
    assert taken != orders["single_task"]


class Careless(Sharing):
    """Draws its weights from the global stream, as a plug-in might."""

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(blueprint.suite.backbone()[0][0].in_features))
        self.output_shape = tuple(self.gain.shape)

    def forward(self, inputs: Any, state: TrainState) -> dict[str, Tensor]:
        return {task: x * self.gain for task, x in inputs.items()}


def test_seeding_precedes_construction() -> None:
    spec = specify()
    _, suite = parse_suite(spec.suite)
    careless = Choice(Entry("sharing", "careless", Careless, 1, ""), {})
    method = Method(careless, None, Method.parse("hard").weighting)
    built = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        run = Run(spec, suite, method)
        built.append((dict(run.model.named_parameters()), torch.get_rng_state()))
    (first, stream), (again, same_stream) = built
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert torch.equal(stream, same_stream)  # dropout and masks draw from it
    other = Run(specify(seed=1), suite, method).model.sharing
    assert not torch.equal(other.gain, first["sharing.gain"])


@pytest.mark.parametrize("method", catalogue())
def test_building_twice_gives_the_same_model(method: str) -> None:
    torch.manual_seed(5)
    first = make_run(method).model.state_dict()
    torch.manual_seed(6)
    again = make_run(method).model.state_dict()
    assert first.keys() == again.keys()
    for name, value in first.items():  # what is not a tensor is a weighting's own state
        assert torch.equal(value, again[name]) if isinstance(value, Tensor) else value == again[name]


# --- what is read when -------------------------------------------------------------------------


class Watched(Synthetic):
    """A suite that keeps a diary of what was read, and may do something instead."""

    def __init__(self, diary: list[str], instead: Callable[[str], None] | None = None) -> None:
        super().__init__(tasks=2)
        self.diary, self.instead = diary, instead

    def dataset(self, split: Any, seed: int) -> Dataset:
        self.diary.append(split)
        if self.instead:
            self.instead(split)
        return super().dataset(split, seed)

    def checksums(self) -> dict[str, str]:
        return {"none": ""}


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[ResultRecord, list[str]]]:
    """watched(method) -> the record of a short run on a Watched suite, and its diary with the epochs."""

    def get(
        method: str = "hard", instead: Callable[[str], None] | None = None, **settings: str
    ) -> tuple[ResultRecord, list[str]]:
        diary: list[str] = []
        spec = specify(method, "synthetic:tasks=2", **settings)
        choice, _ = parse_suite(spec.suite)
        monkeypatch.setattr(load_module, "parse_suite", lambda text, data_dir: (choice, Watched(diary, instead)))
        return fit(spec, on_epoch=lambda done, epochs: diary.append(f"epoch {done}/{epochs}")), diary

    return get


@pytest.mark.parametrize("method", ["single_task", "hard", "cross_stitch", "soft+l2"])
def test_the_test_split_is_read_once_and_after_training(watched: Any, method: str) -> None:
    record, diary = watched(method, epochs="3")
    assert record.status == "done"
    assert diary == ["train", "val", "epoch 1/3", "epoch 2/3", "epoch 3/3", "test"]
    assert record.statistics.keys() == {"val", "per_task", "last"}  # three rules, one reading


def test_without_a_validation_split_the_last_epoch_is_kept() -> None:
    spec = specify("hard", "synthetic:tasks=2")
    splits = {"train": 400, "test": 2000}
    spec = spec.model_copy(
        update={"protocol": spec.protocol.model_copy(update={"splits": splits, "selection": "last"})}
    )
    diary: list[str] = []
    found = Run(spec, Watched(diary), Method.parse("hard")).result()
    assert diary == ["train", "test"]
    assert found["selection"] == {"last": {"task00": 2, "task01": 2}}
    assert found["statistics"].keys() == {"last"}
    assert found["curves"].val == {}
    assert len(found["curves"].train_loss["task00"]) == 2


def test_scores_of_a_rule_come_from_its_epoch() -> None:
    """The statistics stored under a rule are those of a run that stops at the epoch the rule chose."""
    record = fit(specify("single_task", lr="0.3", schedule="constant", epochs="5"))
    chosen = record.selection["val"]
    assert chosen == record.selection["per_task"]  # separate models
    assert set(chosen.values()) != {5}
    for task, epoch in chosen.items():
        val = record.curves.val[task]["rmse"]
        assert epoch == 1 + val.index(min(val))
        stopped = fit(specify("single_task", lr="0.3", schedule="constant", epochs=str(epoch)))
        assert stopped.statistics["last"][task] == record.statistics["val"][task]


# --- the record --------------------------------------------------------------------------------


def strings(value: Any) -> Iterator[str]:
    """Every text inside nested dicts and lists, keys too; packed arrays left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key != "float16":
                yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def private(record: ResultRecord) -> list[str]:
    """Texts of a record with an absolute path, or the name of this machine."""
    hosts = {socket.gethostname(), platform.node(), socket.getfqdn()} - {"", "localhost"}
    path = re.compile(r"(?<![\w.])/\w|[A-Za-z]:\\")
    return [
        text
        for text in strings(record.model_dump(mode="json"))
        if path.search(text) or any(re.search(rf"\b{re.escape(host)}\b", text) for host in hosts)
    ]


@pytest.mark.parametrize("method", ["single_task", "cross_stitch:warm=0.5", "soft+l2:form=offset", "hard@uncertainty"])
@pytest.mark.parametrize("suite", ["synthetic:tasks=3", "synthetic:inputs=own,tasks=2"])
def test_a_finished_record_is_sound(method: str, suite: str, tmp_path: Path) -> None:
    spec = specify(method, suite)
    record = fit(spec, data_dir=tmp_path)
    assert (record.status, record.error) == ("done", None)
    assert record.find_problems() == []
    again = ResultRecord.model_validate_json(record.model_dump_json())
    assert again == record
    assert again.find_problems() == []
    assert private(record) == []
    assert (record.run_id, record.spec) == (spec.run_id, spec)
    assert record.suite == suite
    assert record.method == Method.parse(method).short
    assert record.curves.train_loss.keys() == record.curves.val.keys() == set(record.tasks)
    assert all(len(losses) == 2 for losses in record.curves.train_loss.values())
    assert record.cost is not None
    assert record.cost.parameters == sum(p.numel() for p in make_run(method, suite).model.parameters())
    assert len(record.model_dump_json()) < 64 * 1024


def test_curves_stop_at_ten_tasks() -> None:
    ten, eleven = (fit(specify("hard", f"synthetic:tasks={n}", epochs="1", steps_per_epoch="1")) for n in (10, 11))
    assert len(ten.curves.val) == 10
    assert eleven.curves.val == eleven.curves.train_loss == {}
    assert len(eleven.scores["val"]) == 11


def test_shuffled_targets_reach_training_alone() -> None:
    """Separate models: the shuffled task learns something else, the other is what it was, digit for digit."""
    settings = {"epochs": "2", "steps_per_epoch": "8"}
    plain, other = (
        fit(plan("synthetic:tasks=2", ["single_task"], [0], settings | more, "cpu")[0])
        for more in ({}, {"shuffled": "task01"})
    )
    assert other.spec.overrides["shuffled"] == "task01"
    assert other.scores["last"]["task00"] == plain.scores["last"]["task00"]
    assert other.scores["last"]["task01"] != plain.scores["last"]["task01"]
    assert other.statistics["last"]["task01"]["count"] == plain.statistics["last"]["task01"]["count"]


def test_a_diverged_run_is_a_failed_record() -> None:
    spec = specify("hard", optimiser="sgd", lr="1e12")
    record = fit(spec)
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.type == "Diverged"
    assert re.fullmatch(
        r"The training loss of `task0\d`(, `task0\d`)* stopped being finite in epoch \d\.", record.error.message
    )
    assert (record.statistics, record.scores, record.selection, record.cost) == ({}, {}, {}, None)
    assert (record.run_id, record.spec, record.suite, record.method) == (spec.run_id, spec, "synthetic:tasks=3", "hard")
    assert record.environment["torch"] == version("torch")
    assert record.find_problems() == []
    assert ResultRecord.model_validate_json(record.model_dump_json()).find_problems() == []


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_an_error_anywhere_is_a_failed_record_without_paths(watched: Any, split: str) -> None:
    def fail(name: str) -> None:
        if name == split:
            raise DataMissing("MNIST is not in `/home/someone/data`: see ~/notes/todo.txt, (/opt/x/y.py)")

    record, _ = watched("hard", fail)
    assert record.status == "failed"
    assert record.error.type == "DataMissing"
    assert record.error.message == "MNIST is not in `data`: see todo.txt, (y.py)"
    assert re.fullmatch(r"test_training\.fail, line \d+", record.error.where)
    assert record.find_problems() == []
    assert private(record) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no path at all", "no path at all"),
        ("cannot open '/a/b/c.npy'", "cannot open 'c.npy'"),
        ('File "/a/b/c.py", line 3', 'File "c.py", line 3'),
        ("file:///a/b.txt and /tmp", "file://b.txt and tmp"),
        ("3 km/h, and/or, 1/2", "3 km/h, and/or, 1/2"),
        ("root=/a/b;next=/c", "root=b;next=c"),
    ],
)
def test_paths_are_cut_to_their_last_part(text: str, kept: str) -> None:
    assert strip_paths(text) == kept


# --- what is tested is what was selected ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["single_task", "hard", "cross_stitch:own=0,rate=0,warm=0.5", "single_task:warm=0.5"]
)
def test_a_kept_epoch_scores_as_it_did_when_it_was_selected(method: str) -> None:
    """Also where it lies in an earlier phase, in which the method uses its weights in another way."""
    spec = specify(method, epochs="4")
    _, suite = parse_suite(spec.suite)
    run = Run(spec, suite, Method.parse(spec.method))
    val = run.data("val")
    watch = TrainingMonitor(run.module, val)
    train(run.module, Batches(run.data("train"), run.protocol, spec.seed), watch)
    curves = watch.curves().val
    chosen = watch.selector.choose_epochs()
    assert chosen["last"]["task00"] == 4
    for epochs in chosen.values():
        for task, epoch in epochs.items():
            kept = watch.selector.snapshot(epoch)
            run.model.load_state_dict(kept.weights)
            found = score("regression", evaluate([(run.model, kept.state)], val)[task])["rmse"]
            assert found == pytest.approx(curves[task]["rmse"][epoch - 1], abs=1e-6)


def test_predictions_that_are_not_finite_are_a_failure() -> None:
    run = make_run("hard")
    with torch.no_grad():
        run.model.heads["task01"].weight.fill_(torch.inf)  # type: ignore[union-attr,operator]
    with pytest.raises(Diverged, match="predictions of `task01`"):
        evaluate([(run.model, run.module.state)], run.data("val"))


def test_separate_models_are_clipped_apart_and_joint_ones_together() -> None:
    for method, norms in (("single_task", [0.5, 0.5, 0.5]), ("hard", None)):
        run = make_run(method, clip_norm="0.5")
        for parameter in run.model.parameters():
            parameter.grad = torch.full_like(parameter, 3.0)
        run.module.configure_gradient_clipping(None, 0.5)
        gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
        if norms is None:
            assert float(torch.cat([g.flatten() for g in gradients]).norm()) == pytest.approx(0.5, rel=1e-5)
            continue
        parts = run.model.separate_parameters()
        assert sum(map(len, parts)) == len(gradients)
        found = [float(torch.cat([p.grad.flatten() for p in part if p.grad is not None]).norm()) for part in parts]
        assert found == pytest.approx(norms, rel=1e-5)


def test_the_prox_steps_with_the_rate_of_its_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Soft, "parameter_groups", lambda self, _: [ParameterGroup(list(self.parameters()), lr_factor=0.5)]
    )
    run = make_run("soft+l2", epochs="1", steps_per_epoch="1")
    steps: list[float] = []
    for held in run.model.held:
        monkeypatch.setattr(held, "apply_prox", lambda step, progress: steps.append(step))
    train_run(run)
    assert steps == pytest.approx([0.5 * run.protocol.lr] * len(run.model.held))
