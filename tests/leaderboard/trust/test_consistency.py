"""What follows from what inside one record: a lie that is sealed like a record is named all the same."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from bench.records import ResultRecord
from bench.scores import KINDS, pack_histogram, score
from leaderboard.store.committed import read_committed_suite
from leaderboard.trust.consistency import count_labels, find_inconsistencies

Content = dict[str, Any]


def first(suite: str, method: str) -> Content:
    """A committed run, as JSON has it."""
    found = (
        r for r in read_committed_suite(suite) if r.method == method and not r.spec.overrides and not r.spec.tuning
    )
    content: Content = next(found).model_dump(mode="json")
    return content


HARD, SINGLE, ROOMS = first("multidigits", "hard"), first("multidigits", "single_task"), first("scenes", "hard")


def sealed(content: Content) -> ResultRecord:
    record = ResultRecord.model_validate(content)
    return record.model_copy(update={"run_id": record.spec.run_id}).seal()


def said(base: Content, lie: Callable[[Content], Any]) -> list[str]:
    content = copy.deepcopy(base)
    lie(content)
    record = sealed(content)
    assert record.find_problems() == []  # nothing but its own contradictions gives it away
    return list(find_inconsistencies(record))


def rescored(content: Content, rule: str, task: str, state: Content) -> None:
    content["statistics"][rule][task] = state
    content["scores"][rule][task] = score(content["spec"]["protocol"]["metrics"][task], state)


def relabelled(content: Content) -> None:
    """As many rows, of other labels."""
    matrix = copy.deepcopy(content["statistics"]["last"]["left"]["confusion"])
    matrix[1][0] += matrix[0].pop(0)
    matrix[0].insert(0, 0)
    rescored(content, "last", "left", {"confusion": matrix})


def better_at_the_same_epoch(content: Content) -> None:
    content["selection"]["val"] = dict.fromkeys(content["selection"]["val"], 30)
    matrix = copy.deepcopy(content["statistics"]["val"]["left"]["confusion"])
    row = next(row for row in matrix if row[1] and row is not matrix[1])
    row[matrix.index(row)] += row[1]
    row[1] = 0
    rescored(content, "val", "left", {"confusion": matrix})


def unknown(content: Content) -> None:
    """A value that was not finite."""
    content["curves"]["val"]["left"]["accuracy"][0] = None


def steeper(content: Content) -> None:
    """Every angle in the first bin, and the sum of before."""
    state = content["statistics"]["val"]["normals"]
    counts = np.zeros(3600, dtype=int)
    counts[0] = state["count"]
    for rule in content["statistics"]:
        rescored(content, rule, "normals", state | {"histogram": pack_histogram(counts)})


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lambda c: c["data"].popitem(), "data: should have the checksum"),
        (lambda c: c.update(created="yesterday"), "created: should be a time"),
        (lambda c: c.update(created="2026-01-01T00:00:00"), "created: should name its time zone"),
        (
            lambda c: c.update(created=(datetime.now(UTC) + timedelta(days=3)).isoformat()),
            "created: should not lie ahead",
        ),
        (lambda c: c["selection"]["last"].update(left=3), "selection.last: should be epoch 30"),
        (lambda c: c["selection"]["val"].update(left=1, right=1), "selection.val: validation is best at epoch"),
        (lambda c: c["selection"]["per_task"].update(left=1), "selection.per_task.left: validation is best at epoch"),
        (lambda c: c["curves"]["val"]["left"]["accuracy"].pop(), "curves: should have 30 epochs"),
        (lambda c: c["curves"]["train_loss"].pop("left"), "curves: should be those of the tasks"),
        (lambda c: c["curves"]["val"].update(more={}), "curves: should be those of the tasks"),
        (lambda c: c["curves"]["val"]["left"].update(f1=[1.0] * 30), "curves.val.left: should be those of the metrics"),
        (lambda c: c["curves"]["val"]["left"]["accuracy"].__setitem__(0, 100.5), "accuracy: should lie in its range"),
        (lambda c: c["curves"]["val"]["left"]["accuracy"].__setitem__(0, -1.0), "accuracy: should lie in its range"),
        (
            lambda c: c["curves"]["val"]["left"]["accuracy"].__setitem__(0, 100.0),
            "left: validation is best at epoch 1,",
        ),
        (lambda c: (unknown(c), c["selection"]["per_task"].update(left=2)), "left: validation is best at epoch"),
        (lambda c: c["statistics"]["val"]["left"].update(more=1), "statistics.val.left: should not have `more`"),
        (lambda c: c["scores"]["val"]["left"].update(f1=1.0), "scores.val.left: should not have `f1`"),
        (lambda c: c["scores"]["val"].update(more={}), "scores.val: should not have `more`"),
        (lambda c: c.update(cosines={"shape": [1], "float16": "AAA="}), "cosines: should be tasks x tasks"),
        (relabelled, "should count the same labels as"),
        (better_at_the_same_epoch, "of the same epoch 30"),
    ],
)
def test_a_resealed_lie_is_named(lie: Callable[[Content], Any], words: str) -> None:
    assert any(words in sentence for sentence in said(HARD, lie))


@pytest.mark.parametrize("base", [HARD, SINGLE, ROOMS], ids=["hard", "single_task", "rooms"])
def test_the_truth_is_not_called_a_lie(base: Content) -> None:
    assert said(base, lambda content: None) == []


def test_angles_lie_in_their_bins() -> None:
    assert any("`angle_sum` should be that of angles" in sentence for sentence in said(ROOMS, steeper))


def test_separate_models_keep_epochs_of_their_own() -> None:
    """The one epoch that is best for all is no choice of theirs, and a joint model has no other."""
    own = SINGLE["selection"]["per_task"]
    assert SINGLE["selection"]["val"] == own
    assert len(set(own.values())) > 1
    assert said(HARD, lambda content: content["selection"].update(val=content["selection"]["per_task"])) != []


def test_the_error_of_a_kind_follows_from_its_metrics_too() -> None:
    for content in (HARD, ROOMS):
        record = sealed(content)
        for task, kind in record.spec.protocol.metrics.items():
            state = record.statistics["val"][task]
            error_of = KINDS[kind].error_of
            assert error_of is not None
            assert error_of(record.scores["val"][task]) == pytest.approx(KINDS[kind].error(state))
            if "confusion" in state:
                assert count_labels(record, "val")[task] == np.sum(state["confusion"], axis=1).tolist()
            else:
                assert count_labels(record, "val")[task] == [state["count"]]


def test_committed_records_agree_with_themselves() -> None:
    records = read_committed_suite("multidigits") + read_committed_suite("scenes")
    assert len(records) > 400
    assert [sentence for record in records for sentence in find_inconsistencies(record)] == []
    plain = [run for run in records if not run.spec.is_trial and not run.spec.protocol.replica]
    labels = {json.dumps([run.spec.suite, count_labels(run, "last")]) for run in plain}
    assert len(labels) == len({r.spec.suite for r in records})
