"""Test errors far below validation errors are named; committed runs have none."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.records import Curves, ResultRecord
from leaderboard.intake.submission import read_submission
from leaderboard.store import Store, StoreContents
from leaderboard.trust.gaps import compute_ratios, find_too_good
from tests.leaderboard.intake import toy

Make = Callable[..., ResultRecord]
VAL = Curves(val={task: {"accuracy": [80.0, 85.0, 90.0]} for task in ("left", "right")})


def test_committed_runs_are_not_too_good_by_themselves_or_beside_each_other(
    committed_contents: StoreContents,
) -> None:
    # Labels of `mechanisms` have noise in training and validation, and none in test: errors there are smaller.
    # Of `tagging` and `multiclass` one row in a hundred is wrong: a handful on validation, which may be twice as many.
    noisy = ("mechanisms", "tagging", "multiclass")
    records = [record for record in committed_contents.records if not record.suite.startswith(noisy)]
    assert min(min(found.values()) for record in records if (found := compute_ratios(record))) > 0.6  # FAR, with room
    assert list(find_too_good(records)) == []
    suites = defaultdict(lambda: defaultdict(list))
    for record in records:
        if not record.spec.tuning:
            suites[record.suite][record.method].append(record)
    for methods in suites.values():
        for name, own in methods.items():
            board = [record for other, runs in methods.items() if other != name for record in runs]
            assert list(find_too_good(own, board)) == []


def test_ratio_is_that_of_the_epoch_kept(make_record: Make) -> None:
    record = make_record("hard", 0, {"left": 95.0, "right": 88.0}, curves=VAL)
    assert compute_ratios(record)["val", "left"] == pytest.approx(0.5)
    assert compute_ratios(record)["last", "right"] == pytest.approx(1.2)
    earlier = record.model_copy(update={"selection": {rule: {"left": 1, "right": 2} for rule in record.scores}})
    assert compute_ratios(earlier)["val", "left"] == pytest.approx(0.25)
    assert compute_ratios(make_record("hard", 0, curves=VAL, changed={"members": 2})) == {}
    assert compute_ratios(make_record("hard", 0)) == {}


def test_test_far_from_validation_is_named(make_record: Make) -> None:
    board = [make_record("hard", seed, {"left": 91.0, "right": 90.0}, curves=VAL) for seed in (0, 1)]
    forged = [make_record("mine", seed, {"left": 100.0, "right": 90.0}, curves=VAL) for seed in (0, 1)]
    assert list(find_too_good(forged)) == ["`mine`: the test error of left (val) is 0.00 of that on validation"]
    lifted = [make_record("mine", seed, {"left": 93.0, "right": 90.0}, curves=VAL) for seed in (0, 1)]
    assert list(find_too_good(lifted)) == []
    assert list(find_too_good(lifted, board)) == [
        "`mine`: the test error of left (val) is 0.70 of that on validation, on the board's own runs at least 0.90"
    ]


def test_what_no_run_gives_is_refused_of_a_submission_and_noted_in_a_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curved = [toy.resealed(run, curves=VAL) for run in toy.COMMITTED]  # 95 % and 90 %, on validation 90 %
    honest = [toy.build(seed, curves=VAL, values={"left": 95.5, "right": 90.0}) for seed in (0, 1)]
    found = read_submission(toy.write(tmp_path / "a" / "mine", runs=honest), toy.BOARDS, curved)
    assert (found.sound, found.notes) == (True, [])
    forged = [toy.build(seed, curves=VAL, values={"left": 100.0, "right": 90.0}) for seed in (0, 1)]
    found = read_submission(toy.write(tmp_path / "b" / "mine", runs=forged), toy.BOARDS, curved)
    sentence = "`mine`: the test error of left (val) is 0.00 of that on validation"
    assert [p.reasons for p in found.problems if p.path == "results"] == [
        [f"{sentence}, on the board's own runs at least 0.50"]
    ]
    for run in forged:
        Store(tmp_path / "store").write(run)
    assert main(["verify", str(tmp_path / "store")]) == 0
    assert f"note: {sentence}" in capsys.readouterr().out
