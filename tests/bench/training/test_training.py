"""A run, whole: repeatable from its specification, paired between methods, and sound whatever happens to it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.catalogue.registry import Choice, Entry
from bench.core.data import Dataset
from bench.core.sharing import Blueprint, Sharing
from bench.core.state import TrainState
from bench.errors import DataMissing
from bench.planning.plan import parse_suite
from bench.records import ResultRecord
from bench.training import load as load_module
from bench.training.fit import Run, fit
from tests.bench.methods import catalogue
from tests.bench.training.specified import content, specify
from tests.bench.training.test_finished_records import private
from tests.bench.training.watched import Watched
from tests.conftest import make_run, train_run


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
