"""`mtlbench curve`: one budget for all, a choice on validation, extension at an edge, fresh seeds for the best."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.cli.main import main
from bench.planning.curve import plan_best, plan_curve
from bench.planning.plan import plan
from bench.records.values import SettingGrid
from leaderboard.boards.board import board_of_suite
from leaderboard.store import Store

SUITE = "synthetic:tasks=2,train=64"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A curve of moments, in a store of its own."""
    quick = ["--set", "epochs=2", "--set", "steps_per_epoch=4", "--device", "cpu", "--jobs", "1"]
    return ["curve", SUITE, "single_task", "hard", "--seeds", "7-8", "--store", str(tmp_path / "store"), *quick]


def run_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command prints with --json."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_every_method_has_the_same_values_and_seeds_and_no_place_on_a_board() -> None:
    grid = SettingGrid.parse("lr=0.001/0.003/0.01")
    specs = plan_curve(SUITE, ["single_task", "hard"], grid, [7, 8])
    methods = {spec.method for spec in specs}
    cells = {method: {(s.protocol.lr, s.seed) for s in specs if s.method == method} for method in methods}
    assert len(specs) == len({spec.run_id for spec in specs}) == 12
    assert set(map(frozenset, cells.values())) == {frozenset((lr, seed) for lr in grid.values for seed in (7, 8))}
    own = plan(SUITE, ["hard"], [7])[0].protocol.lr
    assert own in grid.values  # at which nothing differs from the protocol, and yet
    assert all(set(spec.overrides) == {"lr"} for spec in specs)


def test_a_curve_ends_where_the_protocol_does() -> None:
    assert SettingGrid.parse("labels=0.1/0.4/1").next_value("high") is None
    assert SettingGrid.parse("labels=0.1/0.2/0.4").next_value("high") == 0.8
    assert SettingGrid.parse("momentum=0.2/0.6").next_value("high") is None
    assert SettingGrid.parse("lr=0.2/0.6").next_value("high") == 1.8


def test_a_point_is_the_run_that_set_makes() -> None:
    [point] = plan_curve(SUITE, ["hard"], SettingGrid.parse("lr=0.01"), [7])
    assert point == plan(SUITE, ["hard"], [7], {"lr": "0.01"})[0]


def test_the_best_is_told_from_what_was_set_by_hand() -> None:
    [point] = plan_curve(SUITE, ["hard"], SettingGrid.parse("lr=0.01"), [7])
    [best] = plan_best(point, [0])
    assert (best.seed, best.overrides, best.is_trial, best.is_of_search) == (0, point.overrides, False, False)
    assert best.run_id != plan(SUITE, ["hard"], [0], {"lr": "0.01"})[0].run_id


def test_a_curve_chooses_by_validation_and_resumes(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    answer = run_json([*words, "--over", "lr=0.001/0.01/0.1"], capsys)
    assert (answer["planned"], answer["done"]) == (12, 12)
    for curve in answer["curves"]:
        errors = {point["value"]: point["validation"]["mean"] for point in curve["points"]}
        assert list(errors) == [0.001, 0.01, 0.1]
        assert curve["chosen"] == min(errors, key=lambda value: errors[value])
        assert curve["seeds"] == [7, 8]
    again = run_json([*words, "--over", "lr=0.001/0.01/0.1"], capsys)
    assert (again["stored"], again["to_run"], again["curves"]) == (12, 0, answer["curves"])
    records = Store(Path(words[words.index("--store") + 1])).read().records
    assert all(record.find_problems() == [] and sorted(record.validation) == sorted(record.tasks) for record in records)
    assert board_of_suite(records[0].suite, records).methods == []


def test_an_edge_is_extended_until_the_best_is_inside(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Eight updates at 1e-6 and 2e-6 learn nothing: more is better, so the grid grows upwards, in its own ratio."""
    words = [word for word in words if word != "hard"]
    assert main([*words, "--over", "lr=1e-6/2e-6"]) == 0
    out = capsys.readouterr().out
    assert "The best lr of `single_task` lies at the edge of its grid, lr=2e-06; try lr=4e-06." in " ".join(out.split())
    [curve] = run_json([*words, "--over", "lr=1e-6/2e-6", "--extend", "3"], capsys)["curves"]
    assert [point["value"] for point in curve["points"]] == [1e-6, 2e-6, 4e-6, 8e-6, 1.6e-5]
    assert (curve["edges"], curve["next"]) == (["high"], [3.2e-5])
    inside = run_json([*words, "--over", "lr=1e-3/1e-2/1e-1", "--extend", "4"], capsys)
    [curve] = inside["curves"]
    assert curve["edges"] == [] or len(curve["points"]) == 7


def test_the_best_value_runs_on_seeds_that_did_not_choose_it(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = run_json([*words, "--over", "lr=0.001/0.01/0.1", "--final-seeds", "0-1"], capsys)
    assert answer["done"] == 12 + 4
    records = Store(Path(words[words.index("--store") + 1])).read().records
    best = [record for record in records if record.spec.tuning]
    chosen = {curve["method"]: curve["chosen"] for curve in answer["curves"]}
    assert sorted((r.method, r.spec.seed, r.spec.protocol.lr) for r in best) == [
        (method, seed, chosen[method]) for method in ("hard", "single_task") for seed in (0, 1)
    ]
    assert {(r.spec.tuning.stage, r.spec.tuning.of == r.method) for r in best if r.spec.tuning} == {("best", True)}
    assert all(curve["best"]["seeds"] == [0, 1] for curve in answer["curves"])


def test_a_dry_run_has_the_plan_and_trains_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--over", "lr=0.001/0.01", "--extend", "2", "--final-seeds", "0-4", "--dry-run"]
    plan = run_json([*words, *more], capsys)
    assert (plan["planned"], plan["to_run"], plan["estimate"]["unknown"]) == (8, 8, 8)
    assert not Path(words[words.index("--store") + 1]).exists()
    assert main([*words, *more]) == 0
    assert "Then up to 4 cells of each method at an edge of its values and 5 of each" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["school", "soft+l2", "--over", "epochs=1/2"], "`school` has no validation split, by which"),
        (["synthetic", "hard", "--over", "rate=1/2"], "no setting `rate` that is a number"),
        (["synthetic", "hard", "--over", "lr=-1/2"], "`lr`"),
        (
            ["synthetic", "hard", "--over", "lr=1/2", "--set", "lr=1"],
            "`--set lr` should be left out beside `--over lr`",
        ),
        (["synthetic", "hard", "--over", "momentum=0.5/0.9"], "only with `optimiser=sgd`"),
        (["school", "soft+l2", "--over", "lr=1/2"], "`lr` has no effect on this suite"),
        (
            ["synthetic", "hard", "--over", "lr=1/2", "--seeds", "3", "--final-seeds", "0-4"],
            "none of `--seeds`.*Found 3",
        ),
        (["synthetic", "hard"], "--over"),
    ],
)
def test_what_cannot_be_a_curve_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curve", *arguments, "--store", str(tmp_path / "store")]) == 2
    err = capsys.readouterr().err
    assert re.search(sentence, err), err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "store").exists()
