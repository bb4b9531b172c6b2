"""Training where labels are missing: nothing under a mask is seen, and a task without a label says nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.api import StepState, TrainState, register
from bench.catalogue.registry import choose
from bench.core.labels import check_labels
from bench.errors import UsageError
from bench.planning.plan import list_method_names, list_supported_methods, plan
from bench.records import ResultRecord, parse_call
from bench.training.fit import Run, fit
from bench.training.gradients import find_present
from bench.training.stacked.seeds import _fit_as_stack
from bench.training.step import training_step
from tests.bench.methods import trained_methods
from tests.bench.training.gappy import CLASSES, TASKS, Gappy, write_anything


@pytest.fixture(autouse=True)
def registered() -> None:
    register("gappy")(Gappy)


def specify(method: str, seeds: list[int] | None = None, **settings: str) -> Any:
    """The specifications of `method` on the suite with gaps, in float64."""
    return plan("gappy", [method], seeds or [0], {"precision": "float64"} | settings, device="cpu")


def run(method: str, **settings: str) -> ResultRecord:
    """The record of a run, which has to be a finished one."""
    [spec] = specify(method, **settings)
    record = fit(spec)
    assert record.error is None, record.error
    assert record.find_problems() == []
    return record


def content(record: ResultRecord) -> dict[str, Any]:
    """All that training and scoring decided."""
    names = {"statistics", "scores", "selection", "curves", "matrices", "effective_sharing", "cosines", "correct_rows"}
    return record.model_dump(include=names | {"labels"})


# --- the poison test ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", trained_methods())
def test_what_lies_under_a_mask_changes_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masked targets that are NaN, infinite, huge or of other classes: the same record, bit for bit."""
    try:
        specify(method)
    except UsageError:
        pytest.skip("the method does not support the suite")
    clean = content(run(method))
    monkeypatch.setattr(Gappy, "poison", staticmethod(write_anything))
    assert content(run(method)) == clean


def test_the_poison_test_covers_most_methods() -> None:
    supported = set(list_supported_methods("gappy")) & set(trained_methods())
    assert len(supported) >= 0.9 * len(trained_methods())


def test_poison_is_deadly_where_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gappy, "poison", staticmethod(write_anything))
    targets = {task: Gappy().dataset("train", 0).targets[task] for task in TASKS}
    monkeypatch.setattr("bench.core.data.mark_missing", lambda target, labelled: target)
    seen = {task: Gappy().dataset("train", 0).targets[task] for task in TASKS}
    assert not any(torch.equal(targets[task], seen[task]) for task in TASKS)
    with pytest.raises(UsageError, match="The loss of `two` should leave out labels"):
        check_labels(Gappy(), "train", Gappy().dataset("train", 0))


@pytest.mark.parametrize("method", ["hard", "cross_stitch", "soft+l2", "hard@uncertainty", "hard@pcgrad"])
def test_nor_does_what_a_transform_decodes(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gappy, "stored", True)
    clean = content(run(method))
    monkeypatch.setattr(Gappy, "poison", staticmethod(lambda target: target * 0 + 2))
    assert content(run(method)) == clean


# --- an independent program ---------------------------------------------------------------------


def masked_mean(each: Tensor, mask: Tensor) -> Tensor:
    """The mean over True, 0 where there is none; by gathering, not by products."""
    return each[mask].mean() if bool(mask.any()) else each.sum() * 0


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_masked_training_is_that_of_a_plain_loop_with_masks(optimiser: str) -> None:
    [spec] = specify("hard", optimiser=optimiser)
    suite = Gappy()
    ours, start = Run(spec, suite, method("hard")), Run(spec, suite, method("hard"))
    train = ours.data("train")
    ours.train_on(train)
    model = start.model  # as it is before training
    trunk = [p for p in model.parameters() if p.requires_grad]
    step_by = torch.optim.SGD if optimiser == "sgd" else torch.optim.Adam
    stepper = step_by(trunk, lr=spec.protocol.lr)  # type: ignore[operator]
    order, x = start.batches(train).order, train.inputs["one"]
    for step in range(spec.protocol.updates):
        [rows] = order.batch(step)
        predicted = model(dict.fromkeys(["one"] * 1, x[rows]) | dict.fromkeys(TASKS, x[rows]), TrainState())
        total = torch.zeros((), dtype=torch.float64)
        for task in ("one", "two"):
            y = train.targets[task][rows]
            total = total + masked_mean((predicted[task] - y.nan_to_num()) ** 2, ~y.isnan())
        classes = train.targets["kind"][rows]
        log_p = torch.log_softmax(predicted["kind"], dim=1)
        total = total + masked_mean(-log_p[torch.arange(len(rows)), classes.clamp(min=0)], classes >= 0)
        stepper.zero_grad()
        total.backward()
        stepper.step()
    for mine, theirs in zip(ours.model.parameters(), model.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-12, atol=1e-14)


def method(text: str) -> Any:
    """A method as written."""
    from bench.catalogue.method import Method

    return Method.parse(text)


# --- tasks that are absent ----------------------------------------------------------------------


def test_many_batches_have_no_label_of_a_task() -> None:
    """What the tests of this module rest on."""
    [spec] = specify("single_task")
    of = Run(spec, Gappy(), method("single_task"))
    rows = of.data("train")
    present = [find_present(of.model, batch) for _ in range(spec.protocol.epochs) for batch in of.batches(rows)]
    assert sum(each is not None for each in present) >= 4
    assert {t for each in present if each is not None for t in set(range(3)) - set(each)} == {0, 1, 2}


