"""The setting `tasks`: a run of some tasks differs from one of all in who else is learnt, and in nothing more."""

import pytest
import torch

from bench.core.task_choice import select_tasks
from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan
from bench.records import ResultRecord, RunSpec
from bench.training.fit import fit

SMALL = {"epochs": "2", "steps_per_epoch": "3"}
SHARED, OWN = "synthetic:tasks=3,train=32", "deep_synthetic:tasks=3,train=20"
POOLED = "linear_synthetic:tasks=6,train=12"


def plan_one(suite: str, method: str = "single_task", **settings: str) -> RunSpec:
    budget = {} if suite == POOLED else SMALL
    [spec] = plan(suite, [method], [0], budget | settings, "cpu")
    return spec


def errors(record: ResultRecord) -> dict[str, object]:
    assert record.status == "done", record.error
    assert record.find_problems() == []
    return dict(record.statistics.get("per_task") or record.statistics["val"])


@pytest.mark.parametrize("suite", [SHARED, OWN])
def test_alone_a_task_is_the_same_whoever_else_is_learnt_apart(suite: str) -> None:
    whole = errors(fit(plan_one(suite)))
    part = errors(fit(plan_one(suite, tasks="task02/task00")))
    assert list(part) == ["task00", "task02"]
    if suite == SHARED:  # the order of rows of one's own goes by their place
        assert part == {task: whole[task] for task in part}


def test_together_the_others_make_a_difference() -> None:
    whole, part = (errors(fit(plan_one(SHARED, "hard", **more))) for more in ({}, {"tasks": "task00/task02"}))
    assert whole["task00"] != part["task00"]


@pytest.mark.parametrize(("suite", "batch"), [(SHARED, 0), (OWN, 32)])
def test_rows_of_an_update_stay_as_many_for_each_task(suite: str, batch: int) -> None:
    whole, part = plan_one(suite).protocol, plan_one(suite, tasks="task01/task02").protocol
    if suite == SHARED:
        assert (part.batch_size, part.splits) == (whole.batch_size, whole.splits)
    else:
        assert (part.batch_size, 3 * part.batch_size) == (batch, 2 * whole.batch_size)
        assert {split: 3 * rows for split, rows in part.splits.items()} == {s: 2 * r for s, r in whole.splits.items()}
    assert list(part.metrics) == ["task01", "task02"]


def test_tasks_that_are_scored_together_are_scored_apart_where_they_are_chosen() -> None:
    names = [f"task{t:02d}" for t in range(6)]
    assert list(errors(fit(plan_one(POOLED)))) == ["pooled"]
    assert list(errors(fit(plan_one(POOLED, tasks="/".join(names))))) == names
    weights = select_tasks(parse_suite(POOLED)[1], ["task01", "task04"]).known_weights(0)
    whole = parse_suite(POOLED)[1].known_weights(0)
    assert weights is not None
    assert whole is not None
    assert torch.equal(weights, whole[:, [1, 4]])


def test_one_choice_has_one_run_and_none_keeps_the_old_name() -> None:
    one, other = (plan_one(SHARED, tasks=text) for text in ("task02/task00", "task00/task02/task00"))
    assert one.run_id == other.run_id != plan_one(SHARED).run_id
    assert one.overrides["tasks"] == "task00/task02"
    assert "tasks" not in plan_one(SHARED).protocol.model_dump(exclude_defaults=True)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tasks": "task00/taks01"}, r"^`tasks` should name tasks of the suite. Found `taks01`; the nearest.*`task01`"),
        ({"tasks": "task00/task01/task02"}, r"^`tasks` should leave out a task at least"),
        ({"tasks": "task00/task01", "shuffled": "task02"}, r"^`shuffled` should name tasks of the suite \(task00"),
    ],
)
def test_what_cannot_be_chosen_is_refused(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        plan_one(SHARED, **settings)
