"""The correct rows of a record: those of the models that the rule `val` keeps, however they were trained."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.core.data import Dataset
from bench.core.task import Classification, Regression, Task
from bench.records import CorrectRows, ResultRecord
from bench.training.correctness import Correctness
from bench.training.evaluate import collect_statistics
from bench.training.fit import Run, fit
from bench.training.learned import Ensemble
from bench.training.stacked.seeds import fit_stacked
from tests.bench.training.specified import specify
from tests.conftest import make_run

DIGITS = "multidigits"
SHORT = {"epochs": "4", "steps_per_epoch": "6", "lr": "0.01"}
ROWS = 1596  # of its test split


def predict_by_hand(run: Run, cell: Ensemble) -> Iterator[tuple[str, np.ndarray]]:
    """task -> which rows the mean of the members has right, each with the weights it keeps for the task."""
    test = run.data("test")
    for task in cell.epochs["val"]:
        outputs: list[Tensor] = []
        for member, epoch in zip(cell.members, cell.epochs["val"][task], strict=True):
            kept = member.watch.selector.snapshot(epoch)
            member.model.load_state_dict(kept.weights)
            with torch.no_grad():
                outputs.append(member.model.eval()(test.inputs, kept.state)[task])
        right = torch.stack(outputs).mean(0).argmax(1) == test.targets[task]
        yield task, right.numpy()


@pytest.mark.parametrize(
    ("method", "settings"),
    [("hard", {}), ("single_task", {}), ("soft+l2", {}), ("hard", {"members": "2"}), ("hard", {"shuffled": "right"})],
)
def test_bits_are_those_of_the_models_that_val_keeps(method: str, settings: dict[str, str]) -> None:
    run = make_run(method, DIGITS, 0, **SHORT, **settings)
    cell = run.train()
    fields = run.score(cell)
    assert list(fields["correct_rows"]) == ["left", "right"]
    for task, right in predict_by_hand(run, cell):
        np.testing.assert_array_equal(fields["correct_rows"][task].unpack(), right)
        assert right.sum() == np.trace(fields["statistics"]["val"][task]["confusion"])


def test_separate_models_have_the_bits_of_their_own_epochs() -> None:
    """At these settings the two tasks keep different epochs, so that one set of weights would show."""
    run = make_run("single_task", DIGITS, epochs="4", steps_per_epoch="2", lr="0.05")
    cell = run.train()
    assert len(set(cell.epochs["val"].values())) == 2
    fields = run.score(cell)
    assert all(
        np.array_equal(fields["correct_rows"][task].unpack(), right) for task, right in predict_by_hand(run, cell)
    )


def test_records_of_runs_have_sound_bits_and_stacked_seeds_have_their_own() -> None:
    specs = [specify("hard", DIGITS, seed, precision="float64") for seed in (0, 1)]
    records = fit_stacked(specs)
    alone = [fit(spec) for spec in specs]
    assert [record.find_problems() for record in records + alone] == [[]] * 4
    assert [record.correct_rows for record in records] == [record.correct_rows for record in alone]
    assert alone[0].correct_rows != alone[1].correct_rows


def test_without_bits_where_rows_are_not_right_or_wrong() -> None:
    record: ResultRecord = fit(specify("hard"))  # regressions
    assert record.status == "done"
    assert record.correct_rows == {}


def tasks_of(*pairs: tuple[str, str, Any]) -> list[Task]:
    """Tasks (name, pool, metric) without heads and losses, which evaluation does not ask for."""
    return [Task(name, lambda shape: None, lambda p, t: p, metric, pool) for name, pool, metric in pairs]  # type: ignore[arg-type,return-value]


def classes() -> Classification:
    """The metric of two classes."""
    return Classification(2)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_rows_are_in_order_whatever_the_pieces_and_pools_go_task_by_task(size: int) -> None:
    tasks = tasks_of(("a", "", classes), ("b", "p", classes), ("c", "p", classes), ("d", "", Regression))
    x, z = torch.arange(7.0)[:, None], torch.arange(4.0)[:, None]
    inputs = {"a": x, "b": x, "c": x, "d": z}
    odd = (torch.arange(7) % 2 == 1).long()
    targets = {"a": odd, "b": torch.ones(7).long(), "c": torch.zeros(7).long(), "d": z}

    def predict(rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Class 1 from row 3 on."""
        return {task: own if task == "d" else torch.cat([2.5 - own, own - 2.5], 1) for task, own in rows.items()}

    correctness = Correctness()
    collect_statistics(predict, tasks, Dataset(inputs, targets), size, correctness)
    late = np.arange(7) >= 3
    packed = correctness.pack(tasks)
    assert list(packed) == ["a", "p"]
    np.testing.assert_array_equal(packed["a"].unpack(), late == odd.numpy())
    np.testing.assert_array_equal(packed["p"].unpack(), np.concatenate([late, ~late]))


class Boasting(Regression):
    """Calls every row right, which the statistics of its kind do not count."""

    def judge_rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.ones(len(target), dtype=torch.bool)


def test_bits_that_no_statistics_could_confirm_are_not_kept() -> None:
    correctness = Correctness()
    correctness.add("a", Boasting(), torch.ones(3, 1), torch.ones(3, 1))
    assert correctness.pack(tasks_of(("a", "", Boasting))) == {}


def test_tasks_of_too_many_rows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.training.correctness.MOST_ROWS", 4)
    tasks, correctness = tasks_of(("a", "", classes), ("b", "", classes)), Correctness()
    for task, rows in (("a", 4), ("b", 5)):
        correctness.add(task, classes(), torch.eye(2)[torch.ones(rows).long()], torch.ones(rows).long())
    assert correctness.pack(tasks) == {"a": CorrectRows.pack(np.ones(4, dtype=bool))}