def test_the_loss_of_an_epoch_is_over_the_batches_that_had_labels() -> None:
    [spec] = specify("single_task", lr="1e-12", epochs="1")  # as good as untrained, so that losses stay
    of = Run(spec, Gappy(), method("single_task"))
    rows = of.data("train")
    by_batch: dict[int, list[float]] = {t: [] for t, _ in enumerate(TASKS)}
    for batch in of.batches(rows):
        step = training_step(of.model, batch, of.module.state)
        for t in range(3) if step.present is None else step.present:
            by_batch[t].append(float(step.losses[t]))
    curves = of.train_on(rows).curves().train_loss
    for t, task in enumerate(TASKS):
        assert 0 < len(by_batch[t]) <= 6
        assert curves[task] == [pytest.approx(sum(by_batch[t]) / len(by_batch[t]), abs=1e-6)]
    assert any(len(losses) < 6 for losses in by_batch.values())


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A batch without any label, and the model for it."""

    def make(text: str) -> tuple[Run, Any]:
        [spec] = specify(text)
        of = Run(spec, Gappy(), method(text))
        rows = of.data("train")
        of.batches(rows)
        inputs, targets = rows.take([torch.arange(4)])
        blank = {t: y.masked_fill(y == y, float("nan") if y.is_floating_point() else -1) for t, y in targets.items()}
        return of, (inputs, blank)

    return make


@pytest.mark.parametrize("text", ["hard", "hard@uncertainty", "hard@pcgrad", "hard@famo", "hard@dwa", "hard@gradnorm"])
def test_a_batch_without_labels_says_nothing(text: str, nothing: Any) -> None:
    of, batch = nothing(text)
    step = training_step(of.model, batch, of.module.state)
    step.backward()
    assert step.present == []
    assert step.total.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in of.model.parameters())


WEIGHTINGS = [name.split("@")[1] for name in list_method_names() if "@" in name]


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weightings_keep_what_they_know_of_tasks_that_are_absent(name: str) -> None:
    """After a step of the others, the parameters and buffers of an absent task are where they were."""
    weighting = choose("weighting", parse_call(name)).build(["a", "b", "c"]).double()
    losses, J = torch.tensor([0.5, 2.0, 1.0]).double(), torch.eye(3).double() + 0.1
    moment = TrainState(0, 10, "train", torch.Generator().manual_seed(0))

    def take_step(present: Tensor | None) -> None:
        """A step of SGD on the weighting's own parameters, by the losses of the tasks that are there."""
        at = torch.arange(3) if present is None else present
        weights = weighting(StepState(losses[at], moment, (J @ J.T)[at][:, at], present))
        assert weights.shape == at.shape
        total = weights @ losses[at] + weighting.regulariser()
        if total.requires_grad:
            total.backward()
        with torch.no_grad():
            for p in weighting.parameters():
                if p.grad is not None:
                    p -= 0.1 * p.grad
                p.grad = None
        if weighting.needs_second_forward:
            weighting.observe(0.9 * losses[at])

    def read(task: int) -> list[list[float]]:
        """What the state holds of one task, but for what is rescaled over all of them."""
        state = {key: value for key, value in weighting.state_dict().items() if isinstance(value, Tensor)}
        return [v[..., task].tolist() for key, v in state.items() if v.dim() and v.shape[-1] == 3 and key != "weights"]

    take_step(None)
    before = read(1)
    take_step(torch.tensor([0, 2]))
    if name != "famo":  # Adam goes on with its momentum, and decays
        assert read(1) == before
    take_step(None)


# --- stacks, members, replicas ------------------------------------------------------------------

STACKED = ["soft+l2", "cross_stitch", "hard@uncertainty", "hard@pcgrad", "hard@famo", "hard@dwa"]


@pytest.mark.parametrize("text", STACKED)
def test_seeds_stack_where_each_lacks_other_labels(text: str) -> None:
    specs = specify(text, [0, 1])
    for stacked, spec in zip(_fit_as_stack(specs, None, None, [None, None], None, [None, None]), specs, strict=True):
        alone = fit(spec)
        assert stacked.labels == alone.labels
        for task in TASKS:
            for metric, value in alone.scores["last"][task].items():
                assert stacked.scores["last"][task][metric] == pytest.approx(value, rel=1e-9)
        assert stacked.curves.train_loss == alone.curves.train_loss


def test_the_record_tells_how_many_labels_there_were() -> None:
    record = run("hard", members="2")
    for split, counts in record.labels.items():
        rows = Gappy().dataset(split, 0)  # type: ignore[arg-type]
        assert counts == {task: int(rows.find_labelled_rows(task).sum()) for task in TASKS}
    assert record.labels.keys() == {"train", "val", "test"}
    [matrix] = [record.statistics["last"]["kind"]["confusion"]]
    assert sum(map(sum, matrix)) == record.labels["test"]["kind"] == record.correct_rows["kind"].rows
    assert len(matrix) == CLASSES
    fewer = {**record.labels, "test": {**record.labels["test"], "kind": record.labels["test"]["kind"] - 1}}
    assert any("test rows" in line for line in record.model_copy(update={"labels": fewer}).seal().find_problems())


def test_replicas_have_the_labels_of_their_task() -> None:
    record = run("hard", replica="kind")
    assert len(set(record.labels["train"].values())) == 1
    assert record.labels["train"]["kind"] == int(Gappy().dataset("train", 0).find_labelled_rows("kind").sum())


def test_batches_with_labels_of_every_task() -> None:
    [spec] = specify("hard", batches="labelled")
    of = Run(spec, Gappy(), method("hard"))
    rows = of.data("train")
    assert [find_present(of.model, batch) for batch in of.batches(rows)] == [None] * 6
