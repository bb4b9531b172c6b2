"""Curves over a setting: which value validation chooses, at which edge, and which runs are compared at all."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from bench.records import Curves, ResultRecord, Tuning
from bench.records.values import SettingGrid
from leaderboard.boards.curves import (
    SettingCurve,
    collect_curves,
    curve_of_runs,
    curves_on_grid,
    explain_edges,
    validation_errors,
    validation_objective,
)

Make = Callable[..., ResultRecord]


def point(
    make: Make, method: str, lr: float, seed: int, error: float | None, test: float = 90.0, **more: Any
) -> ResultRecord:
    """A run with `--set lr`: its error on validation (None where it failed), its accuracy on the test split."""
    overrides = {"lr": repr(lr)} | more.pop("overrides", {})
    changed = {"lr": lr} | more.pop("changed", {})
    values = {"left": test, "right": test}
    validation = {} if error is None else {"left": error, "right": error}
    return make(
        method, seed, values, overrides=overrides, changed=changed, failed=error is None, validation=validation, **more
    )


def path(make: Make, method: str, errors: dict[float, float | None], seeds: int = 3) -> list[ResultRecord]:
    """A curve with the same error on every seed."""
    return [point(make, method, lr, seed, error) for lr, error in errors.items() for seed in range(seeds)]


def only(records: list[ResultRecord]) -> SettingCurve:
    """The one curve of records."""
    [curve] = collect_curves(records)
    return curve


def test_a_record_of_a_curve_is_sound_with_and_without_validation(make_record: Make) -> None:
    run = point(make_record, "hard", 0.1, 0, 0.2)
    assert run.find_problems() == []
    assert run.model_copy(update={"validation": {}}).seal().find_problems() == []
    half = run.model_copy(update={"validation": {"left": 0.2}}).seal()
    assert any("positive error for every task" in problem for problem in half.find_problems())
    plain = make_record("hard", validation={"left": 0.2, "right": 0.2})
    assert any("validation: should be there for trials" in problem for problem in plain.find_problems())


def test_validation_chooses_and_the_test_split_does_not(make_record: Make) -> None:
    runs = [
        point(make_record, "hard", lr, seed, error, test)
        for lr, error, test in ((0.01, 0.3, 99.0), (0.02, 0.1, 50.0), (0.04, 0.2, 90.0))
        for seed in range(2)
    ]
    curve = only(runs)
    assert (curve.chosen, curve.edges, curve.next_values, explain_edges([curve])) == (0.02, (), (), [])
    assert curve.objectives == pytest.approx({lr: 2 * math.log(e) for lr, e in ((0.01, 0.3), (0.02, 0.1), (0.04, 0.2))})


def test_the_objective_is_the_mean_over_seeds_of_the_sum_of_logs(make_record: Make) -> None:
    errors = {0: (0.1, 0.2), 1: (0.4, 0.3)}
    runs = [
        make_record("hard", seed, overrides={"lr": "0.5"}, changed={"lr": 0.5}, validation={"left": a, "right": b})
        for seed, (a, b) in errors.items()
    ]
    curve = curve_of_runs(runs, "lr")
    assert curve is not None
    assert curve.objectives[0.5] == pytest.approx(sum(math.log(a * b) for a, b in errors.values()) / 2)


@pytest.mark.parametrize(
    ("errors", "edges", "following", "words"),
    [
        ((0.1, 0.2, 0.3), ("low",), (0.005,), "lr=0.01; try lr=0.005."),
        ((0.3, 0.2, 0.1), ("high",), (0.08,), "lr=0.04; try lr=0.08."),
        ((0.2, 0.2, 0.3), ("low",), (0.005,), "lr=0.01; try lr=0.005."),  # of equal ones the smaller
    ],
)
def test_an_edge_says_what_to_try_next(
    make_record: Make, errors: tuple[float, ...], edges: tuple[str, ...], following: tuple[float, ...], words: str
) -> None:
    curve = only(path(make_record, "hard", dict(zip((0.01, 0.02, 0.04), errors, strict=True))))
    assert (curve.edges, curve.next_values) == (edges, following)
    [sentence] = explain_edges([curve])
    assert sentence.startswith("The best lr of `hard` lies at the edge of its grid, ")
    assert sentence.endswith(words)


def test_a_value_with_a_failed_run_is_not_chosen(make_record: Make) -> None:
    runs = path(make_record, "hard", {0.01: 0.3, 0.02: 0.2}) + path(make_record, "hard", {0.04: 0.1}, seeds=2)
    runs.append(point(make_record, "hard", 0.04, 2, None))
    assert only(runs).chosen == 0.02
    assert only(path(make_record, "hard", {0.01: None, 0.02: None, 0.04: None})).chosen is None


def test_values_are_compared_on_the_seeds_that_most_have(make_record: Make) -> None:
    """One lucky seed at a value of its own, or more seeds at one value, decide nothing."""
    runs = path(make_record, "hard", {0.01: 0.3, 0.02: 0.2, 0.04: 0.25})
    more = [point(make_record, "hard", 0.04, seed, 0.001) for seed in (3, 4)]
    stray = point(make_record, "hard", 0.08, 7, 0.001)
    curve = only([*runs, *more, stray])
    assert (curve.seeds, list(curve.points), curve.chosen) == ((0, 1, 2), [0.01, 0.02, 0.04], 0.02)


def test_two_values_are_no_curve_and_neither_are_searches(make_record: Make) -> None:
    assert collect_curves(path(make_record, "hard", {0.01: 0.3, 0.02: 0.2})) == []
    runs = path(make_record, "hard", {0.01: 0.3, 0.02: 0.2, 0.04: 0.1})
    tuning = Tuning(of="hard", trial=0, stage="final")
    assert collect_curves([run.model_copy(update={"spec": run.spec.vary(tuning=tuning)}) for run in runs]) == []
    assert collect_curves([make_record("hard", seed) for seed in range(5)]) == []


def test_other_settings_make_another_curve(make_record: Make) -> None:
    plain = path(make_record, "hard", {0.01: 0.3, 0.02: 0.2, 0.04: 0.1})
    longer = [
        point(make_record, "hard", lr, 0, 0.2, overrides={"epochs": "9"}, changed={"epochs": 9})
        for lr in (0.01, 0.02, 0.04)
    ]
    curves = collect_curves([*plain, *longer])
    assert {(curve.setting, curve.settings) for curve in curves} == {("lr", ()), ("lr", (("epochs", "9"),))}


def test_an_older_version_is_not_mixed_in(make_record: Make) -> None:
    old = path(make_record, "hard", {0.01: 0.001, 0.02: 0.2, 0.04: 0.1})
    new = [
        point(make_record, "hard", lr, seed, error, versions={"suite/toy": 1, "sharing/x": 2})
        for lr, error in ((0.01, 0.3), (0.02, 0.1), (0.04, 0.2))
        for seed in range(3)
    ]
    for records in ([*old, *new], [*new, *old]):
        assert only(records).chosen == 0.02


def test_an_older_record_is_read_from_its_curves_of_epochs(make_record: Make) -> None:
    """Accuracies of 80 and 75 % at the epoch kept, the third; a perfect one counts as half a wrong row of 50."""
    curves = Curves(val={"left": {"accuracy": [1.0, 2.0, 80.0]}, "right": {"accuracy": [1.0, 2.0, 75.0]}})
    run = make_record("hard", overrides={"lr": "0.2"}, curves=curves)
    assert validation_errors(run) == pytest.approx({"left": 0.2, "right": 0.25})
    perfect = Curves(val={"left": {"accuracy": [1.0, 2.0, 100.0]}, "right": {"accuracy": [1.0, 2.0, 75.0]}})
    assert validation_errors(make_record("hard", curves=perfect))["left"] == pytest.approx(0.01)
    assert validation_errors(make_record("hard")) == {}
    assert validation_objective(make_record("hard")) == math.inf


def test_a_grid_takes_its_own_values_and_seeds_only(make_record: Make) -> None:
    runs = path(make_record, "hard", {0.01: 0.3, 0.02: 0.2, 0.04: 0.1, 0.08: 0.001}, seeds=5)
    curves = curves_on_grid(runs, SettingGrid.parse("lr=0.01/0.02/0.04"), range(3))
    assert (list(curves["hard"].points), curves["hard"].seeds, curves["hard"].chosen) == (
        [0.01, 0.02, 0.04],
        (0, 1, 2),
        0.04,
    )
